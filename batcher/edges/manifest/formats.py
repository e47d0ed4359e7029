"""Finds the format of a manifest: the one given, else the one its name implies, unless its content shows another.

Content decides only if the format implied by the name is impossible: an object name does not begin with `obs://`, and a
table without a column `object` is refused.
"""

from __future__ import annotations

import zlib
from pathlib import Path

from batcher.edges.manifest.inventory_files import is_inventory, is_manifest
from batcher.edges.manifest.obsutil import is_printed_by_obsutil
from batcher.edges.manifest.opening import SUFFIXES
from batcher.errors import UsageError
from batcher.rules.choices import Format
from batcher.rules.rows.file_kind import kind_of

_HEAD = 64 * 1024
_GZIP_WINDOW = 31
"""The wbits value with which zlib reads gzip of any window size."""


def format_of(path: Path | None, given: str | None) -> str:
    """Return the given format, else the one that the file shows. Raises UsageError if it cannot be determined."""
    if given is not None:
        return given
    if path is None:
        raise UsageError("standard input: no suffix to show the format", f"Give --format {', '.join(Format)}.")
    if path.suffix.lower() == ".json":
        return "inventory" if is_manifest(path, _head(path)) else "json"
    name = path.name.lower().removesuffix(".gz")
    format_ = SUFFIXES.get(Path(name).suffix)
    if format_ is None:
        kind = kind_of(_head_bytes(path))
        if kind is not None and not kind.encoding:
            raise UsageError(f"{path}: the file looks like {kind.what}", kind.advice)
        raise UsageError(
            f"{path}: the suffix does not show the format",
            f"Give --format {', '.join(Format)}. Known suffixes are {' '.join(SUFFIXES)}, also with .gz.",
        )
    if format_ == "txt" and is_printed_by_obsutil(_head(path)):
        return "obsutil"
    if format_ == "csv" and is_inventory(path, _head(path)):
        return "inventory"
    return format_


def has_addresses(path: Path | None) -> bool:
    """Return whether the beginning of a file names objects by their addresses, and so their buckets."""
    return path is not None and "obs://" in _head(path)


def _head(path: Path) -> str:
    return _head_bytes(path).decode("utf-8", "replace").removeprefix("\ufeff")


def _head_bytes(path: Path) -> bytes:
    """Read the beginning of a file, unzipped. Return nothing for a pipe, whose data can be read only once."""
    if not path.is_file():
        return b""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
        if head.startswith(b"\x1f\x8b"):
            head = zlib.decompressobj(_GZIP_WINDOW).decompress(head, _HEAD)
    except (OSError, zlib.error):
        # The error is reported when the file is opened to be read.
        return b""
    return head
