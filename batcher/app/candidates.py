"""Which rows of a manifest may have the same content as another one of it, found without their identities.

As long as rows ascend, as in a list of a bucket, none repeats another. From the first on that does not, all are hashed,
and what they contain is kept in a file. At the end only rows that share their hash with another are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import compress
from typing import TypeAlias

from batcher.edges.parts import ContentsFile, HashParts
from batcher.errors import ManifestError
from batcher.model import Row
from batcher.rules.rows.contents import ContentHashes, Contents, contents_of
from batcher.rules.rows.plain_rows import Ascent, PlainRows

ValidRows: TypeAlias = PlainRows | list[Row]
Again: TypeAlias = Callable[[], AbstractContextManager[Iterable[ValidRows]]]
"""Opens a manifest once more and yields the same rows."""
Hashes: TypeAlias = Callable[[Contents], Sequence[int]]
"""Returns an integer of 64 bits for each row, the same one for the same content."""


class Candidates:
    """Takes the rows of a manifest in order, then returns those that may repeat others. Close it at the end."""

    def __init__(self, again: Again, hashes: Hashes | None = None) -> None:
        self._again = again
        self._hash = hashes or ContentHashes()
        self._ascent: Ascent | None = Ascent()
        """Follows whether all rows ascend. None from the first on that does not."""
        self._hashes = HashParts()
        self._contents = ContentsFile()
        self.rows = 0

    def close(self) -> None:
        """Delete the temporary files."""
        self._hashes.close()
        self._contents.close()

    def add(self, rows: ValidRows) -> None:
        """Add the next rows. Raises ManifestError if the manifest is not the same when it is read again."""
        self.rows += len(rows)
        if self._ascent is not None:
            if self._ascent.goes_on(rows):
                return
            self._keep_again(self._ascent)
            self._ascent = None
        self._keep(rows)

    def entries(self) -> Iterator[Sequence[tuple[bytes, int]]]:
        """Yield the identities of the candidates, with the lines on which they begin, in order."""
        repeated = self._hashes.repeated()
        # Their memory is needed for what follows.
        self._hashes.close()
        self._hashes = HashParts()
        if repeated is not None and not repeated:
            return
        for rows in self._contents:
            places: Sequence[int] = range(len(rows.lines))
            if repeated is not None:
                places = list(compress(places, map(repeated.__contains__, self._hash(rows))))
            if places:
                yield list(rows.identities(places))

    def _keep(self, rows: ValidRows) -> None:
        if rows:
            contents = contents_of(rows)
            self._hashes.add(self._hash(contents))
            self._contents.add(contents)

    def _keep_again(self, ascent: Ascent) -> None:
        """Keep the rows that have ascended. They are read once more for that."""
        left = ascent.rows
        if not left:
            return
        reading = Ascent()
        with self._again() as blocks:
            for block in blocks:
                rows = block.part(0, left) if isinstance(block, PlainRows) else block[:left]
                if not reading.goes_on(rows):
                    break
                self._keep(rows)
                left -= len(rows)
                if not left:
                    break
        if reading.last != ascent.last:
            raise ManifestError("the manifest was changed while it was read", "Run the same command again.")
