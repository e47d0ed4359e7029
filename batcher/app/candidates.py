"""Which rows of a manifest may have the same content as another one of it, found without their identities.

As long as rows ascend, as in a list of a bucket, none repeats another. From the first on that does not, all are hashed,
and the manifest is read once more for those that share their hash with another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import compress
from types import TracebackType
from typing import Self, TypeAlias

from batcher.edges.parts import HashParts
from batcher.errors import ManifestError
from batcher.model import Row
from batcher.rules.rows.content_hash import ContentHashes
from batcher.rules.rows.plain_rows import Ascent, PlainRows, identified

Contents: TypeAlias = PlainRows | list[Row]
"""Valid rows."""
Again: TypeAlias = Callable[[], AbstractContextManager[Iterable[Contents]]]
"""Opens a manifest once more and yields the same rows."""
Hashes: TypeAlias = Callable[[Contents], Sequence[int]]
"""Returns an integer of 64 bits for each row, the same one for the same content."""


class Candidates:
    """Takes the rows of a manifest in order, then returns those that may repeat others. Use it in `with`."""

    def __init__(self, again: Again, hashes: Hashes | None = None) -> None:
        self._again = again
        self._hashes = hashes or ContentHashes()
        self._ascent = Ascent()
        self._parts: HashParts | None = None
        """The hashes of all rows, None as long as they ascend."""
        self.rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._parts is not None:
            self._parts.close()

    def add(self, rows: Contents) -> None:
        """Add the next rows. Raises ManifestError if the manifest is not the same when it is read again."""
        self.rows += len(rows)
        if self._parts is None:
            if self._ascent.goes_on(rows):
                return
            self._parts = HashParts()
            self._hash_again(self._parts)
        self._parts.add(self._hashes(rows))

    def entries(self) -> Iterator[Sequence[tuple[bytes, int]]]:
        """Yield the identities of the candidates, with the lines that they begin on, in order. Raises ManifestError."""
        if self._parts is None:
            return
        repeated = self._parts.repeated()
        self._parts.close()
        self._parts = None
        if not repeated.rows:
            return
        rows = count = total = 0
        with self._again() as blocks:
            for block in blocks:
                hashes = self._hashes(block)
                rows += len(hashes)
                if repeated.hashes is None:
                    found: Sequence[int] = range(len(hashes))
                else:
                    found = list(compress(range(len(hashes)), map(repeated.hashes.__contains__, hashes)))
                if found:
                    count += len(found)
                    total += sum(hashes[at] for at in found)
                    yield identified(block, found)
        if (rows, count, total) != (self.rows, repeated.rows, repeated.total):
            raise _changed()

    def _hash_again(self, parts: HashParts) -> None:
        """Hash the rows that have ascended."""
        left = self._ascent.rows
        if not left:
            return
        reading = Ascent()
        with self._again() as blocks:
            for block in blocks:
                rows = block.part(0, left) if isinstance(block, PlainRows) else block[:left]
                if not reading.goes_on(rows):
                    break
                parts.add(self._hashes(rows))
                left -= len(rows)
                if not left:
                    break
        if reading.last != self._ascent.last:
            raise _changed()


def _changed() -> ManifestError:
    return ManifestError("the manifest was changed while it was read", "Run the same command again.")
