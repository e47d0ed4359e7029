"""A file that is there whole or not at all: it is written beside its place and takes it when it is complete.

Readable by its owner only, since it may name a customer's objects.
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
    """Open a file for writing; it replaces the one at `path` when the block ends well.

    Raises UsageError where something else than a file is there, DiskError where it cannot be written.
    """
    place = path.resolve()
    if place.exists() and not place.is_file():
        raise UsageError(f"{path}: this is not a regular file", "Give the name of a file.")
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
            f"{path}: cannot be written: {error.strerror or error}", "Free the disk, or name another file."
        ) from error
