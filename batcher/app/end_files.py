"""The two files of a watch together: an end record is on disk before the end is committed, as in a run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path

from batcher.app.starts import Starts
from batcher.edges.checkpoint.places import folder_of, is_same, kept
from batcher.edges.ends import RENAMES, EndStore, database_of, open_ends
from batcher.edges.records import Output, open_lines
from batcher.errors import OtherJobError, UsageError
from batcher.flow.watch import Ended
from batcher.rules.doubts.control import Control
from batcher.rules.ends.ending import End, seconds_between
from batcher.rules.ends.followed import Followed, Known, Settled
from batcher.rules.ends.record import END_CODECS, EndRecord
from batcher.rules.ends.redriven import Change, Doubt
from batcher.rules.ends.summary import Cause
from batcher.rules.records.codec import timestamp

BLOCK = 500
"""The most executions that are read at a time to restore them."""
OUTPUT, LENGTH = "output", "length"
"""The names of two facts: the file of the end records, and how many of its bytes belong to committed ends."""


class EndFiles:
    """The open store of the ends with the open file of end records."""

    def __init__(self, store: EndStore, path: Path, output: Output[EndRecord], starts: Starts) -> None:
        self._store = store
        self.path = path
        self._output = output
        self._starts = starts

    @property
    def running(self) -> int:
        """The number of executions that run."""
        return self._store.running

    @property
    def ends(self) -> Mapping[str, int]:
        """The number of executions by how they ended."""
        return self._store.ends

    @property
    def redrives(self) -> int:
        """How often executions were restored."""
        return self._store.redrives

    @property
    def controls(self) -> Sequence[Control]:
        """Starts of the job that were answered: a complete list shows them."""
        return self._starts.controls

    def __len__(self) -> int:
        return len(self._store)

    async def renew(self) -> bool:
        """Take in what was started since. Return whether a run may start more."""
        return await asyncio.to_thread(self._starts.renew)

    async def complete(self) -> None:
        """Take in every start of the job, also while a run goes on."""
        await asyncio.to_thread(self._starts.complete)

    def follow(self, started: Sequence[Followed]) -> None:
        """Take in these starts."""
        self._store.commit(started)

    def running_times(self) -> Iterator[float]:
        """Yield when each running execution started, in order."""
        return self._store.running_times()

    def running_but(self, shown: bytearray, last: int, most: int) -> list[Known]:
        """Return running executions with ids up to `last` whose bit is not set, the earliest first."""
        return self._store.running_but(shown, last, most)

    async def find(self, names: Sequence[str]) -> Mapping[str, Known]:
        """Return those of the executions that are followed."""
        return await asyncio.to_thread(self._store.find, names)

    def unasked(self, ends: Sequence[str]) -> Iterator[Known]:
        """Yield executions with these ends that were not asked for what failed."""
        return self._store.unsuccessful(ends, is_asked=False)

    async def describe(self, described: Sequence[tuple[int, str, str]]) -> None:
        """Store what failed: the id of an execution, the state that failed, and its message."""
        await asyncio.to_thread(self._store.describe, described)

    async def restorable(self, ends: Sequence[str], most: int, after: int) -> list[Known]:
        """Return some of the executions with these ends that may be restored, with ids above `after`."""
        return await asyncio.to_thread(self._store.restorable, ends, most, after, BLOCK)

    def has_restorable(self, ends: Sequence[str], most: int) -> bool:
        """Return whether an execution with one of these ends may be restored."""
        return bool(self._store.restorable(ends, most, 0, 1))

    def spent(self, ends: Sequence[str], most: int) -> int:
        """Return the number of executions with these ends that were restored `most` times."""
        return self._store.spent(ends, most)

    def doubts(self) -> list[Doubt]:
        """Return the executions that may have been restored."""
        return self._store.doubts()

    @property
    def renames(self) -> bool:
        """Whether the service has let a restored execution go on under another name."""
        return RENAMES in self._store.facts()

    async def change(self, changes: Sequence[Change]) -> None:
        """Make what is known of restores durable."""
        await asyncio.to_thread(self._store.change, changes)

    def unknown(self, most: int) -> list[Known]:
        """Return some of the executions whose end is unknown."""
        return list(islice(self._store.unsuccessful([End.UNKNOWN]), most))

    def causes(self) -> Sequence[Cause]:
        """Return why executions failed, the most frequent cause first."""
        return self._store.causes()

    async def settle(self, ended: Sequence[Ended]) -> None:
        """Put end records on disk, then commit the ends."""
        block = self._output.compose([_record(each) for each in ended])
        settled = [Settled(each.known.id, each.end, each.listed.stopped_at if each.listed else "") for each in ended]
        await asyncio.to_thread(self._commit, block, settled)

    def _commit(self, block: bytes, settled: Sequence[Settled]) -> None:
        self._output.append(block)
        self._store.commit(settled=settled, facts={LENGTH: self._output.length})

    def recover(self) -> None:
        """Commit the ends whose records an interrupted watch has written last."""
        known = self._store.find([each.execution_name for each in self._output.recovered])
        settled = [
            Settled(known[each.execution_name].id, each.end, each.ended_at or "") for each in self._output.recovered
        ]
        self._store.commit(settled=settled, facts={LENGTH: self._output.length})


@asynccontextmanager
async def open_end_files(
    job: Path, output: Path, warn: Callable[[str], None], *, is_chosen: bool, for_spreadsheets: bool
) -> AsyncIterator[EndFiles]:
    """Open the files of ends of a checkpoint or a run folder, and repair what an interrupted watch left.

    `is_chosen`: the user has named the output. Raises UsageError if the ends of this job are in another file, and what
    opening the files raises.
    """
    with open_ends(database_of(job)) as store:
        folder = folder_of(database_of(job))
        facts = store.facts()
        path, known = _place(output, facts, folder, is_chosen=is_chosen)

        def accept(records: Sequence[EndRecord]) -> None:
            found = store.find([each.execution_name for each in records])
            if any(each.execution_name not in found for each in records):
                raise OtherJobError(f"{path}: this file has ends of another job", "Give another file with --output.")

        async with open_lines(path, known, END_CODECS, accept, for_spreadsheets=for_spreadsheets) as lines:
            store.commit(facts={OUTPUT: kept(path, folder), LENGTH: known or 0})
            files = EndFiles(store, path, lines, Starts(job, store, warn))
            files.recover()
            yield files


def _place(output: Path, facts: Mapping[str, str | int], folder: Path, *, is_chosen: bool) -> tuple[Path, int | None]:
    """Return the file of the end records, and how many of its bytes are known, None if it must be new."""
    if OUTPUT not in facts:
        if output.exists() and output.is_file() and output.stat().st_size:
            raise UsageError(
                f"{output}: this file exists, and the ends of this job are not in it", "Move it away, or name another."
            )
        return output, None
    before = folder / str(facts[OUTPUT])
    is_before = kept(output, folder) == facts[OUTPUT] or is_same(output, before)
    if is_chosen and not is_before:
        raise UsageError(f"{output}: the ends of this job are in {before}", "Leave --output out, or give that file.")
    return output if is_before else before, int(facts.get(LENGTH, 0))


def _record(ended: Ended) -> EndRecord:
    known, listed = ended.known, ended.listed
    began = (listed.started_at if listed else "") or (timestamp(known.at) if known.at else None)
    stopped = listed.stopped_at if listed else ""
    return EndRecord(
        row=known.row,
        bucket=known.bucket,
        object=known.object,
        execution_name=known.name,
        end=ended.end,
        started_at=began,
        ended_at=stopped or None,
        duration_s=seconds_between(began or "", stopped),
        redrives=known.redrives,
    )
