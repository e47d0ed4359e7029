"""The contents that a check has read: which rows repeat an earlier one, and what a run would do with the others.

Rows are compared by their keys. As long as they ascend, as in a list of a bucket, none repeats another: without a
checkpoint to compare them with, their keys are not even computed. At the first that does not, they are read again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import TypeAlias

from batcher.edges.checkpoint import COPY, Reading
from batcher.edges.partition import Part, Partition
from batcher.errors import ManifestError
from batcher.model import Row
from batcher.rules.rows.forecast import Forecast, Known
from batcher.rules.rows.plain_rows import Ascent, PlainRows

Contents: TypeAlias = PlainRows | list[Row]
"""Valid rows."""


class Repeats:
    """Takes the valid rows of a manifest in order.

    `again` opens it once more and yields the same rows; None if that is not possible, or if all keys are needed.
    """

    def __init__(
        self, partition: Partition, again: Callable[[], AbstractContextManager[Iterable[Contents]]] | None
    ) -> None:
        self._partition = partition
        self._again = again
        self._ascent = Ascent()

    def add(self, rows: Contents) -> None:
        """Add the next rows. Raises ManifestError if the manifest is not the same when it is read again."""
        if self._again is not None:
            if self._ascent.goes_on(rows):
                return
            self._read_again(self._again)
            self._again = None
        self._keep(rows)

    def foresee(self, forecast: Forecast, kept: Reading | None) -> None:
        """Add what a run would do with all rows, by what the checkpoint knows of the same contents."""
        if self._again is not None:
            forecast.add_new(self._ascent.rows)
            return
        with Partition() as of_checkpoint:
            of_checkpoint.add(() if kept is None else kept.entries())
            for part, known in zip(self._partition.parts(), of_checkpoint.parts(), strict=True):
                forecast.add(part.keys, part.numbers, _known(known))

    def _keep(self, rows: Contents) -> None:
        if isinstance(rows, PlainRows):
            self._partition.add(zip(rows.keys, rows.lines, strict=True))
        else:
            self._partition.add([(row.key, row.line) for row in rows])

    def _read_again(self, again: Callable[[], AbstractContextManager[Iterable[Contents]]]) -> None:
        """Keep the keys of the rows so far."""
        reading = Ascent()
        left = self._ascent.rows
        with again() as blocks:
            for block in blocks if left else ():
                rows = block.part(0, left) if isinstance(block, PlainRows) else block[:left]
                if not reading.goes_on(rows):
                    break
                self._keep(rows)
                left -= len(rows)
                if not left:
                    break
        if reading.last != self._ascent.last:
            raise ManifestError("the manifest was changed while it was read", "Run the same command again.")


def _known(part: Part) -> Known:
    """Split the numbers of a checkpoint's rows into copy and status."""
    entries = list(zip(part.keys, part.numbers, strict=True))
    return Known(
        {key: number - COPY for key, number in entries if number < 2 * COPY},
        {(key, number // COPY): number % COPY for key, number in entries if number >= 2 * COPY},
    )
