"""Which format a manifest has: the one that is given, else by its name, and by its content where that is beyond doubt.

Content decides only where the format of the name could not be meant: a key does not begin with `obs://`, and a table
without a column `object` is refused.
"""

from __future__ import annotations

import zlib
from pathlib import Path

from batcher.edges.manifest.inventory_files import MANIFEST, is_inventory
from batcher.edges.manifest.obsutil import is_printed_by_obsutil
from batcher.errors import UsageError
from batcher.rules.choices import Format

_SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".txt": "txt",
    ".parquet": "parquet",
}
_HEAD = 64 * 1024
_GZIP_WINDOW = 31
"""What zlib calls a gzip file of any window."""


def format_of(path: Path | None, given: str | None) -> str:
    """Give the format asked for, else the one that the file shows. Raises UsageError if none is known."""
    if given is not None:
        return given
    if path is None:
        raise UsageError("standard input has no suffix that tells its format", f"Give --format: {', '.join(Format)}.")
    if path.name == MANIFEST:
        return "inventory"
    name = path.name.lower().removesuffix(".gz")
    format_ = _SUFFIXES.get(Path(name).suffix)
    if format_ is None:
        raise UsageError(
            f"{path}: its suffix does not tell its format",
            f"Give --format, one of {', '.join(Format)}; known suffixes are {' '.join(_SUFFIXES)}, also with .gz.",
        )
    if format_ == "txt" and is_printed_by_obsutil(_head(path)):
        return "obsutil"
    if format_ == "csv" and is_inventory(path, _head(path)):
        return "inventory"
    return format_


def _head(path: Path) -> str:
    """Read the beginning of a file; nothing where it is none, since what a pipe has given is gone."""
    if not path.is_file():
        return ""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
        if head.startswith(b"\x1f\x8b"):
            head = zlib.decompressobj(_GZIP_WINDOW).decompress(head, _HEAD)
    except (OSError, zlib.error):
        # Whoever opens it to read it will say what is wrong.
        return ""
    return head.decode("utf-8", "replace").removeprefix("\ufeff")
