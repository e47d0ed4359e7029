"""The share of one shard in a manifest: the whole list is read, and the rows of the other shards are passed over.

The rows keep their numbers in the whole list. An edited list cannot give a row to two shards: the row alone decides.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from batcher.edges.manifest.rows import Ignored
from batcher.errors import ManifestError
from batcher.model import BadRow, Json, Mark, Parameter, Row
from batcher.rules.shards.assignment import Shard

if TYPE_CHECKING:
    # Each is imported where one is opened.
    from batcher.edges.manifest.given import PassedRows
    from batcher.edges.manifest.inventory import Inventory
    from batcher.edges.manifest.manifest import Manifest
    from batcher.edges.manifest.parquet import ParquetManifest

WholeManifest: TypeAlias = "Manifest | Inventory | ParquetManifest | PassedRows"


class Share:
    """The rows of `manifest` that belong to `shard`. It is used as the manifest would be."""

    def __init__(self, manifest: WholeManifest, shard: Shard) -> None:
        self._manifest = manifest
        self._shard = shard
        self._own = 0
        """The number of rows read so far that belong to this shard."""
        self._marks: deque[Mark] = deque()
        self.elsewhere = 0
        """The number of rows read so far that belong to other shards."""

    @property
    def header(self) -> Sequence[str]:
        """The column names of a table."""
        return self._manifest.header

    @property
    def header_lines(self) -> int:
        """The number of lines that name the columns."""
        return self._manifest.header_lines

    @property
    def lines(self) -> int | None:
        """The number of lines of the whole manifest, None if it is not known."""
        return self._manifest.lines

    @property
    def lines_before(self) -> int:
        """The number of lines of earlier files."""
        return self._manifest.lines_before

    @property
    def has_inputs(self) -> bool:
        """Whether rows may have their own inputs regardless of the header."""
        return self._manifest.has_inputs

    @property
    def ignored(self) -> Ignored:
        """The names that are not used."""
        return self._manifest.ignored

    @property
    def warnings(self) -> list[str]:
        """Messages about what has been ignored or skipped so far, in the whole manifest."""
        return self._manifest.warnings

    @property
    def first_unnamed(self) -> int | None:
        """The number of the first row read so far that has the default bucket, of any shard."""
        return self._manifest.first_unnamed

    @property
    def skipped(self) -> Mapping[str, int]:
        """The number of entries skipped so far, by kind, in the whole manifest."""
        return self._manifest.skipped

    @property
    def shards(self) -> int:
        """The number of shards."""
        return self._shard.of

    def check(self, read: Mark | None = None) -> None:
        """Check the whole manifest, or what follows a mark of an earlier reading of this share."""
        self._manifest.check(read)

    def change(self) -> ManifestError | None:
        """Return the error for a file that was changed since it was opened, None if it was not."""
        return self._manifest.change()

    def enter(self, mark: Mark) -> bool:
        """Start reading at a mark from an earlier reading of this share. Return False if the bytes before it differ."""
        if not self._manifest.enter(mark._replace(rows=mark.rows + mark.elsewhere)):
            return False
        self._own, self.elsewhere = mark.rows, mark.elsewhere
        return True

    def mark(self, rows: int) -> Mark | None:
        """Return the last new mark at or before this number of the shard's rows; None if there is none."""
        last = None
        while self._marks and self._marks[0].rows <= rows:
            last = self._marks.popleft()
        return last

    def blocks(
        self,
        *,
        bucket: str | None = None,
        static_inputs: Mapping[str, Json] | None = None,
        parameters: Mapping[str, Parameter] | None = None,
    ) -> Iterator[list[Row | BadRow]]:
        """Read the rows of the shard in blocks, none of them empty. Arguments and errors are those of the manifest."""
        # Imported here, since only a shard needs it.
        from batcher.rules.shards.ownership import owner  # noqa: PLC0415

        number, of = self._shard
        for block in self._manifest.blocks(bucket=bucket, static_inputs=static_inputs, parameters=parameters):
            own = [row for row in block if owner(row.object, of) == number]
            self._own += len(own)
            self.elsewhere += len(block) - len(own)
            mark = self._manifest.mark(block[-1].number)
            if own:
                # Now, since it is looked for when these rows are looked up. Numbers are no longer the sum of both after
                # an entry that is no row.
                if mark is not None and mark.rows == self._own + self.elsewhere:
                    self._marks.append(mark._replace(rows=self._own, elsewhere=self.elsewhere))
                yield own


def share_of(manifest: WholeManifest, shard: Shard | None) -> WholeManifest | Share:
    """Return the share of a shard in a manifest, all of it without a shard."""
    return manifest if shard is None else Share(manifest, shard)
