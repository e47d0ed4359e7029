"""The attempts of one row: send it, judge the answer, and send it again only if it was certainly not started.

This is the only module that uses tenacity. A row that its first attempt settles does not enter the retry code.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from msgspec import Struct, structs

from batcher.flow.drain import Drain
from batcher.flow.queues import Places
from batcher.flow.turns import Turn, Turns
from batcher.model import Admitted, Answer, Outcome, Row, Status, Verdict
from batcher.rules.progress.counts import Tally
from batcher.rules.rate import backoff, stop
from batcher.rules.rate.stop import Streak
from batcher.rules.service import verdicts
from batcher.rules.service.repeated import REPEATED, Names

STARTED, REFUSED, FATAL, IN_DOUBT = Verdict.STARTED, Verdict.REFUSED, Verdict.FATAL, Verdict.IN_DOUBT
REJECTED = Verdict.REJECTED
PENDING = Status.PENDING

RESENDABLE = frozenset({Verdict.UNSENT, Verdict.REFUSED})

ENDS: dict[Verdict, Status] = {
    Verdict.STARTED: Status.STARTED,
    Verdict.REJECTED: Status.REJECTED,
    Verdict.IN_DOUBT: Status.IN_DOUBT,
    # Refused in every attempt: recorded in this run, and sent again by the next run.
    Verdict.REFUSED: Status.REFUSED,
    # No request left this machine, or the service refuses the whole job: the row is returned unchanged.
    Verdict.UNSENT: Status.PENDING,
    Verdict.FATAL: Status.PENDING,
}
"""The status of a row after its last verdict."""


class Judge(Protocol):
    """Decides what an answer proves about its row. `verdicts.judge` is one."""

    def __call__(self, answer: Answer, *, proven: bool, repeated: bool, trust_503: bool) -> Verdict:
        """Return the verdict. The keyword arguments are those of `verdicts.judge`."""


class Action(Struct, frozen=True):
    """What is done for each row: a request that is sent once, and the judge of answers that name no execution."""

    send: Callable[[Row], Awaitable[Answer]]
    judge: Judge


class Attempt(Struct, frozen=True, gc=False):
    """One request for a row and the verdict on its answer. `latency` is in seconds."""

    verdict: Verdict
    answer: Answer
    latency: float
    is_counted: bool
    """Whether it counts towards `max_attempts`: the service was available and refused the row."""


@dataclass(slots=True)
class Attempts:
    """Sends rows. Holds what the attempts of a run have in common."""

    action: Action
    tally: Tally
    turns: Turns
    now: Callable[[], float]
    """The service's time in POSIX seconds."""
    monotonic: Callable[[], float]
    draw: Callable[[], float]
    """Returns a random number from 0 to 1."""
    max_attempts: int
    places: Places
    """Those of the rows that are being sent. A row that waits for its next attempt has none."""
    trust_503: bool = False
    seen: Callable[[Admitted, Sequence[Attempt]], None] | None = None
    """Called as soon as an attempt is judged, with the row and its attempts so far."""
    names: Names = field(default_factory=Names)
    """The names of the executions that were started."""
    streak: Streak = field(default_factory=Streak)
    """Consecutive rejections before the first successful start. After a success, a denial concerns one row only."""

    @property
    def drain(self) -> Drain:
        """The drain of the run."""
        return self.turns.drain

    async def fire(self, admitted: Admitted) -> Outcome:
        """Send a row until an answer settles it or no attempts are left. On a drain, return it as PENDING."""
        # A coroutine is made only for a turn that has to be waited for.
        turn = self.turns.take_free() or await self.turns.take()
        if turn is None:
            return Outcome(admitted, PENDING)
        answer = await self.action.send(self._leaving(admitted, turn))
        first = self._judged(admitted, turn, answer, ())
        if first.verdict not in RESENDABLE:
            return self._end(admitted, first, 1)
        made = [first]
        await self._persist(admitted, made)
        ended = self._end(admitted, made[-1], len(made))
        if made[-1].verdict is Verdict.REFUSED and _counted(made) < self.max_attempts:
            # The drain began between two attempts, so the row was not refused in every attempt.
            return structs.replace(ended, status=PENDING)
        return ended

    async def _persist(self, admitted: Admitted, made: list[Attempt]) -> None:
        """Make further attempts, each after its backoff, until one is not refused or the drain begins."""
        # Imported here, since most runs never send a row again.
        from tenacity import AsyncRetrying, retry_if_result  # noqa: PLC0415

        async def attempt() -> Attempt:
            # tenacity calls this function once before it waits. The first attempt has already been made then.
            turn = await self._turn_of_retry() if waited else None
            if turn is not None:
                self.tally.retries += 1
                answer = await self.action.send(self._leaving(admitted, turn))
                made.append(self._judged(admitted, turn, answer, made))
            return made[-1]

        async def sleep(seconds: float) -> None:
            waited.append(seconds)
            await self.places.lend(self.drain.sleep(seconds))

        waited: list[float] = []
        await AsyncRetrying(
            retry=retry_if_result(lambda last: last.verdict in RESENDABLE and not self.drain.begun),
            stop=lambda _: _counted(made) >= self.max_attempts,
            wait=lambda _: self._backoff(made),
            sleep=sleep,
            retry_error_callback=lambda _: None,
        )(attempt)

    def _backoff(self, made: list[Attempt]) -> float:
        # If no request left this machine, the row does not wait longer each time: the turns delay all rows instead.
        answer = made[-1].answer
        is_prompt = self.turns.is_chance(answer)
        return backoff.wait(max(1, _counted(made)), self.draw(), answer.retry_after, self.now(), is_prompt=is_prompt)

    async def _turn_of_retry(self) -> Turn | None:
        """Wait until the budget and the pace allow a retry. Return None if the job stops first."""
        while not self.turns.may_retry() and not self.drain.begun:
            await self.places.lend(self.drain.sleep(backoff.full_jitter(1, self.draw())))
        return await self.turns.take()

    def _leaving(self, admitted: Admitted, turn: Turn) -> Row:
        """Count a row as sent and return what to send."""
        tally, row = self.tally, admitted.row
        assert isinstance(row, Row)  # noqa: S101 - an invalid row has no intent
        tally.requests += 1
        tally.on_wire[admitted.id] = turn.at
        return row

    def _judged(self, admitted: Admitted, turn: Turn, answer: Answer, made: Sequence[Attempt]) -> Attempt:
        """Judge the answer to a row. `made` are the row's earlier attempts."""
        streak = self.streak
        del self.tally.on_wire[admitted.id]
        if answer.execution is not None and self.names.is_new(answer.execution.name):
            verdict = STARTED
        elif answer.execution is not None:
            verdict, answer = IN_DOUBT, _repeated(answer, answer.execution.name)
        else:
            repeated = any(verdicts.is_once(each.answer) for each in made)
            judge = self.action.judge
            verdict = judge(answer, proven=streak.is_proven, repeated=repeated, trust_503=self.trust_503)
        now = self.monotonic()
        self.turns.learn(turn, verdict, answer, now)
        if not streak.is_proven:
            self._count(verdict, answer)
        is_counted = verdict is REFUSED and not self.turns.is_away
        attempt = Attempt(verdict, answer, now - turn.at, is_counted)
        if self.seen is not None:
            self.seen(admitted, [*made, attempt])
        return attempt

    def _count(self, verdict: Verdict, answer: Answer) -> None:
        """Stop the job if every row is refused: then the cause is the job, or something before the service."""
        self.streak = stop.count(self.streak, REJECTED if verdicts.is_unproven(answer) else verdict)
        if stop.is_broken(self.streak) and not self.tally.known[Status.STARTED]:
            self.drain.begin(verdicts.none_started(answer, self.streak.rejected))

    def _end(self, admitted: Admitted, last: Attempt, attempts: int) -> Outcome:
        if last.verdict is FATAL:
            self.drain.begin(verdicts.ending(last.answer))
        return Outcome(admitted, ENDS[last.verdict], last.answer, last.answer.execution, attempts, last.latency)


def _repeated(answer: Answer, name: str) -> Answer:
    """Return the answer of a start that names the execution of another start: it proves nothing."""
    message = f"the answer names execution {name}, as which another row was started"
    return structs.replace(answer, code=REPEATED, message=message, execution=None)


def _counted(made: list[Attempt]) -> int:
    return sum(attempt.is_counted for attempt in made)
