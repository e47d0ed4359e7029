"""Writes a file completely or not at all: to a temporary file beside it, which then replaces it.

Only its owner can read the file, since it may contain a customer's object names.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from batcher.errors import DiskError, UsageError


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing. It replaces the file at `path` when the block ends without an error.

    Raises UsageError if `path` is not a regular file, and DiskError if it cannot be written.
    """
    place = path.resolve()
    if place.exists() and not place.is_file():
        raise UsageError(f"{path}: not a regular file", "Give the name of a file.")
    try:
        descriptor, written = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)
        try:
            with open(descriptor, "wb") as file:  # noqa: PTH123 - it is open already
                yield file
                file.flush()
                os.fsync(file.fileno())
            Path(written).replace(place)
        except BaseException:
            with suppress(OSError):
                Path(written).unlink()
            raise
    except OSError as error:
        raise DiskError(
            f"{path}: cannot be written: {error.strerror or error}", "Free some disk space, or name another file."
        ) from error
