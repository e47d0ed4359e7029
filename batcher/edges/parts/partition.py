"""Splits millions of keys, each with a number, into parts by their first byte, so that a part fits into memory.

Rows with the same content have the same key, and so are in the same part. What does not fit into memory goes to a
temporary file (24 bytes per key).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from struct import Struct
from typing import NamedTuple

from batcher.edges.parts.part_file import PartFile

PARTS = 256
"""One part for each value of a key's first byte. With ten million keys, a part has about 40,000."""
MOST_KEPT = 1024 * 1024
"""The number of keys to keep in memory: 24 MiB."""

MOST_AT_ONCE = 16 * 1024
"""The maximum number of keys to add before checking how many are in memory."""

_KEY = "16s"
_NUMBER = "Q"


class Part(NamedTuple):
    """Keys and their numbers, in the order in which they were added."""

    keys: Sequence[bytes]
    numbers: array[int]


class Partition:
    """Add keys, then read the parts, then close it. Raises DiskError if the file cannot be used."""

    def __init__(self) -> None:
        self._keys = [bytearray() for _ in range(PARTS)]
        self._numbers = [array(_NUMBER) for _ in range(PARTS)]
        self._file = PartFile(2 * PARTS)
        """The keys of each part, then the numbers of each."""

    def close(self) -> None:
        """Delete the temporary file."""
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
            keys = self._file.read(part) + self._keys[part]
            numbers = array(_NUMBER, self._file.read(PARTS + part))
            numbers += self._numbers[part]
            # Not `struct.unpack`, which keeps the formats that it has seen.
            yield Part(Struct(_KEY * len(numbers)).unpack(keys), numbers)

    def _spill(self) -> None:
        self._file.add([*self._keys, *self._numbers])
        for keys, numbers in zip(self._keys, self._numbers, strict=True):
            keys.clear()
            del numbers[:]
