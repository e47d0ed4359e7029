"""The closed loop of --max-running: a start waits until the execution list shows that there is room for it.

While the run sends, a watch follows what it has started, with the service and the throttle of the run.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple, TypeVar

from batcher.app.end_files import EndFiles, open_end_files
from batcher.app.job import Run
from batcher.app.starts import followed
from batcher.errors import ExitCode, JobError
from batcher.flow.beside import beside
from batcher.flow.drain import Drain
from batcher.flow.paced import paced
from batcher.flow.service import Send
from batcher.flow.watch import Ended, Observer, Watch
from batcher.model import Admitted, Lost, Record, Reply, Settlement, Status
from batcher.options.watching import default_ends
from batcher.rules.doubts.control import Control
from batcher.rules.doubts.findings import Findings
from batcher.rules.ends.ending import seconds_between
from batcher.rules.ends.followed import Followed, Known
from batcher.rules.ends.pause import wait_for_room
from batcher.rules.ends.room import Room
from batcher.rules.rows.sharing import CLAIMED_ELSEWHERE, is_held_elsewhere

T = TypeVar("T")

STEP = 0.5
"""Seconds after which a waiting producer looks for the drain."""
INTERVAL = 30.0
"""The longest time between two looks in seconds, unless the user gives another one: starts wait for them."""
LEARNED = 0.1
"""The weight of one more execution in what is known of how long they run."""
FULL = (
    "--max-running: rows in doubt take all places, and the execution list cannot settle them. They may run, so nothing"
    " else is started"
)


class Loop:
    """The room of a run, with the tasks that wait for it and what is to be followed."""

    def __init__(self, room: Room, run: Run, ends: EndFiles) -> None:
        self.room = room
        self.delayed = 0
        """The number of starts that wait for ends."""
        self.fault: Callable[[], str] = str
        """Returns why the last look at the list was not complete, or proves nothing; empty text if it does."""
        self._warned_of = ""
        self.typical: float | None = None
        """For how many seconds an execution runs, as the latest ones have shown. None if that is not known."""
        self._run = run
        self._ends = ends
        self._freed = asyncio.Event()
        self._is_settling = False
        self._tried = 0
        """The number of rows in doubt that the last look for them has left."""
        self._started: list[Followed] = []
        """What was started since the last look. There are at most as many as there are places."""
        self._controls: Sequence[Control] = ()
        self._writing: asyncio.Future[Any] | None = None

    async def let(self, rows: Sequence[Admitted]) -> int:
        """Wait until there is room for one of these rows. Return how many of them may be admitted; 0 in a drain."""
        try:
            while not (count := self.room.let(rows)) and not self._run.drain.begun:
                self.delayed = sum(each.status is Status.SENDING for each in rows)
                await self._wait()
        finally:
            self.delayed = 0
        return count

    async def _wait(self) -> None:
        """Wait until a place may be free. If rows in doubt take places, settle them as soon as no row is sent."""
        room = self.room
        if room.is_idle and room.doubts > self._tried and not self._is_settling:
            self._is_settling = True
            await self._run.settle_doubts()
            self._is_settling, self._tried = False, room.doubts
        elif room.is_idle and not room.running:
            self._run.world.voice.say(FULL)
            self._run.drain.begin(ExitCode.ROWS_IN_DOUBT)
        else:
            self._warn_of_the_list()
            self._freed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(STEP):
                    await self._freed.wait()

    def _warn_of_the_list(self) -> None:
        """Say why the list shows no ends, if that is what the run waits for."""
        fault = self.fault()
        if fault and fault != self._warned_of:
            self._run.world.voice.warn(f"--max-running: starts wait for ends, but {fault}")
        self._warned_of = fault or self._warned_of

    def settled(self, settlements: Sequence[Settlement], records: Sequence[Record]) -> None:
        """Note how rows have ended, after that was committed."""
        self.room.settled(settlements, {each.row for each in records if _is_unsent(each)})
        self._started += [each for each in map(followed, records) if each is not None]
        self._freed.set()

    def found(self, findings: Findings) -> None:
        """Note what was found about rows in doubt."""
        # Rows that another job has sent had no place.
        self.room.found(len(findings.adopted), len(findings.released) - findings.freed)
        for row, listed in findings.adopted:
            found = listed.execution
            self._started.append(Followed(found.name, row.number, row.bucket, row.object, found.at or 0.0))
        self._freed.set()

    @property
    def running(self) -> int:
        """The number of executions that run."""
        return self._ends.running

    @property
    def ends(self) -> Mapping[str, int]:
        """The number of executions by how they ended."""
        return self._ends.ends

    @property
    def controls(self) -> Sequence[Control]:
        """Starts of the job that were answered: a complete list shows them."""
        return self._controls

    def __len__(self) -> int:
        return len(self._ends)

    async def renew(self) -> bool:
        """Take in what was started since. Return True: the run may start more."""
        started, self._started = self._started, []
        if started:
            await self._whole(asyncio.to_thread(self._ends.follow, started))
        self._controls = await self._run.files.checkpoint.controls()
        return True

    def running_times(self) -> Iterator[float]:
        """Yield when each running execution started, in order."""
        return self._ends.running_times()

    def running_but(self, shown: bytearray, last: int, most: int) -> list[Known]:
        """Return running executions with ids up to `last` whose bit is not set, the earliest first."""
        return self._ends.running_but(shown, last, most)

    async def find(self, names: Sequence[str]) -> Mapping[str, Known]:
        """Return those of the executions that are followed."""
        return await self._whole(self._ends.find(names))

    async def settle(self, ended: Sequence[Ended]) -> None:
        """Record ends, so that they outlast this process, and free the places of these executions."""
        await self._whole(self._ends.settle(ended))
        self.room.ended(len(ended))
        for each in ended:
            seconds = seconds_between(each.listed.started_at, each.listed.stopped_at) if each.listed else None
            if seconds is not None:
                self.typical = seconds if self.typical is None else self.typical + LEARNED * (seconds - self.typical)
        self._freed.set()

    def unasked(self, ends: Sequence[str]) -> Iterator[Known]:
        """Yield executions with these ends that were not asked for what failed."""
        return self._ends.unasked(ends)

    async def describe(self, described: Sequence[tuple[int, str, str]]) -> None:
        """Store what failed: the id of an execution, the state that failed, and its message."""
        await self._whole(self._ends.describe(described))

    async def _whole(self, work: Awaitable[T]) -> T:
        """Wait for work on the files. A cancelled caller leaves it to its end, which `close` waits for."""
        writing = asyncio.ensure_future(work)
        self._writing = writing
        return await asyncio.shield(writing)

    async def close(self) -> None:
        """Wait for the work on the files that was begun last."""
        if self._writing is not None:
            await asyncio.wait([self._writing])
            # Of an error too, for which no task waits any more.
            self._writing.exception()
        if self._started:
            await asyncio.to_thread(self._ends.follow, self._started)


class Following(NamedTuple):
    """What the progress shows of a closed loop."""

    loop: Loop
    watch: Watch

    @property
    def running(self) -> int:
        """The number of executions whose end was not seen."""
        return self.loop.room.running

    @property
    def age(self) -> float:
        """The seconds since the list was looked at."""
        return self.watch.age

    @property
    def delayed(self) -> int:
        """The number of starts that wait for ends."""
        return self.loop.delayed


@asynccontextmanager
async def closed_loop(run: Run, most: int) -> AsyncIterator[None]:
    """Follow what the run starts while the block lasts. At most `most` of its executions run at the same time.

    Raises BusyError if another process follows the executions of this job, and what opening its ends raises.
    """
    options = run.options
    output = default_ends(options.checkpoint)
    async with open_end_files(
        options.checkpoint, output, run.world.voice.warn, is_chosen=False, for_spreadsheets=False
    ) as ends:
        await ends.complete()
        doubts = [
            each for each in await run.files.checkpoint.unsettled({Status.IN_DOUBT}) if not is_held_elsewhere(each)
        ]
        is_proven = bool(await run.files.checkpoint.controls())
        loop = Loop(Room(most, ends.running, len(doubts), is_proven), run, ends)
        run.service.send = _paced_questions(run)
        watch = Watch(loop, _observer(run, loop), run.drain)
        loop.fault = lambda: watch.figures().fault
        run.loop, run.monitor.following = loop, Following(loop, watch)
        try:
            async with beside(_follow(watch, run.drain), "closed loop"):
                yield
        finally:
            await loop.close()


async def _follow(watch: Watch, drain: Drain) -> None:
    """Look again and again. Nothing would end the waiting of the run if that failed, so it ends the run."""
    try:
        await watch.until_ended()
    except JobError as error:
        drain.begin(error)


def _is_unsent(record: Record) -> bool:
    """Return whether a row is in doubt in another job, and was not sent by this one."""
    return record.status is Status.IN_DOUBT and record.error is not None and record.error["code"] == CLAIMED_ELSEWHERE


def _paced_questions(run: Run) -> Send:
    """Return what sends questions in turns of the run's throttle. Starts have theirs already."""
    send = run.service.send
    asks = paced(send, run.monitor.turns, run.service.dialect)

    async def send_or_ask(method: str, target: str, headers: Mapping[str, str], content: bytes | None) -> Reply | Lost:
        return await (asks if method == "GET" else send)(method, target, headers, content)

    return send_or_ask


def _observer(run: Run, loop: Loop) -> Observer:
    given, service = vars(run.options), run.service
    closes_after = service.dialect.closes_after
    return Observer(
        pages=service.executions,
        execution=service.execution,
        now=service.now,
        monotonic=run.world.monotonic,
        is_by_time=closes_after is not None,
        settle_time=max(run.options.settle_time, closes_after or 0.0),
        longest_wait=given.get("interval", INTERVAL),
        details=given.get("details", 0),
        wait=lambda look, most: wait_for_room(look, loop.typical, most),
    )
