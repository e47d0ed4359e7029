"""Services that limit their starts, and a job that meets them, on virtual time: a run of minutes takes milliseconds.

The rules are real: throttle, flight, retry budget, outage and backoff, joined as a job would join them. Simulated are
the network, the service and the workers.
"""

import heapq
import random
from bisect import bisect_left
from collections import deque
from itertools import count
from math import inf
from typing import NamedTuple

from batcher.model import Verdict
from batcher.rules.rate import outage
from batcher.rules.rate.backoff import full_jitter, prompt
from batcher.rules.rate.budget import RetryBudget
from batcher.rules.rate.flight import Flight
from batcher.rules.rate.found import FoundLimit, Look
from batcher.rules.rate.throttle import Throttle

LOOK_SECONDS = 0.2
"""How often the monitor looks at a run."""
LATE = 1.0
"""Seconds by which a late answer is late."""
WIRE = 0.001
"""Seconds, at most, from sending to the service's decision."""


class Bucket:
    """A token bucket that is full at the beginning and holds `seconds` of its rate, at least one token."""

    def __init__(self, rate, seconds):
        self.rate, self._seconds, self._then = rate, seconds, 0.0
        self._level = max(1.0, rate * seconds)

    def change(self, now, rate):
        self._fill(now)
        self.rate = rate

    def take(self, now):
        self._fill(now)
        if self._level < 1:
            return False
        self._level -= 1
        return True

    def _fill(self, now):
        self._level = min(max(1.0, self.rate * self._seconds), self._level + (now - self._then) * self.rate)
        self._then = now


class Windows:
    """So many starts in each second of the clock."""

    def __init__(self, rate):
        self.rate, self._window, self._taken = rate, -1, 0

    def change(self, _now, rate):
        self.rate = rate

    def take(self, now):
        if int(now) != self._window:
            self._window, self._taken = int(now), 0
        if self._taken + 1 > self.rate:
            return False
        self._taken += 1
        return True


class Unlimited:
    """Takes everything."""

    def take(self, _now):
        return True


class Flying:
    """So many requests in flight."""

    def __init__(self, most):
        self._most, self._flying = most, 0

    def take(self, _now):
        if self._flying >= self._most:
            return False
        self._flying += 1
        return True

    def answered(self):
        self._flying -= 1


class Running:
    """So many executions at a time, each for so many seconds."""

    def __init__(self, most, seconds):
        self._most, self._seconds, self._ends = most, seconds, deque()

    def take(self, now):
        while self._ends and self._ends[0] <= now:
            self._ends.popleft()
        if len(self._ends) >= self._most:
            return False
        self._ends.append(now + self._seconds)
        return True


def by_chance(share):
    """Refuse this share at random."""
    return lambda _, draw: Verdict.REFUSED if draw < share else None


class Sent(NamedTuple):
    """An attempt when it was sent: the time, the rate, and how many were on the wire."""

    at: float
    rate: float
    flying: int


class Run:
    """One job against a service. Times in its lists are seconds from its beginning.

    `changes` are times and new limits. `fate` may decide an attempt before the service does: it is given the time and a
    draw, and gives a verdict or None. `rival` is the rate, the beginning and the end of another user of the account.
    `retry_after` are the seconds that a refusal tells to wait. `refusal_latency` are the seconds after which the
    service answers with a refusal, if that is not the latency of a start. `named` is the limit that a refusal names.
    `caps` are times and the rates that a person then sets. `late` is the share of answers that come a second late.
    """

    def __init__(self, service, latency, seed, until, *, workers=64, throttle=None, rows=None, changes=(), fate=None,
                 rival=(0.0, 0.0, 0.0), retry_after=0.0, refusal_latency=None, named=None,
                 caps=(), late=0.0):  # fmt: skip
        self.throttle, self.flight, self.budget = throttle or Throttle(), Flight(), RetryBudget()
        self.health = outage.Health()
        self.sent, self.started, self.refused, self.doubts, self.rates, self.events = [], [], [], [], [], []
        self.retries = 0
        self.most_in_flight = 0
        self.ended_at = None
        self._service, self._latency, self._until = service, latency, until
        self._draw = random.Random(seed).random
        self._workers, self._open, self._rows, self._active, self._again = workers, 0, rows, 0, []
        self._flying = 0
        self._changes, self._fate, self._rival, self._retry_after = list(changes), fate, list(rival), retry_after
        self._refusal_latency, self._named = refusal_latency, named
        self._late = late
        self._agenda, self._number, self.now = [], count(), 0.0
        for at, rate in caps:
            self._at(at, self._cap, rate)
        self.found, self.limits = FoundLimit(), []
        self._at(LOOK_SECONDS, self._look)
        self._play()

    def _play(self):
        self._admit()
        while self._agenda:
            at, _, do, arguments = heapq.heappop(self._agenda)
            if at > self._until:
                return
            self.now = at
            do(*arguments)
        self.ended_at = self.now

    def _at(self, time, do, *arguments):
        heapq.heappush(self._agenda, (time, next(self._number), do, arguments))

    def _admit(self):
        """Send rows, as many as the flight and the workers allow: first those that are to be sent again.

        A row that waits for its next attempt occupies no worker, but counts as open: twice as many may be open.
        """
        cap = min(self._workers, self.flight.cap(self.throttle.pace.rate))
        while self._active < cap and (self._again or (self._open < 2 * self._workers and self._rows != 0)):
            attempt = self._again.pop() if self._again else 1
            if attempt == 1:
                self._open += 1
                self._rows = self._rows and self._rows - 1
            self._active += 1
            self._ask(attempt)

    def _ask(self, attempt):
        wait = outage.wait(self.health, self.now)
        if wait > 0:
            self._at(self.now + wait, self._ask, attempt)
        else:
            self._go(self.throttle.pace.turn(self.now)[0], attempt)

    def _go(self, turn, attempt):
        wait = self.throttle.pace.wait(turn, self.now)
        if wait > 0:
            self._at(self.now + wait, self._go, turn, attempt)
        elif outage.wait(self.health, self.now) > 0:
            self._ask(attempt)
        else:
            self._send(attempt)

    def _look(self):
        """Look at the run a few times a second, as the monitor does; `limits` are what it has reported."""
        look = Look(self.now, len(self.started), len(self.refused))
        throttle = self.throttle
        self.found.look(look, throttle.limit, throttle.chance, is_named=throttle.named < inf)
        self.limits.append((self.now, self.found.limit))
        if self._agenda:
            self._at(self.now + LOOK_SECONDS, self._look)

    def _cap(self, rate):
        self.throttle.cap(self.now, rate)

    def _send(self, attempt):
        self.health = outage.probed(self.health, self.now)
        self.most_in_flight = max(self.most_in_flight, self._active)
        self.sent.append(self.now)
        self.rates.append(self.throttle.pace.rate)
        latency = self._latency * (0.8 + 0.4 * self._draw())
        latency += LATE * (self._late > 0 and self._draw() < self._late)
        arrival = self.now + min(latency / 2, WIRE * self._draw())
        self._flying += 1
        self._at(arrival, self._decide, attempt, Sent(self.now, self.throttle.pace.rate, self._flying), latency)

    def _decide(self, attempt, sent, latency):
        while self._changes and self.now >= self._changes[0][0]:
            self._service.change(*self._changes.pop(0))
        while self._rival[1] < min(self.now, self._rival[2]):
            self._service.take(self._rival[1])
            self._rival[1] += 1 / self._rival[0]
        verdict = self._fate and self._fate(self.now, self._draw())
        if verdict is None:
            verdict = Verdict.STARTED if self._service.take(self.now) else Verdict.REFUSED
            if verdict is Verdict.REFUSED and self._refusal_latency is not None:
                latency = self.now - sent.at + self._refusal_latency
            elif verdict is Verdict.STARTED and hasattr(self._service, "answered"):
                self._at(sent.at + latency, self._service.answered)
        self._at(sent.at + latency, self._learn, attempt, verdict, sent, latency)

    def _learn(self, attempt, verdict, sent, latency):
        self._active -= 1
        self._flying -= 1
        before, self.health = self.health, outage.learn(self.health, verdict, self.now)
        change = outage.change(before, self.health, self.now, "a failure")
        self.events.append(change)
        if change is not None and self.health.out_since is None:
            self.events.append(self.throttle.restart(self.now, change.cause))
        self.flight.answered(latency)
        if verdict is Verdict.STARTED:
            self.started.append(self.now)
            self.budget.started(self.throttle.chance)
            self.flight.started(sent.flying, self.now)
            self.events.append(self.throttle.started(self.now, sent.at))
        elif verdict is Verdict.REFUSED and self._is_flight(sent):
            self.refused.append(self.now)
        elif verdict is Verdict.REFUSED:
            self.refused.append(self.now)
            is_told = self._retry_after > 0
            self.events.append(self._refuse(sent, is_told=is_told))
            if is_told:
                self.events.append(self.throttle.hold(self.now, self._retry_after, "SlowDown"))
        else:
            self.events.append(self.throttle.failed(self.now, "failures"))
        if verdict in {Verdict.REFUSED, Verdict.UNSENT}:
            is_refused = verdict is Verdict.REFUSED
            self._back_off(attempt, is_refused, is_refused and not self.throttle.is_overloaded(self.now))
        else:
            self.doubts += [self.now] * (verdict is Verdict.IN_DOUBT)
            self._open -= 1
        self._admit()

    def _refuse(self, sent, *, is_told):
        return self.throttle.refused(self.now, sent.at, sent.rate, "SlowDown", is_told=is_told, named=self._named)

    def _is_flight(self, sent):
        is_flight = self.flight.refused(sent.flying, self.now, is_steady=self.throttle.is_steady(sent.at))
        if is_flight:
            self.throttle.release(self.now)
        return is_flight

    def _back_off(self, attempt, is_refused, is_prompt):
        wait = prompt(attempt, self._draw()) if is_prompt else full_jitter(attempt, self._draw())
        wait = max(wait, self._retry_after if is_refused else 0.0)
        self._at(self.now + wait, self._return, attempt)

    def _return(self, attempt):
        if self.budget.take(self.now):
            self.retries += 1
            self._again.append(attempt + 1)
            self._admit()
        else:
            self._at(self.now + full_jitter(1, self._draw()), self._return, attempt)

    def per_second(self, times, begin, end):
        """Give how many of `times` lie in an interval, a second."""
        return (bisect_left(times, end) - bisect_left(times, begin)) / (end - begin)

    def refused_share(self, begin, end):
        """Give the part of the attempts that was refused in an interval."""
        return self.per_second(self.refused, begin, end) / self.per_second(self.sent, begin, end)
