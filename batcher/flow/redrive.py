"""The redrive: restores failed executions, each with a durable intent before its request, and settles doubts.

A restore is sent like a start, by `Attempts`. One in doubt is settled by reading the state of its execution: it is
restored again only if a settle time has passed, and the state is still the one before.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol

from batcher.flow.attempts import Attempts
from batcher.flow.drain import Drain
from batcher.model import Admitted, Answer, Described, ExecutionDetail, Outcome, Row, Status, Verdict
from batcher.rules.ends.followed import Known
from batcher.rules.ends.redriven import Change, Doubt, Doubted, Intent, Restored, Shown, Withdrawn, shown
from batcher.rules.service import verdicts
from batcher.rules.service.clock import RESOLUTION, posix_of_header

ASKERS = 8
"""The number of executions that are asked for at a time."""
STEP = 0.5
"""Seconds between two looks at the clock while a settle time passes."""
ROUNDS = 3
"""How often the restores that were lost are sent again, at most. Each round takes a settle time."""


class Restores(Protocol):
    """Where executions are stored, with what is known of their restores."""

    @property
    def renames(self) -> bool:
        """Whether the service has let a restored execution go on under another name."""

    async def restorable(self, ends: Sequence[str], most: int, after: int) -> list[Known]:
        """Return some of the executions with these ends that may be restored, with ids above `after`."""

    async def find(self, names: Sequence[str]) -> Mapping[str, Known]:
        """Return those of the executions that are followed."""

    def doubts(self) -> list[Doubt]:
        """Return the executions that may have been restored."""

    async def change(self, changes: Sequence[Change]) -> None:
        """Make what is known of restores durable."""


class Teller(Protocol):
    """The service, as far as it is asked for executions and for the time."""

    def execution(self, name: str) -> Awaitable[Described[ExecutionDetail]]:
        """Ask for an execution."""

    def now(self) -> float:
        """Return the service's time in POSIX seconds or slightly less, and 0 until an answer has brought it."""


class Kept(NamedTuple):
    """An execution that was not restored, or may have been, and why."""

    known: Known
    reason: str


class Result(StrEnum):
    """What became of an execution that was to be restored."""

    RESTORED = "restored"
    REJECTED = "rejected"
    """The service does not restore it."""
    REFUSED = "refused"
    """The service was too busy until the last attempt."""


MOST_NAMED = 10
"""The most executions of a result that are kept to be named."""


@dataclass(slots=True)
class Redrive:
    """Restores the executions in `store` that ended in one of the `ends`, fewer than `most` times each."""

    store: Restores
    service: Teller
    attempts: Attempts
    drain: Drain
    settle_time: float
    """Seconds until a state shows a restore, at most."""
    ends: Sequence[str]
    most: int
    workers: int
    results: Counter[Result] = field(default_factory=Counter, init=False)
    named: dict[Result, list[Kept]] = field(default_factory=dict, init=False)
    """Some of those that were not restored."""
    reasons: dict[int, str] = field(default_factory=dict, init=False)
    """Why a doubt remains, by the id of its execution."""
    _released: list[Known] = field(default_factory=list, init=False)
    """The executions of doubts that were certainly not restored."""
    _waiting: list[Change] = field(default_factory=list, init=False)
    _alone: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _error: BaseException | None = field(default=None, init=False)
    """What a commit has failed with. Nothing that waited for it is durable."""

    async def restore_all(self) -> None:
        """Restore each execution once. Those whose restore was lost, as their state proves, are restored again."""
        await self._restore(self._candidates())
        for _ in range(ROUNDS):
            await self.settle_doubts()
            if not self._released:
                return
            await self._restore(_each(self._released))

    async def _restore(self, candidates: AsyncIterator[Known]) -> None:
        workers = [asyncio.create_task(self._work(candidates)) for _ in range(self.workers)]
        try:
            await asyncio.gather(*workers)
        finally:
            for each in workers:
                each.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _candidates(self) -> AsyncIterator[Known]:
        after = 0
        while block := await self.store.restorable(self.ends, self.most, after):
            for each in block:
                yield each
            after = block[-1].id

    async def _work(self, candidates: AsyncIterator[Known]) -> None:
        while not self.drain.begun:
            async with self._alone:
                known = await anext(candidates, None)
            if known is None:
                return
            await self._commit(Intent(known.id, self.service.now()))
            places = self.attempts.places
            await places.take()
            try:
                outcome = await self.attempts.fire(Admitted(known.id, _row(known), Status.SENDING))
            finally:
                places.give()
            await self._commit(await self._settled(known, outcome))

    async def _settled(self, known: Known, outcome: Outcome) -> Change:
        """Return what an outcome shows, and note it for the summary."""
        match outcome.status:
            case Status.STARTED if outcome.execution is not None:
                return await self._restored(known, outcome.execution.name)
            case Status.IN_DOUBT:
                return Doubted(known.id, self._latest())
            case Status.REJECTED:
                self._keep(Result.REJECTED, known, outcome.answer)
            case Status.REFUSED:
                self._keep(Result.REFUSED, known, outcome.answer)
        return Withdrawn(known.id)

    async def _restored(self, known: Known, name: str) -> Change:
        if name == known.name:
            self.results[Result.RESTORED] += 1
            return Restored(known.id, self._latest())
        if await self.store.find([name]):
            # It names another execution of ours, so it may be the answer to another request.
            return Doubted(known.id, self._latest())
        self.results[Result.RESTORED] += 1
        return Restored(known.id, self._latest(), name)

    def _latest(self) -> float:
        """Return the service's time or slightly more, 0 if it is not known."""
        now = self.service.now()
        return now and now + RESOLUTION

    def _keep(self, result: Result, known: Known, answer: Answer) -> None:
        self.results[result] += 1
        kept = self.named.setdefault(result, [])
        if len(kept) < MOST_NAMED:
            kept.append(Kept(known, verdicts.told(answer)))

    async def _commit(self, change: Change) -> None:
        """Make a change durable, together with all others that wait for it."""
        self._waiting.append(change)
        async with self._alone:
            if self._error is not None:
                raise self._error
            if not any(each is change for each in self._waiting):
                return
            block, self._waiting = self._waiting, []
            try:
                await self.store.change(block)
            except BaseException as error:
                self._error = error
                raise

    async def settle_doubts(self) -> None:
        """Settle the restores in doubt by the states of their executions, after a settle time if that is needed."""
        self._released = []
        # A process that has ended sends nothing any more.
        undated = [each.known.id for each in self.store.doubts() if not each.until]
        if undated and self.service.now():
            await self.store.change([Doubted(id_, self._latest()) for id_ in undated])
        if await self._look_at_doubts():
            # A header names the second in which an answer was made.
            settled_at = max(each.until for each in self.store.doubts()) + self.settle_time + RESOLUTION
            while self.service.now() < settled_at and not self.drain.begun:
                await self.drain.sleep(STEP)
            await self._look_at_doubts()

    async def _look_at_doubts(self) -> bool:
        """Ask for the execution of each doubt once. Return whether some can be settled later."""
        doubts, self.reasons = self.store.doubts(), {}
        for begin in range(0, len(doubts), ASKERS):
            if self.drain.begun:
                return False
            asked = doubts[begin : begin + ASKERS]
            answers = await asyncio.gather(*(self.service.execution(each.known.name) for each in asked))
            found = [self._proven(*each) for each in zip(asked, answers, strict=True)]
            await self.store.change([each for each in found if each is not None])
        return any(reason in {Shown.EARLY, Shown.OLD} for reason in self.reasons.values())

    def _proven(self, doubt: Doubt, answer: Described[ExecutionDetail]) -> Change | None:
        id_ = doubt.known.id
        if answer.noun is None:
            self.reasons[id_] = f"its state cannot be read: {verdicts.told(answer)}"
            return None
        made = posix_of_header(answer.date)
        seen = shown(doubt, answer.noun.execution, made, self.settle_time, renames=self.store.renames)
        if seen is Shown.RESTORED:
            self.results[Result.RESTORED] += 1
            return Restored(id_, doubt.until or self._latest())
        if seen is Shown.NOT_RESTORED:
            self._released.append(doubt.known)
            return Withdrawn(id_)
        self.reasons[id_] = seen
        return None


async def _each(executions: Sequence[Known]) -> AsyncIterator[Known]:
    for each in executions:
        yield each


def _row(known: Known) -> Row:
    """Return an execution as `Attempts` takes it."""
    return Row(known.row, 0, known.bucket or "", known.name, b"", b"")


def name_of(row: Row) -> str:
    """Return the name of the execution that `Attempts` is to restore."""
    return row.object


def judge(answer: Answer, *, proven: bool, repeated: bool, trust_503: bool) -> Verdict:  # noqa: ARG001 - as `Judge`
    """Return the verdict on the answer to a restore: a missing permission concerns all of them."""
    return verdicts.judge(answer, proven=False, repeated=repeated, trust_503=trust_503)
