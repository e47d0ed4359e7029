"""The formats of a manifest, one table row each: the suffixes that imply them, and what opens them.

All manifests are read in the same way. A new format is a module and a row here, and its name in `rules.choices.Format`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

from batcher.edges.manifest.manifest import CHUNK, open_text
from batcher.edges.manifest.share import Share, WholeManifest
from batcher.edges.manifest.skipped import Choice
from batcher.errors import UsageError
from batcher.rules.choices import Format

AnyManifest: TypeAlias = "WholeManifest | Share"

EVERYTHING = Choice()


class Opening(NamedTuple):
    """How a format is recognized and opened. A format without suffixes is recognized by its content."""

    suffixes: tuple[str, ...]
    open: Callable[[Path | None, str, Choice, int], WholeManifest]
    has_storage_classes: bool = False


def _inventory(path: Path | None, _: str, choice: Choice, __: int) -> WholeManifest:
    # Imported here, since most manifests are text.
    from batcher.edges.manifest.inventory import open_inventory  # noqa: PLC0415

    return open_inventory(path, choice)


def _parquet(path: Path | None, _: str, choice: Choice, __: int) -> WholeManifest:
    # Imported here, as above.
    from batcher.edges.manifest.parquet import open_parquet  # noqa: PLC0415

    return open_parquet(path, choice)


FORMATS: Mapping[str, Opening] = {
    Format.CSV: Opening((".csv",), open_text),
    Format.TSV: Opening((".tsv",), open_text),
    Format.JSON: Opening((".json",), open_text),
    Format.JSONL: Opening((".jsonl", ".ndjson"), open_text),
    Format.TXT: Opening((".txt",), open_text),
    Format.INVENTORY: Opening((), _inventory, has_storage_classes=True),
    Format.OBSUTIL: Opening((), open_text),
    Format.PARQUET: Opening((".parquet",), _parquet),
}
SUFFIXES: Mapping[str, str] = {suffix: format_ for format_, each in FORMATS.items() for suffix in each.suffixes}
"""The format that each suffix implies."""


def is_text(format_: str) -> bool:
    """Return whether manifests of this format are read as text."""
    return FORMATS[format_].open is open_text


def open_manifest(path: Path | None, format_: str, choice: Choice = EVERYTHING, *, chunk: int = CHUNK) -> WholeManifest:
    """Open a manifest, or standard input if `path` is None, and read its header if its format has one.

    `chunk` is the number of bytes of text to read at a time. For a table in a pipe this waits until the header has
    arrived. Raises ManifestError if the manifest cannot be read, is empty, or has no usable header, and UsageError if
    the format does not support the choice.
    """
    opening = FORMATS[format_]
    if choice.storage_classes and not opening.has_storage_classes:
        raise UsageError(
            f"--storage-class: a manifest in the format {format_} has no storage classes",
            "Remove the option, or give the manifest.json of an inventory.",
        )
    return opening.open(path, format_, choice, chunk)
