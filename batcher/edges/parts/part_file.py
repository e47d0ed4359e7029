"""Parts that do not fit into memory, in an unnamed temporary file in TMPDIR, which is deleted when the process ends."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterable
from typing import BinaryIO, NamedTuple, cast

from batcher.errors import DiskError


class _Piece(NamedTuple):
    """The place of a piece of a part in the file, and its length, in bytes."""

    at: int
    length: int


class PartFile:
    """Add a piece to each part as often as needed, then read the parts, then close it."""

    def __init__(self, parts: int) -> None:
        self._pieces: list[list[_Piece]] = [[] for _ in range(parts)]
        self._file: BinaryIO | None = None

    def close(self) -> None:
        """Delete the file."""
        if self._file is not None:
            self._file.close()

    def add(self, contents: Iterable[bytearray | array[int]]) -> None:
        """Add the next piece of each part. Raises DiskError if the file cannot be written."""
        try:
            if self._file is None:
                self._file = cast("BinaryIO", tempfile.TemporaryFile(prefix="batcher-"))  # noqa: SIM115 - closed at the end
            at = self._file.tell()
            for pieces, content in zip(self._pieces, contents, strict=True):
                pieces.append(_Piece(at, self._file.write(content)))
                at += pieces[-1].length
        except OSError as error:
            raise failure(error) from error

    def read(self, part: int) -> bytes:
        """Return the pieces of a part, in the order in which they were added. Raises DiskError."""
        found = []
        try:
            for at, length in self._pieces[part]:
                assert self._file is not None  # noqa: S101 - pieces are in the file
                self._file.seek(at)
                found.append(self._file.read(length))
        except OSError as error:
            raise failure(error) from error
        return b"".join(found)


def failure(error: OSError) -> DiskError:
    """Return the error for a temporary file that cannot be used."""
    return DiskError(
        f"{tempfile.gettempdir()}: the temporary file cannot be used: {error.strerror}",
        "Free some disk space, or set TMPDIR to a folder with more space.",
    )
