"""The contents that a check has read: which rows repeat an earlier one, and what a run would do with the others.

Rows are compared by their identities. Without a checkpoint to compare them with, only those are computed that may be
equal. Of what cannot be read again, and with a checkpoint, all are.
"""

from __future__ import annotations

from contextlib import closing

from batcher.app.candidates import Again, Candidates, Hashes, ValidRows
from batcher.edges.checkpoint import COPY, Reading
from batcher.edges.parts import Part, Partition
from batcher.rules.rows.forecast import Forecast, Known
from batcher.rules.rows.plain_rows import PlainRows


class Repeats:
    """Takes the valid rows of a manifest in order. Close it at the end.

    `again` opens it once more; None if that is not possible, or if all identities are needed. `hashes` is for tests.
    """

    def __init__(self, again: Again | None, hashes: Hashes | None = None) -> None:
        self._partition = Partition()
        self._candidates = None if again is None else Candidates(again, hashes)

    def close(self) -> None:
        """Delete the temporary files."""
        self._partition.close()
        if self._candidates is not None:
            self._candidates.close()

    def add(self, rows: ValidRows) -> None:
        """Add the next rows. Raises ManifestError if the manifest is not the same when it is read again."""
        if self._candidates is not None:
            self._candidates.add(rows)
        elif isinstance(rows, PlainRows):
            self._partition.add(zip(rows.keys, rows.lines, strict=True))
        else:
            self._partition.add([(row.key, row.line) for row in rows])

    def foresee(self, forecast: Forecast, kept: Reading | None) -> None:
        """Add what a run would do with all rows, by what the checkpoint knows of the same contents."""
        if self._candidates is not None:
            others = self._candidates.rows
            for entries in self._candidates.entries():
                self._partition.add(entries)
                others -= len(entries)
            forecast.add_new(others)
        with closing(Partition()) as of_checkpoint:
            of_checkpoint.add(() if kept is None else kept.entries())
            for part, known in zip(self._partition.parts(), of_checkpoint.parts(), strict=True):
                forecast.add(part.keys, part.numbers, _known(known))


def _known(part: Part) -> Known:
    """Split the numbers of a checkpoint's rows into copy and status."""
    entries = list(zip(part.keys, part.numbers, strict=True))
    return Known(
        {key: number - COPY for key, number in entries if number < 2 * COPY},
        {(key, number // COPY): number % COPY for key, number in entries if number >= 2 * COPY},
    )
