"""Finds which of millions of 64-bit hashes occur more than once, in parts by their last byte that fit into memory.

What does not fit into memory goes to a temporary file (8 bytes per hash).
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection, Sequence

from batcher.edges.parts.part_file import PartFile

PARTS = 256
"""One part for each value of a hash's last byte. With ten million hashes, a part has about 40,000."""
MOST_RECENT = 16 * 1024
"""The number of hashes to keep as they are, with 40 bytes each: to pack each for itself takes twice as long."""
MOST_KEPT = 2 * 1024 * 1024
"""The number of packed hashes to keep in memory: 16 MiB."""
MOST_REPEATED = 128 * 1024
"""The number of different hashes to return: 8 MiB."""

_HASH = "q"


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

    def repeated(self) -> Collection[int] | None:
        """Return the hashes that occur more than once, None if these are too many to keep."""
        self._pack()
        found: set[int] = set()
        for part, packed in enumerate(self._packed):
            hashes = array(_HASH, self._file.read(part)) + packed
            # A set takes less time than a count. Where one part has repeated hashes, most have.
            if found or len(set(hashes)) < len(hashes):
                found.update(each for each, times in Counter(hashes).items() if times > 1)
            if len(found) > MOST_REPEATED:
                return None
        return found

    def _pack(self) -> None:
        for packed, recent in zip(self._packed, self._recent, strict=True):
            packed.fromlist(recent)
            recent.clear()
        self._left = MOST_RECENT
        if sum(map(len, self._packed)) >= MOST_KEPT:
            self._file.add(self._packed)
            for packed in self._packed:
                del packed[:]
