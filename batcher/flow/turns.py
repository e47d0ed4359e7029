"""The turns: when an attempt may be sent, and what its result shows about the service.

Connects the rules of overload control (`throttle`, `flight`, `budget`, `outage`) with the tasks that wait for them.
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
"""Seconds after which a waiting task checks again for the drain, a pause, or a changed rate."""
SLACK = 0.002
"""Seconds by which a turn may be used early. Event loop timers are no finer, and a wait costs as much CPU as all other
computation for a start."""
EARLY = 0.01
"""The same while no limit is known. Rows are admitted in groups, and the pace then only limits how fast the rate rises:
up to half of all starts would wait for a turn. Less is the lateness of the event loop."""

ROOM = 1.25
"""A run that its rate does not limit may use this factor of what it uses."""

STARTED = Verdict.STARTED

MOST_DECISIONS = 1000
"""The maximum number of decisions kept until they are read."""


class Turn(Struct, frozen=True, gc=False):
    """Permission to send one attempt: when it was given, in seconds of the steady clock, and the rate at that time."""

    at: float
    rate: float
    flying: int = 0
    """How many attempts are on the wire, with this one."""


@dataclass(slots=True)
class Turns:
    """Gives the turns of one run. Each must be returned with `learn`."""

    drain: Drain
    throttle: Throttle
    monotonic: Callable[[], float]
    service_now: Callable[[], float]
    """Returns the service's time in POSIX seconds. A `Retry-After` that is a date is compared with it."""
    named_limit: Callable[[Answer], float | None] = lambda _: None
    """Returns the limit that a refusal names, in requests per second, None if it names none."""
    max_outage: float = inf
    """Seconds after which an outage ends the run."""
    decisions: deque[Event] = field(default_factory=lambda: deque(maxlen=MOST_DECISIONS), init=False)
    """The decisions about the rate, latest last. The reader removes them."""
    is_paused: bool = field(default=False, init=False)
    """Whether the user has paused the job."""
    leased_until: float = field(default=inf, init=False)
    """When the rate may no longer be used, by the steady clock. Infinity if it is not shared."""
    health: Health = field(default=WELL, init=False)
    flight: Flight = field(default_factory=Flight, init=False)
    budget: RetryBudget = field(default_factory=RetryBudget, init=False)
    refused: int = field(default=0, init=False)
    """Answers that report too many requests."""
    given: int = field(default=0, init=False)
    """Turns that were given or are waited for, and not yet returned."""
    flying: int = field(default=0, init=False)
    """Turns that were given and not yet returned."""
    _waiters: Waiters = field(default_factory=Waiters, init=False)
    """The tasks that wait for room in the flight: at most one per worker."""

    def take_free(self) -> Turn | None:
        """Take a turn if an attempt may be sent now."""
        pace = self.throttle.pace
        if self.health is not WELL or self.is_paused or self.drain.begun or self.flight.is_full(self.given, pace.rate):
            return None
        now = self.monotonic()
        if now >= self.leased_until or not (pace.take(now, SLACK) or (self.throttle.is_open and pace.take(now, EARLY))):
            return None
        self.given += 1
        self.flying += 1
        return Turn(now, pace.rate, self.flying)

    async def take(self) -> Turn | None:
        """Wait until an attempt may be sent. Return None if the job stops first."""
        while self.flight.is_full(self.given, self.throttle.pace.rate) and not self.drain.begun:
            await self._waiters.wait()
        self.given += 1
        # That of the turn that is waited for: none yet, and none any more if it is lost in a hold.
        number: float | None = None
        turn: Turn | None = None
        try:
            while not self.drain.begun:
                now = self.monotonic()
                is_held = self.is_paused or now >= self.leased_until
                wait = STEP if is_held else outage.wait(self.health, now)
                if wait > 0:
                    # The place in the pace's order is given up: attempts that waited must not all be sent at once.
                    number = None
                else:
                    if number is None:
                        number, wait = self.throttle.pace.turn(now)
                    else:
                        wait = self.throttle.pace.wait(number, now)
                    if wait <= (EARLY if self.throttle.is_open else SLACK):
                        self.health = outage.probed(self.health, now)
                        self.flying += 1
                        turn = Turn(now, self.throttle.pace.rate, self.flying)
                        break
                await asyncio.sleep(min(wait, STEP))
        finally:
            if turn is None:
                self._give_back()
        return turn

    def demand(self, used: float) -> float:
        """Return the rate that the run could use, in starts per second, given the one that it has `used` lately."""
        now = self.monotonic()
        if self.is_paused or self.is_away or self.drain.begun:
            return 0.0
        is_waiting = now >= self.leased_until and self.given > self.flying
        return inf if is_waiting or self.throttle.pace.is_pressed(now) else ROOM * used

    def may_retry(self) -> bool:
        """Spend one retry of the budget. Return whether there was one."""
        return self.budget.take(self.monotonic())

    def is_chance(self, answer: Answer) -> bool:
        """Return whether an answer is a refusal that is no part of an overload."""
        return verdicts.is_busy(answer) and not self.throttle.is_overloaded(self.monotonic())

    def learn(self, turn: Turn, verdict: Verdict, answer: Answer, now: float) -> None:
        """Learn from the result of an attempt and return its turn. `now` is when it ended, by the steady clock."""
        self.flying -= 1
        if answer.fault is None:
            self.flight.answered(now - turn.at)
        word = "" if verdict is STARTED else verdicts.word(answer)
        if verdict is not STARTED or self.health is not WELL:
            self._look_at_health(verdict, answer, now, word)
        if verdict is STARTED:
            self.budget.started(self.throttle.chance)
            self.flight.started(turn.flying, now)
            self._report(self.throttle.started(now, turn.at))
        elif verdicts.is_busy(answer):
            self._refused(turn, answer, now, word)
        elif self.health.failures and not self.is_away:
            self._report(self.throttle.failed(now, word))
        self._give_back()

    def _refused(self, turn: Turn, answer: Answer, now: float, word: str) -> None:
        """Learn from a refusal: about the number on the wire if that explains it, otherwise about the rate."""
        self.refused += 1
        throttle = self.throttle
        if self.flight.refused(turn.flying, now, is_steady=throttle.is_steady(turn.at)):
            throttle.release(now)
            return
        hold = backoff.retry_after(answer.retry_after, self.service_now())
        named = self.named_limit(answer)
        self._report(throttle.refused(now, turn.at, turn.rate, word, is_told=bool(hold), named=named))
        self._report(throttle.hold(now, hold, word) if hold else None)

    @property
    def is_away(self) -> bool:
        """Whether the service is considered unavailable."""
        return self.health.out_since is not None

    def _look_at_health(self, verdict: Verdict, answer: Answer, now: float, word: str) -> None:
        # A 503 that the user trusts leaves no doubt about the row, but does not show that the service is available.
        seen = Verdict.IN_DOUBT if verdicts.is_failing(answer) else verdict
        before, self.health = self.health, outage.learn(self.health, seen, now)
        if self.health is before:
            return
        self._report(outage.change(before, self.health, now, word))
        since = self.health.out_since
        if since is None and before.out_since is not None:
            self._report(self.throttle.restart(now, "climbing back after the outage"))
        # Only a failed probe shows that an outage continues. During a pause there are no probes.
        if since is not None and now - since >= self.max_outage:
            self.drain.begin(verdicts.away(self.max_outage, word))

    def _give_back(self) -> None:
        self.given -= 1
        if waiting := len(self._waiters.waiting):
            # Wakes as many tasks as there is room for, and all of them if the job stops.
            room = self.flight.cap(self.throttle.pace.rate) - self.given
            self._waiters.wake(waiting if self.drain.begun else room)

    def _report(self, event: Event | None) -> None:
        if event is not None:
            self.decisions.append(event)
