"""The turns: when an attempt may be sent, and what its end teaches about the service.

Joins the rules of overload control (`throttle`, `flight`, `budget`, `outage`) to the tasks that wait for them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

from msgspec import Struct

from batcher.flow.drain import Drain
from batcher.flow.queues import Waiters
from batcher.model import Answer, Verdict
from batcher.rules.rate import backoff, outage
from batcher.rules.rate.budget import RetryBudget
from batcher.rules.rate.decisions import Event
from batcher.rules.rate.flight import Flight
from batcher.rules.rate.outage import WELL, Health
from batcher.rules.rate.throttle import Throttle
from batcher.rules.service import verdicts

STEP = 0.5
"""Seconds after which whoever waits looks up: for the drain, for a pause, for a rate that has changed."""
SLACK = 0.002
"""Seconds by which a turn may be used early: the timers of event loops are no finer, and a wait costs as much as a
start's whole arithmetic."""

STARTED = Verdict.STARTED

MOST_DECISIONS = 1000
"""Decisions that are kept for whoever looks."""


class Turn(Struct, frozen=True, gc=False):
    """Leave to send one attempt: since when, in seconds of the steady clock, and at which rate."""

    at: float
    rate: float


@dataclass(slots=True)
class Turns:
    """Gives the turns of one run, each to be given back to `learn`."""

    drain: Drain
    throttle: Throttle
    monotonic: Callable[[], float]
    service_now: Callable[[], float]
    """The service's time in POSIX seconds, by which a `Retry-After` that is a date is read."""
    max_outage: float = inf
    """Seconds of an outage that end the run."""
    decisions: deque[Event] = field(default_factory=lambda: deque(maxlen=MOST_DECISIONS), init=False)
    """What was decided about the rate, the latest last, until somebody takes it away."""
    is_paused: bool = field(default=False, init=False)
    """Whether a person wants nothing to be sent for now."""
    health: Health = field(default=WELL, init=False)
    flight: Flight = field(default_factory=Flight, init=False)
    budget: RetryBudget = field(default_factory=RetryBudget, init=False)
    given: int = field(default=0, init=False)
    """Turns given or waited for, and not yet given back."""
    _waiters: Waiters = field(default_factory=Waiters, init=False)
    """Who waits for room in the flight: at most one for each worker."""

    async def take(self) -> Turn | None:
        """Wait until an attempt may be sent. None when the job stops first."""
        pace = self.throttle.pace
        while self.given >= self.flight.cap(pace.rate) and not self.drain.begun:
            await self._waiters.wait()
        self.given += 1
        if self.health is not WELL or self.is_paused or self.drain.begun:
            return await self._later(None)
        now = self.monotonic()
        number, wait = pace.turn(now)
        return Turn(now, pace.rate) if wait <= SLACK else await self._later(number)

    async def _later(self, number: float | None) -> Turn | None:
        """Wait for the turn with this number; for the next one where there is none yet, or it is lost by a hold."""
        turn: Turn | None = None
        try:
            while not self.drain.begun:
                now = self.monotonic()
                wait = STEP if self.is_paused else outage.wait(self.health, now)
                if wait > 0:
                    # Its place in the pace's order is lost: what has waited must not leave all at once.
                    number = None
                else:
                    if number is None:
                        number, wait = self.throttle.pace.turn(now)
                    else:
                        wait = self.throttle.pace.wait(number, now)
                    if wait <= SLACK:
                        self.health = outage.probed(self.health, now)
                        turn = Turn(now, self.throttle.pace.rate)
                        break
                await asyncio.sleep(min(wait, STEP))
        finally:
            if turn is None:
                self._give_back()
        return turn

    def may_retry(self) -> bool:
        """Tell whether the budget allows a retry now."""
        return self.budget.take(self.monotonic())

    def learn(self, turn: Turn, verdict: Verdict, answer: Answer, now: float) -> None:
        """Learn what came of an attempt, and pass its turn on. `now` is when it ended, by the steady clock."""
        if answer.fault is None:
            self.flight.answered(now - turn.at)
        word = "" if verdict is STARTED else verdicts.word(answer)
        if verdict is not STARTED or self.health is not WELL:
            self._look_at_health(verdict, answer, now, word)
        if verdict is STARTED:
            self.budget.started()
            self._tell(self.throttle.started(now))
        elif verdicts.is_busy(answer):
            hold = backoff.retry_after(answer.retry_after, self.service_now())
            self._tell(self.throttle.refused(now, turn.at, turn.rate, word, is_told=bool(hold)))
            self._tell(self.throttle.hold(now, hold, word) if hold else None)
        elif self.health.failures and not self.is_away:
            self._tell(self.throttle.failed(now, word))
        self._give_back()

    @property
    def is_away(self) -> bool:
        """Whether the service is taken to be away."""
        return self.health.out_since is not None

    def _look_at_health(self, verdict: Verdict, answer: Answer, now: float, word: str) -> None:
        # A 503 that the user trusts is no doubt, and no sign of life either.
        seen = Verdict.IN_DOUBT if verdicts.is_failing(answer) else verdict
        before, self.health = self.health, outage.learn(self.health, seen, now)
        if self.health is before:
            return
        self._tell(outage.change(before, self.health, now, word))
        since = self.health.out_since
        if since is None and before.out_since is not None:
            self._tell(self.throttle.restart(now, "climbing back after the outage"))
        # Only a failed probe shows that an outage goes on: during a pause there are none.
        if since is not None and now - since >= self.max_outage:
            self.drain.begin(verdicts.away(self.max_outage, word))

    def _give_back(self) -> None:
        self.given -= 1
        if waiting := len(self._waiters.waiting):
            # As many as there is room for, and everybody when the job stops.
            room = self.flight.cap(self.throttle.pace.rate) - self.given
            self._waiters.wake(waiting if self.drain.begun else room)

    def _tell(self, event: Event | None) -> None:
        if event is not None:
            self.decisions.append(event)
