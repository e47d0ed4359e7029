"""The history of a job, for the commands that look back: its checkpoint and every output that its runs wrote.

The checkpoint is of one moment; a row that is settled there has its record in an output by then.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from batcher.app.job_identity import job_of
from batcher.app.voice import TERMINAL, Voice
from batcher.edges.checkpoint import Reading, reading
from batcher.edges.checkpoint.facts import LENGTH, OUTPUT
from batcher.edges.checkpoint.places import folder_of
from batcher.edges.records import PastRecords
from batcher.edges.records import reading as reading_records
from batcher.edges.scratch import Scratch, scratch
from batcher.errors import UsageError
from batcher.model import Record
from batcher.rules.records.standing import Standing, Truth, current, last_record
from batcher.rules.report.next_commands import Job
from batcher.rules.rows.identity import canonical

BATCH = 10_000
"""The maximum number of rows in memory."""


@contextmanager
def open_past(checkpoint: Path, voice: Voice = TERMINAL) -> Iterator[Past]:
    """Open the files of a job. Raises what opening the checkpoint raises. Warns of an output that is missing."""
    with reading(checkpoint) as kept, ExitStack() as opened:
        folder, last = folder_of(checkpoint), str(kept.facts.get(OUTPUT, ""))
        lengths = {
            name.removeprefix(LENGTH): int(length) for name, length in kept.facts.items() if name.startswith(LENGTH)
        }
        outputs = []
        # The output of the last run comes last, so that its records follow all others.
        for name in sorted(lengths, key=lambda name: name == last):
            path = folder / name
            if path.exists():
                outputs.append(opened.enter_context(reading_records(path, lengths[name])))
            else:
                voice.warn(f"{path}: this output is missing, and so are its records")
        yield Past(kept, outputs)


class Past(NamedTuple):
    """An open checkpoint with its open outputs."""

    checkpoint: Reading
    outputs: list[PastRecords[Record]]

    def records(self) -> Iterator[Record]:
        """Yield every record, in the order in which they were written."""
        return (record for output in self.outputs for _, record in output)

    def truths(self) -> Iterator[Truth]:
        """Yield each row once, in the order of admission, with its last record. Memory does not grow with the rows."""
        static_inputs = canonical(self.job.card.inputs)
        with scratch() as places:
            for number, output in enumerate(self.outputs):
                # One number for both the output and the place in it.
                places.add((record.row, place * len(self.outputs) + number) for place, record in output)
            for standing in self.checkpoint.standings():
                now = current(standing.status, running=self.checkpoint.running)
                yield Truth(standing, now, self._last_record(standing, places, static_inputs))

    def _last_record(self, standing: Standing, places: Scratch, static_inputs: bytes) -> Record | None:
        found = places.find(standing.number)
        records = [self._at(int(value)) for _, value in found]
        index = last_record(standing, records, static_inputs)
        if index is None:
            return None
        if len(found) > 1:
            # Another row with this number gets another record.
            places.remove(standing.number, found[index][0])
        return records[index]

    def _at(self, value: int) -> Record:
        place, number = divmod(value, len(self.outputs))
        return self.outputs[number].at(place)

    @property
    def paths(self) -> list[Path]:
        """The files of the job: its checkpoint, its outputs and its manifest."""
        outputs = [output.path for output in self.outputs]
        return [self.checkpoint.path, *outputs, Path(self.job.card.manifest)]

    @property
    def job(self) -> Job:
        """The job, with its files where they are now."""
        return job_of(self.checkpoint.card, self.checkpoint.path)


def batches(truths: Iterator[Truth]) -> Iterator[list[Truth]]:
    """Yield lists of at most BATCH rows."""
    while batch := list(itertools.islice(truths, BATCH)):
        yield batch


def must_differ(path: Path, *others: Path) -> None:
    """Check that an output file is none of the input files. Raises UsageError."""
    for other in others:
        if path.exists() and other.exists() and path.samefile(other):
            raise UsageError(f"{path}: this is one of the files of the job", "Name another file.")
