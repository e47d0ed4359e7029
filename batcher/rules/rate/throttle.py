"""The throttle: how many starts a second to send, learned from what the service refuses. Pure; `pace` has the turns.

Slow start until the first refusal, then back off and climb again, as TCP does: https://www.rfc-editor.org/rfc/rfc9438.
The service documents no limit, only to slow down: https://support.huaweicloud.com/en-us/api-obs/obs_04_0115.html.
"""

from __future__ import annotations

from math import inf

from batcher.rules.rate.climb import AFTER_CUT, AFTER_OUTAGE, AFTER_PROBE, AFTER_START, STAY, Climb, share
from batcher.rules.rate.decisions import Event, Kind
from batcher.rules.rate.limit import shown
from batcher.rules.rate.pace import Pace
from batcher.rules.rate.recent import Recent

FIRST = 10.0
"""Starts a second at the beginning."""

LEAST = 0.5
"""Starts a second that no evidence takes away: less would be an outage."""

GAINS = ((20.0, 1.5), (400.0, 5.5), (inf, 11.0))
"""By how much each start raises the rate while nothing was refused, below which rate: to 10,000 a second in 2 s, but no
faster than the answers come that it learns from. Where the rate is small a minute has few starts, and each refusal
weighs; a limit of 50 a second with a second's burst is passed by up to 350."""

COOL_DOWN = 1.0
"""Seconds between two cuts. A limit that is counted by the second refuses everything until its second is over."""

NOISE = 0.03
"""Up to this part of the answers, refusals are taken for chance and cut nothing."""

MOVED = 1.3
"""A probe that is refused only so many times above the limit shows that it has risen, however little was taken."""

TOLD = 0.95
"""The part of a limit that is used where refusals bring a `Retry-After`: there each one costs everybody some time."""

STEP = 1.25
"""A rise by this factor is an event."""

TROUBLE = 0.3
"""From this part of failures on, and `MOST_FAILURES` of them in a second or two, the rate is eased."""

MOST_FAILURES = 10

EASED = 0.85
"""What is left of the rate after easing it, once a second, down to `EASED_MOST` of the limit."""

EASED_MOST = 0.5

LONGEST_HOLD = 60.0
"""Seconds that a `Retry-After` may hold everybody back."""


class Throttle:
    """Finds the rate that the service takes. `pace` gives the turns at it, under the cap `max_rate`.

    All times are in seconds of one steady clock. Every decision is given back as an event.
    """

    def __init__(self, max_rate: float = inf, limit: float | None = None) -> None:
        """Begin slowly, or near the `limit` that an earlier run has found (starts a second)."""
        self._most = max_rate
        self._least = min(LEAST, max_rate)
        self._limit = limit
        self._is_found = limit is not None
        self._climb = AFTER_CUT
        self._age = 0.0
        """Seconds of the climb that were used: time in which nothing is sent proves nothing and does not count."""
        self._fed = inf
        """When the last start came back, or the climb began."""
        self._cut_at = -inf
        """When the rate was last cut, or set anew; what was sent before tells nothing more."""
        self._starts = 0
        """Starts since then."""
        self._eased_at = -inf
        self._recent = Recent(1.0)
        self._failures = Recent(1.0)
        self.pace = Pace(self._within(FIRST if limit is None else AFTER_CUT.low * limit))
        self._told = self.pace.rate

    @property
    def limit(self) -> float | None:
        """The limit found, in starts a second; None while nothing was refused. To be kept for the next run."""
        return self._limit if self._is_found else None

    @property
    def is_capped(self) -> bool:
        """Whether it is `max_rate` that keeps the rate down."""
        return self.pace.rate >= self._most

    def cap(self, now: float, max_rate: float) -> None:
        """Set another cap, in starts a second, that holds at once."""
        self._most = max_rate
        self._least = min(LEAST, max_rate)
        self.pace.change(now, self._within(self.pace.rate))

    def started(self, now: float) -> Event | None:
        """Learn that a start has succeeded. Give an event when the rate has risen by a step."""
        self._recent.went_well(now)
        self._starts += 1
        idle = now - self._fed
        self._fed = now
        pace = self.pace
        if pace.rate >= self._most or not pace.is_pressed(now):
            return None
        if self._limit is None:
            rate = pace.rate + next(gain for below, gain in GAINS if pace.rate < below)
        else:
            if idle > 0:
                self._age += min(idle, 1.0)
            rate = self._limit * share(self._age, self._climb)
        pace.change(now, self._within(rate))
        return self._tell(now, self._told, "nothing refused") if pace.rate >= STEP * self._told else None

    def refused(self, now: float, sent_at: float, rate: float, cause: str, *, is_told: bool = False) -> Event | None:
        """Learn that the service was too busy for an attempt. Give an event when this cuts the rate.

        `sent_at` and `rate` are the time and the pace's rate when it was sent, `cause` is the service's word.
        `is_told`: it says how long to wait (then call `hold`), so that this is no accident. Only for refusals that are
        about the rate: 429, and 503 with `SlowDown`.
        """
        if sent_at <= self._cut_at:
            # It was on its way already: the same overload, for which the rate is cut once.
            return None
        self._recent.went_badly(now)
        if not is_told and self._is_chance(now):
            return None
        limit = max(self._least, self._shown(now, min(rate, self.pace.rate)) * (TOLD if is_told else 1.0))
        climb = self._climb_after(rate)
        self._limit, self._is_found = limit, True
        self._count_anew(now)
        return self._begin(now, climb, cause)

    def failed(self, now: float, cause: str) -> Event | None:
        """Learn that an attempt failed in a way that says nothing about the rate. Many such ease the rate."""
        self._failures.went_badly(now)
        self._recent.roll(now)
        bad, good = self._failures.bad, self._recent.good
        if now < self._eased_at + COOL_DOWN or bad < MOST_FAILURES or bad < TROUBLE * (bad + good):
            return None
        self._limit = self._limit or self.pace.rate
        low = max(EASED_MOST, min(1.0, EASED * self.pace.rate / self._limit))
        self._eased_at = now
        return self._begin(now, AFTER_CUT._replace(low=low), cause)

    def hold(self, now: float, seconds: float, cause: str) -> Event | None:
        """Send nothing for so many seconds, as a refusal's `Retry-After` asks for; a minute at the most."""
        seconds = min(seconds, LONGEST_HOLD)
        longer = self.pace.hold(now, now + seconds)
        # Nothing is taken meanwhile, and that tells nothing about the limit.
        self._cut_at += longer
        return Event(now, Kind.HELD, 0.0, seconds, cause) if longer else None

    def restart(self, now: float, cause: str) -> Event | None:
        """Climb back to the former rate from nearly nothing: the service was away."""
        self._limit = self._limit or self.pace.rate
        self._count_anew(now)
        return self._begin(now, AFTER_OUTAGE, cause)

    def _is_chance(self, now: float) -> bool:
        """Tell whether the latest refusals may be no evidence, or are of an overload that the rate was cut for."""
        bad, good = self._recent.bad, self._recent.good
        # On the way up a single refusal is an accident more often than a limit.
        is_early = self._limit is None or self._age < self._climb.seconds
        return now < self._cut_at + COOL_DOWN or bad < 1 + is_early or bad <= NOISE * (bad + good)

    def _climb_after(self, rate: float) -> Climb:
        """Give the climb after a refusal at `rate`."""
        if self._limit is None:
            return AFTER_START
        return AFTER_PROBE if self._age >= STAY and rate <= MOVED * self._limit else AFTER_CUT

    def _shown(self, now: float, rate: float) -> float:
        """Give the limit that a refusal at `rate` shows."""
        is_late = self._age >= STAY
        if self._cut_at == -inf or (is_late and rate > MOVED * (self._limit or rate)):
            return rate
        # Early, few are counted: the refused one's own turn counts as taken, and a first refusal as one too many.
        taken = (self._starts + (not is_late)) / (now - self._cut_at)
        bad, good = self._recent.bad, self._recent.good
        return shown(rate, taken, (bad - is_late) / (bad + good))

    def _count_anew(self, now: float) -> None:
        self._cut_at, self._starts = now, 0
        self._recent.forget()

    def _begin(self, now: float, climb: Climb, cause: str) -> Event | None:
        """Begin a climb to the limit."""
        self._climb, self._age, self._fed = climb, 0.0, now
        before = self.pace.rate
        self.pace.change(now, self._within((self._limit or before) * climb.low))
        return self._tell(now, before, cause)

    def _tell(self, now: float, before: float, cause: str) -> Event | None:
        self._told = self.pace.rate
        return Event(now, Kind.RATE, before, self._told, cause) if self._told != before else None

    def _within(self, rate: float) -> float:
        return max(self._least, min(self._most, rate))
