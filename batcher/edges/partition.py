"""Splits millions of keys, each with a number, into parts by their first byte, so that a part fits into memory.

Rows with the same content have the same key, and so are in the same part. What does not fit into memory goes to an
unnamed temporary file in TMPDIR (24 bytes per key), which is deleted when the process ends.
"""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from struct import Struct
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self, cast

from batcher.errors import DiskError

PARTS = 256
"""One part for each value of a key's first byte. With ten million keys, a part has about 40,000."""
MOST_KEPT = 1024 * 1024
"""The number of keys to keep in memory: 24 MiB."""

MOST_AT_ONCE = 16 * 1024
"""The maximum number of keys to add before checking how many are in memory."""

_KEY = "16s"
_KEY_BYTES = 16
_NUMBER = "Q"
_NUMBER_BYTES = 8


class Part(NamedTuple):
    """Keys and their numbers, in the order in which they were added."""

    keys: Sequence[bytes]
    numbers: array[int]


class _Piece(NamedTuple):
    """The place of a piece of a part in the file, and its number of keys."""

    at: int
    keys: int


class Partition:
    """Add keys, then read the parts. Use it in a `with` statement. Raises DiskError if the file cannot be used."""

    def __init__(self) -> None:
        self._keys = [bytearray() for _ in range(PARTS)]
        self._numbers = [array(_NUMBER) for _ in range(PARTS)]
        self._pieces: list[list[_Piece]] = [[] for _ in range(PARTS)]
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, entries: Iterable[tuple[bytes, int]]) -> None:
        """Add 16-byte keys with their numbers, which must not be negative."""
        all_keys, all_numbers = self._keys, self._numbers
        coming = iter(entries)
        for first in coming:
            for key, number in chain([first], islice(coming, MOST_AT_ONCE - 1)):
                part = key[0]
                all_keys[part] += key
                all_numbers[part].append(number)
            if sum(map(len, all_numbers)) >= MOST_KEPT:
                self._spill()

    def parts(self) -> Iterator[Part]:
        """Yield the parts, ordered by the first byte of their keys."""
        for part in range(PARTS):
            try:
                pieces = [*self._read(part), (bytes(self._keys[part]), self._numbers[part].tobytes())]
            except OSError as error:
                raise _failure(error) from error
            keys = b"".join(keys for keys, _ in pieces)
            numbers = array(_NUMBER)
            numbers.frombytes(b"".join(numbers for _, numbers in pieces))
            # Not `struct.unpack`, which keeps the formats that it has seen.
            yield Part(Struct(_KEY * len(numbers)).unpack(keys), numbers)

    def _spill(self) -> None:
        try:
            if self._file is None:
                self._file = cast("BinaryIO", tempfile.TemporaryFile(prefix="batcher-"))  # noqa: SIM115 - closed at the end
            for part, (keys, numbers) in enumerate(zip(self._keys, self._numbers, strict=True)):
                self._pieces[part].append(_Piece(self._file.tell(), len(numbers)))
                self._file.write(keys + numbers.tobytes())
                keys.clear()
                del numbers[:]
        except OSError as error:
            raise _failure(error) from error

    def _read(self, part: int) -> Iterator[tuple[bytes, bytes]]:
        for at, keys in self._pieces[part]:
            assert self._file is not None  # noqa: S101 - pieces are in the file
            self._file.seek(at)
            yield self._file.read(keys * _KEY_BYTES), self._file.read(keys * _NUMBER_BYTES)


def _failure(error: OSError) -> DiskError:
    return DiskError(
        f"{tempfile.gettempdir()}: the temporary file cannot be used: {error.strerror}",
        "Free some disk space, or set TMPDIR to a folder with more space.",
    )
