"""Finds which of millions of 64-bit hashes occur more than once, in parts by their last byte that fit into memory.

What does not fit into memory goes to a temporary file (8 bytes per hash).
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from batcher.edges.parts.part_file import PartFile

PARTS = 256
"""One part for each value of a hash's last byte. With ten million hashes, a part has about 40,000."""
MOST_RECENT = 64 * 1024
"""The number of hashes to keep as they are, with 40 bytes each: to pack each for itself takes twice as long."""
MOST_KEPT = 2 * 1024 * 1024
"""The number of packed hashes to keep in memory: 16 MiB."""
MOST_REPEATED = 128 * 1024
"""The number of different hashes to return: 8 MiB."""

_HASH = "q"


class Repeated(NamedTuple):
    """Hashes that occur more than once, or None for all hashes; how often they occur, and the sum of that."""

    hashes: Collection[int] | None
    rows: int
    total: int


class HashParts:
    """Add hashes, then ask once, then close it. Raises DiskError if the file cannot be used."""

    def __init__(self) -> None:
        self._recent: list[list[int]] = [[] for _ in range(PARTS)]
        self._appends = [hashes.append for hashes in self._recent]
        self._packed = [array(_HASH) for _ in range(PARTS)]
        self._file = PartFile(PARTS)
        self._left = MOST_RECENT
        """The number of hashes to add before they are packed."""

    def close(self) -> None:
        """Delete the temporary file."""
        self._file.close()

    def add(self, hashes: Sequence[int]) -> None:
        """Add at most a few thousand integers of 64 bits, with a sign."""
        appends = self._appends
        for each in hashes:
            appends[each & 0xFF](each)
        self._left -= len(hashes)
        if self._left <= 0:
            self._pack()

    def repeated(self) -> Repeated:
        """Return the hashes that occur more than once; if these are too many, all."""
        self._pack()
        found: set[int] = set()
        count = total = 0
        for hashes in self._parts():
            if len(set(hashes)) == len(hashes):
                continue
            again = {each: times for each, times in Counter(hashes).items() if times > 1}
            found.update(again)
            if len(found) > MOST_REPEATED:
                sums = [(len(each), sum(each)) for each in self._parts()]
                return Repeated(None, sum(count for count, _ in sums), sum(total for _, total in sums))
            count += sum(again.values())
            total += sum(each * times for each, times in again.items())
        return Repeated(found, count, total)

    def _parts(self) -> Iterator[array[int]]:
        for part, packed in enumerate(self._packed):
            yield array(_HASH, self._file.read(part)) + packed

    def _pack(self) -> None:
        for packed, recent in zip(self._packed, self._recent, strict=True):
            packed.fromlist(recent)
            recent.clear()
        self._left = MOST_RECENT
        if sum(map(len, self._packed)) >= MOST_KEPT:
            self._file.add(self._packed)
            for packed in self._packed:
                del packed[:]
