"""How many starts per second to send, learned from the service's refusals. Pure; `pace` schedules the turns.

Slow start until the first refusal, then back off and climb again, as TCP does: https://www.rfc-editor.org/rfc/rfc9438.
The service documents no limit, only to slow down: https://support.huaweicloud.com/en-us/api-obs/obs_04_0115.html.
"""

from __future__ import annotations

from math import inf

from batcher.rules.rate import climb
from batcher.rules.rate.chance import FLOOR, Refusals, is_few, is_usual
from batcher.rules.rate.climb import DOUBLING, STAY, Climb, gain, share
from batcher.rules.rate.decisions import Event, Kind
from batcher.rules.rate.drought import Droughts, Era
from batcher.rules.rate.limit import EXCEEDED, HINTED, MOVED, Seen, estimate, with_chance
from batcher.rules.rate.pace import LONGEST_HOLD, Pace
from batcher.rules.rate.recent import Recent
from batcher.rules.rate.remembered import SLOW_START
from batcher.rules.rate.trial import Cut, Trial, Trials
from batcher.rules.rate.trouble import Trouble, eased

LEAST = 0.5
"""The lowest rate in starts per second. Less would amount to an outage."""

CHECK = 1.0
"""Seconds in which a rate above the slow start's proves itself: a refusal in them ends it."""

COOL_DOWN = 1.0
"""Seconds between two cuts. A limit counted per calendar second refuses everything until that second ends."""

CAREFUL, COSTLY = 10.0, 330.0
"""Answers, where a limit shows late: those in which a probe doubles at the fastest, and those until the next probe.
Where refusals are chance, about five more are needed to notice a limit. Five are 1.5 % of them."""

RELEASED = 2.0
"""Where the number on the wire is limited, the rate is this factor of what is taken: the pace must not lower it."""

SAVED = 0.15
"""Seconds of its limit that a service may have saved, which are not taken for its limit."""

TRIM, MOST_TRIMS = 0.005, 6
"""The share by which single refusals at the limit lower it, about once a second, and how many times at most."""

PATIENCE, MOST_PATIENCE = 3.0, 60.0
"""After a drought the rate probes later: how many times the time between two droughts, and seconds at the most."""

AGAIN = "starts are accepted again"
"""Why the rate rises after a drought."""

AT_ANY_RATE = "refused at any rate"
"""Why the rate rises when a cut has not made refusals fewer."""

SUSTAINED = 5.0
"""Seconds for which the service must have taken a rate to show that its limit is not lower."""

LONG = 3.0
"""Seconds that hold several windows or bursts of the service."""

STEP = 1.25
"""A rise by this factor is reported as an event."""


class Throttle:
    """Finds the rate that the service accepts. `pace` schedules turns at that rate, at most `max_rate`.

    All times are in seconds of one steady clock. Every decision is returned as an event.
    """

    def __init__(self, max_rate: float = inf, limit: float | None = None, first: float = SLOW_START) -> None:
        """Start near the `limit` that an earlier run found, else at the rate `first` (all in starts per second).

        If `first` is above that of a slow start, the first refusal within its first second leads back to a slow start.
        """
        self._most = max_rate
        self._least = min(LEAST, max_rate)
        self._checked_at = inf if limit is None and first > SLOW_START else -inf
        """Until when a refusal leads back to a slow start; infinity before the first answer."""
        self._limit = limit
        self._is_found = limit is not None
        self.named = inf
        """The lowest limit that the service has named, in starts per second; infinity if it has named none."""
        self._climb = climb.AFTER_CUT
        self._trims = 0
        self._age = 0.0
        """Seconds of the climb in use. Time without traffic proves nothing and does not count."""
        self._fed = inf
        """When the last start was answered, or the climb began."""
        self._cut_at = -inf
        """When the rate was last cut or reset. Requests sent before say nothing about the new rate."""
        self._counted_at = -inf
        self._starts = self._strays = 0
        """Starts, and refusals that cut nothing, since `_counted_at`: since the last cut, or the end of its trial."""
        self._since = Recent(SUSTAINED)
        """The same with the time of holds, as far as it is recent."""
        self._delivered = Recent(LONG)
        self._droughts = Droughts()
        self._patience = STAY
        """Seconds at the limit until the rate probes, if no refusals are chance."""
        self._recent = Recent(1.0)
        self._refusals = Refusals()
        self._trial: Trial | None = None
        self._trials = Trials()
        self._tried_at = -inf
        """When a trial ended. The rate has risen since."""
        self._trouble = Trouble()
        self._is_stray = False
        """Whether the last refusal may be chance, and holds only its own row."""
        self.pace = Pace(self._within(first if limit is None else climb.AFTER_CUT.low * limit))
        self._reported = self.pace.rate

    @property
    def limit(self) -> float | None:
        """The limit found, in starts per second; None before any refusal, and while refusals are chance.

        It is never less than what the service has taken since. The next run can begin with it.
        """
        if self._limit is None or not self._is_found:
            return None
        return max(self._limit, self._since.rate(self._fed) if self._since.seconds(self._fed) >= SUSTAINED else 0.0)

    @property
    def chance(self) -> float:
        """The share of the attempts that are refused at any rate."""
        return self._refusals.share

    @property
    def is_capped(self) -> bool:
        """Whether `max_rate` is what limits the rate."""
        return self.pace.rate >= self._most

    @property
    def is_open(self) -> bool:
        """Whether no limit is known, neither one of the service nor `max_rate`: the rate only rises."""
        return self._limit is None and not self.is_capped

    def is_steady(self, sent_at: float) -> bool:
        """Return whether the rate is at the limit, or lowered for a trial, for what was sent at that time."""
        is_at_limit = self._limit is not None and self._climb.seconds <= self._age < self._stay
        return (is_at_limit or self._lowered is not None) and sent_at > max(self._cut_at, self._tried_at) + COOL_DOWN

    def release(self, now: float) -> None:
        """Learn that the number on the wire is limited and not the rate, which may then be higher."""
        if self._limit is not None:
            self._limit, self._is_found = max(self._limit, RELEASED * self._delivered.rate(now)), False

    def is_overloaded(self, now: float) -> bool:
        """Return whether the rate was cut within the last two seconds."""
        return now < self._cut_at + 2 * COOL_DOWN

    def cap(self, now: float, max_rate: float) -> None:
        """Set another maximum rate in starts per second. It applies at once."""
        self._most = max_rate
        self._least = min(LEAST, max_rate)
        self.pace.change(now, self._within(self.pace.rate))

    def started(self, now: float, sent_at: float = inf) -> Event | None:
        """Record a successful start. Return an event when the rate has risen by a step."""
        self._recent.went_well(now)
        self._delivered.went_well(now)
        self._since.went_well(now)
        self._refusals.accepted()
        self._starts += 1
        if self._checked_at == inf:
            self._checked_at = now + CHECK
        event = None if self._trial is None else self._tried(sent_at, now, is_refused=False)
        era = self._droughts.started(now)
        if era is not None:
            event = self._again(now, era) or event
        if event is not None:
            return event
        idle = now - self._fed
        self._fed = now
        pace = self.pace
        if pace.rate >= self._most or not pace.is_pressed(now):
            return None
        if self._limit is None:
            rate = pace.rate + gain(pace.rate)
        else:
            if idle > 0:
                age = self._age + min(idle, 1.0)
                trial = self._trial
                if trial is not None and trial.is_held:
                    age = max(self._age, min(age, self._climb.seconds if trial.limit else 0.0))
                self._age = age
            doubling = max(DOUBLING, CAREFUL / self._limit) if self.chance or self._patience > STAY else DOUBLING
            rate = self._limit * share(self._age, self._climb, self._stay, doubling)
            if self._trial is not None:
                rate = min(rate, self._trial.rate)
        pace.change(now, self._within(rate))
        return self._event(now, self._reported, "nothing refused") if pace.rate >= STEP * self._reported else None

    def refused(  # noqa: PLR0913 - everything that a refusal says
        self, now: float, sent_at: float, rate: float, cause: str, *, is_told: bool = False, named: float | None = None
    ) -> Event | None:
        """Record that the service was too busy for an attempt. Return an event if this cuts the rate.

        Call it only for refusals about the rate: 429, and 503 with `SlowDown`. `sent_at` and `rate` are the time and
        the pace's rate when the attempt was sent; `cause` is the service's error code. `is_told` means that the answer
        has a `Retry-After`: call `hold` as well. While the rate probes, such a refusal is not taken for random. `named`
        is the limit that the answer names. The lowest one is used once; after that, only what is refused and what is
        taken count, because the limit may be shared with others, or another one than this.
        """
        if sent_at <= self._cut_at:
            # It was sent before the last cut: the same overload, for which the rate is cut only once.
            return None
        if now < self._checked_at:
            return self._start_slowly(now, cause)
        self._recent.went_badly(now)
        self._refusals.refused()
        self._droughts.refused()
        if named is not None and named < self.named:
            self.named = named
            # A refusal below it is a refusal: the rate does not rise at once.
            return self.take(now, named, cause, min(1.0, min(rate, self.pace.rate) / max(self._least, named)))
        event = self._tried(sent_at, now, is_refused=True)
        # What was sent before a trial ended says nothing about the rate since.
        self._is_stray = sent_at <= self._tried_at or self._is_chance(is_told=is_told)
        is_seen = self.chance or self._age < self._climb.seconds
        changed_at = self._cut_at if is_seen else max(self._cut_at, self._tried_at)
        if self._is_stray or (now < changed_at + COOL_DOWN and not is_told):
            self._strays += 1
            self._trim()
            return event
        # A bucket, or the window of a second, may have held a few starts.
        taken = min(self._since.good / (self._since.seconds(now) + SAVED), self._delivered.rate(now))
        strength = self._refusals.strength(self.pace.rate)
        cut = Cut(now, self.pace.rate, self._limit, taken, self._recent, self.chance, strength, self._refusals.since)
        self._trial = self._trials.begin(cut)
        limit = max(self._least, self._estimated(now, min(rate, self.pace.rate)) * (HINTED if is_told else 1.0))
        if self._limit is not None and self.is_capped and not self._refusals.is_most:
            # At a lower rate by command, few refusals say nothing about a limit far above it.
            limit = max(limit, self._limit)
        curve = self._climb_after(rate)
        self._limit, self._is_found = limit, True
        self._count_anew(now)
        if self._trial or self._refusals.is_most:
            self._refusals.forget()
        return self._begin(now, curve, cause)

    def _trim(self) -> None:
        """Lower a limit at which something is refused now and then: it was found a little too high."""
        steady = self._age - self._climb.seconds
        is_at_limit = steady >= 0 and not (self._is_probing or self._trial or self.is_capped)
        if self._limit is not None and is_at_limit and not self.chance and self._trims <= min(steady, MOST_TRIMS - 1):
            self._trims += 1
            self._limit *= 1 - TRIM

    def take(self, now: float, limit: float, cause: str, part: float = 1.0) -> Event | None:
        """Climb to a limit that others know, in starts per second, from below `part` of it."""
        self._trial, self._limit, self._is_found = None, max(self._least, limit), True
        self._count_anew(now)
        return self._begin(now, climb.AFTER_CUT._replace(low=climb.AFTER_CUT.low * part), cause)

    def failed(self, now: float, cause: str) -> Event | None:
        """Record a failed attempt that says nothing about the rate. Many failures ease the rate."""
        self._recent.roll(now)
        if not self._trouble.failed(now, self._recent.good):
            return None
        self._limit = self._limit or self.pace.rate
        return self._begin(now, climb.AFTER_CUT._replace(low=eased(self.pace.rate, self._limit)), cause)

    def hold(self, now: float, seconds: float, cause: str) -> Event | None:
        """Send nothing for `seconds`, as a refusal's `Retry-After` requests; at most one minute.

        Where refusals come at any rate, or may do so, only the refused row waits.
        """
        if self._is_stray:
            return None
        seconds = min(seconds, LONGEST_HOLD)
        longer = self.pace.hold(now, now + seconds)
        # No start is accepted meanwhile, which says nothing about the limit.
        self._cut_at += longer
        self._counted_at += longer
        return Event(now, Kind.HELD, 0.0, seconds, cause) if longer else None

    def restart(self, now: float, cause: str) -> Event | None:
        """Climb back to the former rate from near zero, after an outage."""
        self._limit, self._trial = self._limit or self.pace.rate, None
        self._count_anew(now)
        return self._begin(now, climb.AFTER_OUTAGE, cause)

    def _start_slowly(self, now: float, cause: str) -> Event | None:
        """Begin anew with a slow start: the service does not take the rate that was tried."""
        self._checked_at = -inf
        self._count_anew(now)
        before = self.pace.rate
        self.pace.change(now, self._within(SLOW_START))
        return self._event(now, before, cause)

    def _is_chance(self, *, is_told: bool) -> bool:
        """Return whether the latest refusals may be random."""
        bad, good = self._recent.bad, self._recent.good
        trial = self._lowered
        if trial is not None:
            return not trial.is_most
        is_excess = self._refusals.is_excess(self.pace.rate)
        if self._limit is None or self.chance > FLOOR:
            return not is_excess or (self._limit is None and self._refusals.is_open)
        if self._is_probing:
            usual = 0.0 if is_excess else self._strays / (self._strays + self._starts + 1)
            return not is_told and is_usual(bad, bad + good, usual)
        # During a climb a single refusal is more often random than caused by the limit.
        return is_few(bad - (self._age < self._climb.seconds), bad + good)

    @property
    def _is_probing(self) -> bool:
        """Whether the rate is above the limit, to see if it has risen."""
        return self._limit is not None and self._age >= self._stay

    @property
    def _stay(self) -> float:
        """Seconds until the rate probes. Where refusals are chance, a probe costs several."""
        return max(self._patience, COSTLY / self._limit) if self.chance and self._limit else self._patience

    @property
    def _lowered(self) -> Trial | None:
        """The trial for which the rate is lowered."""
        trial = self._trial
        return trial if trial is not None and self.pace.rate <= trial.rate else None

    def _tried(self, sent_at: float, now: float, *, is_refused: bool) -> Event | None:
        """Count an answer for the trial. Withdraw the cut if it has changed nothing."""
        trial = self._lowered
        if trial is None or not trial.counts(sent_at, now):
            return None
        is_chance = trial.count(now, is_refused=is_refused)
        if is_chance is not None or trial.is_over(now):
            # What was taken during a trial says nothing about the limit.
            self._trial, self._tried_at = None, now
            self._counted_at, self._starts, self._strays = now, 0, 0
            self._refusals.learn_low(trial.share, trial.answers)
            is_chance = is_chance or trial.is_explained(self.chance)
        if not is_chance:
            if self._trial is None:
                self._trials.ended(now, trial)
            return None
        self._refusals.believe(trial.share, trial.answers)
        self._trials.succeeded()
        # The limit was none: go back to it, and look for one above it at once.
        self._limit, self._is_found = trial.limit, False
        self._climb, self._age, self._fed = climb.AFTER_CUT, self._stay, now
        before = self.pace.rate
        self.pace.change(now, self._within(trial.limit or trial.before))
        return self._event(now, before, AT_ANY_RATE)

    def _again(self, now: float, era: Era) -> Event | None:
        """Go on after a drought, at what was taken on average."""
        self._limit, self._is_found, self._trial = max(self._limit or 0.0, era.rate), True, None
        self._patience = max(STAY, min(MOST_PATIENCE, PATIENCE * era.seconds))
        self._count_anew(now)
        return self._begin(now, climb.AFTER_CUT, AGAIN)

    def _climb_after(self, rate: float) -> Climb:
        """Return the climb that follows a refusal at `rate`."""
        if self._limit is None:
            return climb.AFTER_CUT if self._trial else climb.AFTER_START
        return climb.AFTER_PROBE if self._is_probing and rate <= MOVED * self._limit else climb.AFTER_CUT

    def _estimated(self, now: float, rate: float) -> float:
        """Return the limit that a refusal at `rate` shows."""
        chance, is_late, limit = self.chance, self._is_probing, self._limit or rate
        if self._cut_at == -inf:
            return EXCEEDED * rate if self._limit is None and self._refusals.is_most else rate
        bad, good = self._recent.bad, self._recent.good
        # Early counts are small: the refused attempt's turn counts as taken, and a first refusal is not subtracted.
        taken = (self._starts + (not is_late)) / (now - self._counted_at)
        lately = self._recent.rate(now)
        share = (bad - is_late) / (bad + good)
        if chance:
            seen = Seen(rate, (lately if is_late else taken) / (1 - chance), self._refusals.excursion - chance)
            return with_chance(seen, limit if is_late else None)
        if is_late and rate > MOVED * limit:
            taken, self._patience = lately, STAY
        return estimate(rate, taken, share)

    def _count_anew(self, now: float) -> None:
        self._cut_at = self._counted_at = now
        self._starts = self._strays = 0
        self._since.forget()
        self._recent.forget()

    def _begin(self, now: float, curve: Climb, cause: str) -> Event | None:
        """Start a climb to the limit."""
        self._climb, self._age, self._fed = curve, 0.0, now
        self._trims = 0
        before = self.pace.rate
        rate = (self._limit or before) * curve.low
        self.pace.change(now, self._within(min(rate, self._trial.rate) if self._trial else rate))
        return self._event(now, before, cause)

    def _event(self, now: float, before: float, cause: str) -> Event | None:
        self._reported = self.pace.rate
        return Event(now, Kind.RATE, before, self._reported, cause) if self._reported != before else None

    def _within(self, rate: float) -> float:
        return max(self._least, min(self._most, rate))
