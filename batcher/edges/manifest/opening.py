"""Opening a manifest of any format: text, an inventory of OBS, or Parquet. All three are read alike."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from batcher.edges.manifest.inventory import Inventory, open_inventory
from batcher.edges.manifest.manifest import CHUNK, Manifest, open_text
from batcher.edges.manifest.parquet import ParquetManifest, open_parquet
from batcher.edges.manifest.skipped import Choice
from batcher.errors import UsageError

AnyManifest: TypeAlias = Manifest | Inventory | ParquetManifest

EVERYTHING = Choice()


def open_manifest(path: Path | None, format_: str, choice: Choice = EVERYTHING, *, chunk: int = CHUNK) -> AnyManifest:
    """Open a manifest, standard input where `path` is None, and read its header if its format has one.

    `chunk` bytes of a text are read at a time. For a table in a pipe this waits until the header has come.
    Raises ManifestError for one that cannot be read, is empty, or has no usable header, and UsageError where the
    format cannot be what the choice needs.
    """
    if choice.storage_classes and format_ != "inventory":
        raise UsageError(
            f"--storage-class: a manifest of the format {format_} does not tell storage classes",
            "Leave it out, or give the manifest.json of an inventory.",
        )
    if format_ == "inventory":
        return open_inventory(path, choice)
    if format_ == "parquet":
        return open_parquet(path, choice)
    return open_text(path, format_, choice, chunk)
