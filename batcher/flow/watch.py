"""The watch: follows executions through the pages of the execution list until none of them runs.

A page that shows an end settles it, whatever becomes of the rest of the list. That an execution is missing proves
something only if the list was read completely, is up to date, and shows the controls. Never asks for one execution
each: only some of those that failed are asked for what failed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import inf
from typing import NamedTuple, Protocol

from batcher.flow.drain import Drain
from batcher.model import Described, Execution, ExecutionDetail, Page, Verdict
from batcher.rules.doubts.control import Control
from batcher.rules.doubts.evidence import Nearest
from batcher.rules.doubts.matching import merged
from batcher.rules.doubts.times import EARLY
from batcher.rules.ends.absence import MOST, Absence
from batcher.rules.ends.ending import End
from batcher.rules.ends.figures import PAST_LOOKS, Past, WatchFigures
from batcher.rules.ends.followed import Known
from batcher.rules.ends.pause import LEAST, Look, wait
from batcher.rules.ends.redriven import end_since
from batcher.rules.ends.spans import margins, spans
from batcher.rules.service import verdicts
from batcher.rules.service.clock import RESOLUTION, posix_of_header
from batcher.rules.service.dialect import Window

ASKERS = 8
"""The number of executions that are asked for at a time."""
TO_ASK = (End.FAILED, End.TIMED_OUT, End.CANCELLED)
"""The ends of executions that are asked for what failed."""

STOPPING = "the watch is stopping"
LAGGING = "the execution list is older than the request for it"
UNDATED = "the execution list does not show its time"


class Ended(NamedTuple):
    """An execution that has ended, and what the list shows of it; None if it shows nothing."""

    known: Known
    end: str
    listed: Execution | None


class Ends(Protocol):
    """Where executions and their ends are stored."""

    @property
    def running(self) -> int:
        """The number of executions that run."""

    @property
    def ends(self) -> Mapping[str, int]:
        """The number of executions by how they ended."""

    @property
    def controls(self) -> Sequence[Control]:
        """Starts of the job that were answered: a complete list shows them."""

    def __len__(self) -> int:
        """Return the number of executions. Their ids are from 1 on."""

    async def renew(self) -> bool:
        """Take in what was started since. Return whether a run may start more."""

    def running_times(self) -> Iterator[float]:
        """Yield when each running execution started, in order."""

    def running_but(self, shown: bytearray, last: int, most: int) -> list[Known]:
        """Return running executions with ids up to `last` whose bit is not set."""

    async def find(self, names: Sequence[str]) -> Mapping[str, Known]:
        """Return those of the executions that are followed."""

    async def settle(self, ended: Sequence[Ended]) -> None:
        """Record ends, so that they outlast this process."""

    def unasked(self, ends: Sequence[str]) -> Iterator[Known]:
        """Yield executions with these ends that were not asked for what failed."""

    async def describe(self, described: Sequence[tuple[int, str, str]]) -> None:
        """Store what failed: the id of an execution, the state that failed, and its message."""


@dataclass(frozen=True, slots=True)
class Observer:
    """How to ask the service. Times are POSIX seconds by its clock, or seconds."""

    pages: Callable[[Sequence[Window]], AsyncIterator[Described[Page]]]
    """Yields the executions that began within these windows, and perhaps others. A page without a noun is an end."""
    execution: Callable[[str], Awaitable[Described[ExecutionDetail]]]
    now: Callable[[], float]
    monotonic: Callable[[], float]
    is_by_time: bool
    """Whether the list can be asked for times."""
    settle_time: float
    longest_wait: float
    details: int
    """How many of the executions that failed are asked for what failed."""
    wait: Callable[[Look, float], float] = wait
    """Returns the seconds until the next look, given the last one and the longest wait."""


@dataclass(slots=True)
class _Seen:
    """What one look has shown so far. `begun` is when it began, or later."""

    begun: float
    last: int
    """The highest id of the executions that were known when it began."""
    shown: bytearray
    """A bit for each of these that the list shows."""
    before: float = inf
    """It began before this time."""
    listed: dict[str, Execution] = field(default_factory=dict)
    """The controls that it shows, by name."""
    ended: int = 0
    fault: str = ""
    """Why it proves no absence, empty if it may."""

    def mark(self, id_: int) -> None:
        """Note that the list shows an execution."""
        if id_ <= self.last:
            self.shown[id_ >> 3] |= 1 << (id_ & 7)


@dataclass(slots=True)
class Watch:
    """Follows the executions in `ends` until none runs, or the drain begins."""

    ends: Ends
    observer: Observer
    drain: Drain
    fault: str = field(default="", init=False)
    """Why the last look was not complete, empty if it was."""
    absence: Absence = field(init=False)
    asked: int = field(default=0, init=False)
    """The number of executions that were asked for what failed."""
    _begun: float = field(init=False)
    _past: deque[Past] = field(default_factory=lambda: deque(maxlen=PAST_LOOKS), init=False)
    _at: float = field(init=False)
    """When the last look began, by the steady clock."""

    def __post_init__(self) -> None:
        self.absence = Absence(self.observer.settle_time)
        self._begun = self._at = self.observer.monotonic()

    async def until_ended(self) -> None:
        """Look at the list again and again."""
        waited, before = LEAST, None
        may_grow = await self.ends.renew()
        while (self.ends.running or may_grow) and not self.drain.begun:
            self._at = begun = self.observer.monotonic()
            ended = await self.look() if self.ends.running else 0
            await self._ask_what_failed()
            now = self.observer.monotonic()
            self._past.append(Past(begun, sum(self.ends.ends.values())))
            if self.ends.running or may_grow:
                look = Look(ended, self.ends.running, None if before is None else begun - before, now - begun, waited)
                before, waited = begun, self._wait(look)
                await self.drain.sleep(waited)
            if not self.drain.begun:
                may_grow = await self.ends.renew()
        # Also if an earlier watch has seen the last end.
        await self._ask_what_failed()

    def _wait(self, look: Look) -> float:
        waited = self.observer.wait(look, self.observer.longest_wait)
        # What is missing once is looked for again as soon as that proves something.
        return min(waited, max(LEAST, look.took, self.observer.settle_time)) if self.absence.since else waited

    async def look(self) -> int:
        """Read the list once, and settle what it shows. Return the number of ends."""
        size = len(self.ends)
        seen = _Seen(self.observer.now(), size, bytearray((size >> 3) + 1))
        controls = {each.name for each in self.ends.controls}
        async for answer in self.observer.pages(self._windows()):
            if self.drain.begun:
                seen.fault = seen.fault or STOPPING
                break
            if answer.noun is None:
                seen.fault = self._unreadable(answer)
                break
            await self._take(seen, answer.noun, controls, self._date(seen, answer))
        self.fault = seen.fault
        if not seen.fault:
            await self._settle_absent(seen)
        return seen.ended

    def _windows(self) -> Sequence[Window]:
        """Return the times to ask for: those of the running executions, and of the controls of missing ones."""
        if not self.observer.is_by_time:
            return ()
        controls = self.ends.controls
        asked = list(spans(self.ends.running_times(), margins(controls)))
        nearest = Nearest(controls, self.observer.now())
        more = {near.window for each in self.absence.absent for near in nearest.to(each.at)}
        return asked + [window for window in merged(more) if not _is_in(window, asked)]

    def _date(self, seen: _Seen, answer: Described[Page]) -> float | None:
        """Note and return when a page was made. A page of an earlier time shows ends, and proves no absence."""
        served = posix_of_header(answer.date)
        if served is None:
            seen.fault = UNDATED
            return None
        seen.before = min(seen.before, served + RESOLUTION)
        if served + RESOLUTION + EARLY < seen.begun:
            seen.fault = LAGGING
        return served

    async def _take(self, seen: _Seen, page: Page, controls: set[str], made: float | None) -> None:
        """Settle the executions of a page that have ended by the time at which it was `made`."""
        listed = {each.name: each for each in page.executions}
        seen.listed.update((name, each) for name, each in listed.items() if name in controls)
        known = await self.ends.find(list(listed))
        ended = []
        for name, each in known.items():
            seen.mark(each.id)
            if each.end is None:
                end = end_since(each, listed[name], made, self.observer.settle_time)
                if end is not None:
                    ended.append(Ended(each, end, listed[name]))
        self.absence.shown([each.id for each in known.values()])
        if ended:
            await self.ends.settle(ended)
            seen.ended += len(ended)

    async def _settle_absent(self, seen: _Seen) -> None:
        absent = self.ends.running_but(seen.shown, seen.last, MOST)
        unknown = self.absence.looked(absent, self.ends.controls, seen.listed, seen.begun, seen.before)
        if unknown:
            await self.ends.settle([Ended(each, End.UNKNOWN, None) for each in unknown])
            seen.ended += len(unknown)

    def _unreadable(self, answer: Described[Page]) -> str:
        """Return why the list cannot be read. Begin the drain if it never will be."""
        if answer.status in verdicts.SUCCESS:
            return answer.message or "the execution list cannot be read"
        verdict = verdicts.judge(answer, proven=False, repeated=True, trust_503=True)
        if verdict in {Verdict.FATAL, Verdict.REJECTED}:
            self.drain.begin(verdicts.ending(answer))
        return f"the execution list cannot be read: {verdicts.told(answer)}"

    async def _ask_what_failed(self) -> None:
        """Ask for some of the executions that failed, up to `details` of them."""
        some = list(islice(self.ends.unasked(TO_ASK), max(0, self.observer.details - self.asked)))
        for begin in range(0, len(some), ASKERS):
            if self.drain.begun:
                return
            asked = some[begin : begin + ASKERS]
            answers = await asyncio.gather(*(self.observer.execution(each.name) for each in asked))
            self.asked += len(asked)
            found = zip(asked, answers, strict=True)
            await self.ends.describe([(each.id, *answer.noun.failure) for each, answer in found if answer.noun])

    @property
    def age(self) -> float:
        """The seconds since the last look began."""
        return self.observer.monotonic() - self._at

    def figures(self) -> WatchFigures:
        """Return how the watch stands."""
        return WatchFigures(
            total=self.ends.running + sum(self.ends.ends.values()),
            running=self.ends.running,
            ends=dict(self.ends.ends),
            past=tuple(self._past),
            absent=len(self.absence.absent),
            fault=self.fault or (self.absence.fault if self.absence.absent else ""),
            seconds=self.observer.monotonic() - self._begun,
        )


def _is_in(window: Window, asked: Sequence[Window]) -> bool:
    return any(each.begin <= window.begin and window.end <= each.end for each in asked)
