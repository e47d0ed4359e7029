"""The engine: a producer reads the manifest, a bounded pool of workers sends rows, a sink writes the records.

It knows no detail of any of them: it is given functions, and tests give it plain ones.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from batcher.errors import JobError
from batcher.flow.drain import Drain
from batcher.flow.queues import Gathering, Handout, Slots
from batcher.model import Admitted, BadRow, Found, Outcome, Record, Row, Settlement, Status
from batcher.rules.progress.counts import Tally
from batcher.rules.records.codec import record_of, timestamp

Block = Sequence[Row | BadRow]

PENDING, SENDING = Status.PENDING, Status.SENDING


@dataclass(frozen=True, slots=True)
class Job:
    """What the engine needs. Times are POSIX seconds."""

    blocks: AsyncIterator[Block]
    """The manifest, in blocks."""
    sift: Callable[[Block], Awaitable[tuple[Sequence[Found], Counter[Status]]]]
    """Gives the rows that need a decision, and counts the others by how they stand."""
    decide: Callable[[Found], Admitted | None]
    admit: Callable[[Sequence[Admitted]], Awaitable[None]]
    """Makes intents durable."""
    fire: Callable[[Admitted], Awaitable[Outcome]]
    """Sends a row until something is proved about it, or gives it back."""
    settle: Callable[[Sequence[Settlement], Sequence[Record]], Awaitable[None]]
    """Makes records durable, then the verdicts, in the order of the calls and before what is admitted later."""
    look: Callable[[Tally], None]
    """Looks at the counts after each group, and begins the drain where they require it."""
    now: Callable[[], float]
    concurrency: int
    limit: int | None = None
    """How many rows are sent at most."""


async def run(job: Job, tally: Tally, drain: Drain) -> None:
    """Start an execution for each row of the manifest, and write down how each row ended.

    At most `concurrency` requests are on the wire, and at most twice as many rows stand between their intent and
    their verdict. Returns when every row taken in is settled, early if the drain begins. Raises JobError where a file
    fails: then nothing more is sent, and the checkpoint holds what is in doubt.
    """
    engine = _Engine(job, tally, drain)
    try:
        async with asyncio.TaskGroup() as house:
            house.create_task(engine.stream(), name="sink")
            async with asyncio.TaskGroup() as pool:
                pool.create_task(engine.produce(), name="producer")
                for number in range(job.concurrency):
                    pool.create_task(engine.work(), name=f"worker {number}")
            engine.ended.close()
    except BaseExceptionGroup as failures:
        raise _first(failures) from failures


class _Engine:
    """The three parts of a run, and the rows between them: never more than there are slots."""

    def __init__(self, job: Job, tally: Tally, drain: Drain) -> None:
        self.job = job
        self.tally = tally
        self.drain = drain
        self.slots = Slots(2 * job.concurrency)
        self.ready: Handout[Admitted] = Handout()
        self.ended: Gathering[Outcome] = Gathering(enough=job.concurrency)

    async def produce(self) -> None:
        """Read the manifest and admit what is to be sent; a row leaves here only when its intent is durable."""
        async for block in self.drain.until(self.job.blocks):
            found, known = await self.job.sift(block)
            self.tally.rows += len(block)
            self.tally.known += known
            wanted = self._within_limit([each for each in map(self.job.decide, found) if each is not None])
            while wanted and not self.drain.begun:
                room = await self.slots.take(len(wanted))
                admitted, wanted = wanted[:room], wanted[room:]
                await self.job.admit(admitted)
                self._pass_on(admitted)
            if self.tally.is_limited:
                break
        self.tally.read_whole = not self.drain.begun and not self.tally.is_limited
        self.ready.close()

    def _within_limit(self, wanted: list[Admitted]) -> list[Admitted]:
        """Cut a block off before the first row that is over the limit."""
        if self.job.limit is None:
            return wanted
        for position, admitted in enumerate(wanted):
            if admitted.status is SENDING:
                if self.tally.taken == self.job.limit:
                    self.tally.is_limited = True
                    return wanted[:position]
                self.tally.taken += 1
        return wanted

    def _pass_on(self, admitted: Sequence[Admitted]) -> None:
        intents = [each for each in admitted if each.status is SENDING]
        self.ready.put(intents)
        if len(intents) < len(admitted):
            for each in admitted:
                if each.status is not SENDING:
                    self.ended.put(Outcome(each, each.status))

    async def work(self) -> None:
        """Fire one row after another."""
        take, fire, put = self.ready.take, self.job.fire, self.ended.put
        while (admitted := await take()) is not None:
            put(await fire(admitted))

    async def stream(self) -> None:
        """Write the records of ended rows and settle them, a group at a time."""
        while outcomes := await self.ended.take():
            recorded_at = timestamp(self.job.now())
            records = [record_of(each, recorded_at) for each in outcomes if each.status is not PENDING]
            # What is admitted for these slots is durable with these settlements, or later.
            self.slots.give(len(outcomes))
            await self.job.settle(_settlements(outcomes), records)
            self.tally.written.update([record.status for record in records])
            self.tally.given_back += len(outcomes) - len(records)
            self.job.look(self.tally)


def _settlements(outcomes: Sequence[Outcome]) -> list[Settlement]:
    return [
        Settlement(each.admitted.id, each.status, each.execution.name if each.execution else "") for each in outcomes
    ]


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """Give the cause that ends the job: a JobError if there is one among the failures."""
    job_errors = failures.subgroup(JobError)
    first: BaseException = job_errors or failures
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first
