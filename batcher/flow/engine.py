"""The engine: a producer reads the manifest, a bounded pool of workers sends rows, and a sink writes the records.

It gets what they do as functions, so that it depends on none of them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from msgspec import Struct

from batcher.errors import JobError
from batcher.flow.drain import Drain
from batcher.flow.queues import Gathering, Handout, Places, Slots
from batcher.model import Admitted, BadRow, Found, Outcome, Record, Row, Settlement, Status
from batcher.rules.progress.counts import Tally
from batcher.rules.records.codec import record_of, timestamp

Block = Sequence[Row | BadRow]

PENDING, SENDING, STARTED = Status.PENDING, Status.SENDING, Status.STARTED


def as_admitted(admitted: Admitted) -> Outcome:
    """Return how a row ends that is not sent: as it was admitted."""
    return Outcome(admitted, admitted.status)


class Job(Struct, frozen=True):
    """What the engine needs. Times are POSIX seconds."""

    blocks: AsyncIterator[Block]
    """The manifest, in blocks."""
    sift: Callable[[Block], Awaitable[tuple[Sequence[Found], Counter[Status]]]]
    """Returns the rows that need a decision, and the number of the other rows by status."""
    decide: Callable[[Found], Admitted | None]
    admit: Callable[[Sequence[Admitted]], Awaitable[None]]
    """Makes intents durable."""
    fire: Callable[[Admitted], Awaitable[Outcome]]
    """Sends a row until an answer settles it, or returns it as PENDING."""
    settle: Callable[[Sequence[Settlement], Sequence[Record]], Awaitable[None]]
    """Makes records durable, then the verdicts. Calls take effect in order, and before any later `admit`."""
    look: Callable[[Tally], None]
    """Checks the counts after each group, and begins the drain if they require it."""
    now: Callable[[], float]
    places: Places
    """Those of the rows that are being sent: as many as the concurrency."""
    limit: int | None = None
    """The maximum number of rows to send."""
    unsent: Callable[[Admitted], Outcome] = as_admitted
    """Returns how a row ends that is not sent."""
    let: Callable[[Sequence[Admitted]], Awaitable[int]] | None = None
    """Waits until one of the rows may be sent, and returns how many may be. None: all may."""


async def run(job: Job, tally: Tally, drain: Drain) -> None:
    """Start an execution for each row of the manifest, and record how each row ended.

    At most as many requests are on the wire as there are places, and at most twice as many rows are between their
    intent and their verdict. Returns when every admitted row is settled, earlier if the drain begins. Raises JobError
    if a file fails: then nothing more is sent, and the checkpoint knows which rows are in doubt.
    """
    engine = _Engine(job, tally, drain)
    try:
        async with asyncio.TaskGroup() as house:
            house.create_task(engine.stream(), name="sink")
            async with asyncio.TaskGroup() as pool:
                pool.create_task(engine.produce(), name="producer")
                job.places.on_aside(lambda: engine.staff(pool))
                engine.staff(pool)
            engine.ended.close()
    except BaseExceptionGroup as failures:
        raise _first(failures) from failures


class _Engine:
    """The three parts of a run, and the rows between them. The slots limit the number of rows."""

    def __init__(self, job: Job, tally: Tally, drain: Drain) -> None:
        self.job = job
        self.tally = tally
        self.drain = drain
        self.slots = Slots(2 * job.places.total)
        self.workers = 0
        self.ready: Handout[Admitted] = Handout()
        self.ended: Gathering[Outcome] = Gathering(enough=job.places.total)

    async def produce(self) -> None:
        """Read the manifest and admit rows. A row goes to the workers only after its intent is durable."""
        async for block in self.drain.until(self.job.blocks):
            found, known = await self.job.sift(block)
            self.tally.rows += len(block)
            self.tally.known += known
            wanted = self._within_limit([each for each in map(self.job.decide, found) if each is not None])
            while wanted and not self.drain.begun:
                room = await self.slots.take(len(wanted))
                if self.job.let is not None:
                    room = await self._let(wanted[:room])
                admitted, wanted = wanted[:room], wanted[room:]
                await self.job.admit(admitted)
                self._pass_on(admitted)
            if self.tally.is_limited:
                break
        self.tally.read_whole = not self.drain.begun and not self.tally.is_limited
        self.ready.close()

    async def _let(self, wanted: Sequence[Admitted]) -> int:
        """Return how many of these rows may be admitted, and give back the slots of the others."""
        assert self.job.let is not None  # noqa: S101 - as the caller has found
        count = await self.job.let(wanted)
        self.slots.give(len(wanted) - count)
        return count

    def _within_limit(self, wanted: list[Admitted]) -> list[Admitted]:
        """Truncate a block before the first row that exceeds the limit."""
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
                    self.ended.put(self.job.unsent(each))

    def staff(self, pool: asyncio.TaskGroup) -> None:
        """Have a worker for each place, and one more for each row that waits without a place."""
        places = self.job.places
        while self.workers < places.total + places.aside:
            pool.create_task(self.work(), name=f"worker {self.workers}")
            self.workers += 1

    async def work(self) -> None:
        """Send one row after another."""
        ready, fire, put, places = self.ready, self.job.fire, self.ended.put, self.job.places
        # A coroutine is made only for what has to wait: nearly always a row is ready and a place free.
        while (
            self.workers <= places.total + places.aside
            and (admitted := ready.take_ready() or await ready.take()) is not None
        ):
            if not places.take_free():
                await places.take()
            put(await fire(admitted))
            places.give()
        self.workers -= 1

    async def stream(self) -> None:
        """Write the records of finished rows and settle these, one group at a time."""
        while outcomes := await self.ended.take():
            recorded_at = timestamp(self.job.now())
            records = [record_of(each, recorded_at) for each in outcomes if each.status is not PENDING]
            # The slots are free before `settle`: rows admitted for them become durable with these settlements or later.
            self.slots.give(len(outcomes))
            await self.job.settle(_settlements(outcomes), records)
            self.tally.written.update([record.status for record in records])
            self.tally.given_back += len(outcomes) - len(records)
            self.job.look(self.tally)


def _settlements(outcomes: Sequence[Outcome]) -> list[Settlement]:
    # The execution that a duplicate names is not its own.
    return [
        Settlement(
            each.admitted.id, each.status, each.execution.name if each.execution and each.status is STARTED else ""
        )
        for each in outcomes
    ]


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the failure that ends the job: a JobError if there is one."""
    job_errors = failures.subgroup(JobError)
    first: BaseException = job_errors or failures
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first
