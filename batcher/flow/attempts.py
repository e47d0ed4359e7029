"""The attempts of one row: send it, judge the answer, and send again only what surely was not started.

The only module that knows tenacity. A row whose first attempt settles it never meets the retry machinery.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from tenacity import AsyncRetrying, RetryCallState, retry_if_result, stop_after_attempt

from batcher.flow.drain import Drain
from batcher.model import Admitted, Answer, Outcome, Row, State, Status, Verdict
from batcher.rules import answers, backoff, outcome
from batcher.rules.identity import start_body
from batcher.rules.tally import Tally

RESENDABLE = frozenset({Verdict.UNSENT, Verdict.REFUSED})

ENDS: dict[Verdict, tuple[State, Status | None]] = {
    Verdict.STARTED: (State.STARTED, Status.STARTED),
    Verdict.REJECTED: (State.REJECTED, Status.REJECTED),
    Verdict.IN_DOUBT: (State.IN_DOUBT, Status.IN_DOUBT),
    # Refused to the last attempt: on record for this run, and free to be sent by the next.
    Verdict.REFUSED: (State.PENDING, Status.REJECTED),
    # Nothing ever left, or the whole job is refused: the row is given back untouched.
    Verdict.UNSENT: (State.PENDING, None),
    Verdict.FATAL: (State.PENDING, None),
}
"""What the last verdict on a row leaves behind: its state, and its record's status if it gets a record."""


class Attempt(NamedTuple):
    """One request for a row, judged. `latency` is in seconds."""

    verdict: Verdict
    answer: Answer
    latency: float


@dataclass(slots=True)
class Attempts:
    """Fires rows. Holds what the attempts of a run have in common."""

    send: Callable[[bytes], Awaitable[Answer]]
    """Send a start with this body."""
    drain: Drain
    tally: Tally
    pace: Callable[[], Awaitable[None]]
    """Wait for this attempt's turn."""
    now: Callable[[], float]
    """The service's time in POSIX seconds."""
    monotonic: Callable[[], float]
    draw: Callable[[], float]
    """A random number from 0 to 1."""
    max_attempts: int
    trust_503: bool = False
    _proven: bool = field(default=False, init=False)
    """Whether a start of this run has succeeded: then a denial is about one row, not about the job."""

    async def fire(self, admitted: Admitted) -> Outcome:
        """Send a row until something is proved about it or its attempts are used up; give it back on a drain."""
        row = admitted.row
        assert isinstance(row, Row)  # noqa: S101 - an invalid row has no intent
        if not await self._may_send():
            return Outcome(admitted, State.PENDING, None)
        body = start_body(row)
        first = await self._attempt(body, repeated=False)
        if first.verdict not in RESENDABLE:
            return self._end(admitted, first, 1)
        made = [first]
        await self._persist(body, made)
        return self._end(admitted, made[-1], len(made))

    async def _persist(self, body: bytes, made: list[Attempt]) -> None:
        """Add further attempts to the first, each after its backoff, until one is no refusal or the drain begins."""

        async def attempt() -> Attempt:
            # tenacity calls before it first waits, and by then the first attempt has been made.
            if waited and await self._may_send():
                self.tally.retries += 1
                made.append(await self._attempt(body, repeated=any(outcome.is_once(each.answer) for each in made)))
            return made[-1]

        async def sleep(seconds: float) -> None:
            waited.append(seconds)
            await self.drain.sleep(seconds)

        waited: list[float] = []
        await AsyncRetrying(
            retry=retry_if_result(lambda last: last.verdict in RESENDABLE and not self.drain.begun),
            stop=stop_after_attempt(self.max_attempts),
            wait=lambda state: self._backoff(state, made[-1]),
            sleep=sleep,
            retry_error_callback=lambda _: None,
        )(attempt)

    def _backoff(self, state: RetryCallState, last: Attempt) -> float:
        return backoff.wait(state.attempt_number, self.draw(), last.answer.retry_after, self.now())

    async def _may_send(self) -> bool:
        """Wait for the turn to send; False when the job stops first."""
        await self.pace()
        return not self.drain.begun

    async def _attempt(self, body: bytes, *, repeated: bool) -> Attempt:
        self.tally.requests += 1
        begun = self.monotonic()
        answer = await self.send(body)
        latency = self.monotonic() - begun
        verdict = outcome.judge(answer, proven=self._proven, repeated=repeated, trust_503=self.trust_503)
        self._proven = self._proven or verdict is Verdict.STARTED
        return Attempt(verdict, answer, latency)

    def _end(self, admitted: Admitted, last: Attempt, attempts: int) -> Outcome:
        verdict, answer, latency = last
        state, status = ENDS[verdict]
        execution = None
        if verdict is Verdict.STARTED:
            execution = answers.started(answer)
        elif verdict is Verdict.FATAL:
            self.drain.begin(outcome.ending(answer))
        elif verdict in RESENDABLE and attempts < self.max_attempts:
            # Interrupted by the drain between two attempts: not refused to the last.
            status = None
        elif verdict is Verdict.UNSENT:
            self.drain.begin(outcome.unreachable(answer, attempts))
        return Outcome(admitted, state, status, answer, execution, attempts, latency)
