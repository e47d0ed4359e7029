"""Trials: whether refusals have become fewer since a cut of the rate. If not, they come at any rate. Pure arithmetic.

A trial holds the rate below what the service took, and compares by a sequential test, as of Wald:
https://doi.org/10.1214/aoms/1177731118.
"""

from __future__ import annotations

from math import inf, log, sqrt
from typing import NamedTuple

from batcher.rules.rate.chance import FLOOR, Strength, exceeds, is_most
from batcher.rules.rate.recent import Recent

LOWERED, UNSAVED = 0.95, 0.5
"""A trial is made at this share of what the service took before the cut, and in the slow start, which may have used up
what the service had saved."""

LEAST_LOWERED = 2.5
"""The lowest rate of a trial in the slow start: nothing may have been accepted yet."""

PROBED = 1.02
"""Above this factor of the limit the rate is probing. Refusals are what the probe looks for, and need no trial."""

DELAY = 1.0
"""Seconds after the cut whose answers do not count: a limit counted per calendar second refuses until that ends."""

SHORTEST, LONGEST = 0.5, 4.0
"""Seconds that a trial lasts, until `DECISIVE` refusals are expected. Chance is not found sooner."""

LONGER = 3.0
"""Seconds more that a trial may take if refusals speak for chance."""

VERIFIED = 1.0
"""Seconds at least, where chance is known: its share is measured again."""

DECISIVE = 3.5
"""Refusals that are expected within a trial if they come at any rate."""

SETTLED, MOST_SETTLED, UNSETTLED = 8.0, 20.0, 200.0
"""Seconds without a trial after most was refused, or a probe, at least and at most, and starts: the limit is being
found, or may be falling."""

GAP, MOST_GAP = 2.0, 32.0
"""How many times its length passes until the next trial, at first and at most. Each doubles it: it costs starts."""

RARER = 4
"""The factor if little evidence led to the trial. If it is faint, half of the longest time must be enough."""

SURE = 3.0
"""The logarithm of the likelihood ratio that ends a trial: 20 to 1."""

LASTING, OPEN = 20.0, -1.0
"""Seconds for which the next trial goes on where one ended without a result, and the least result for which faint
evidence is enough."""

FEW = 3
"""Fewer refusals end no trial, even if they are all of its answers."""

FEWEST, MANY = 12, 40
"""Answers that a trial needs to find chance, and to find that the limit has fallen."""

NONE, SOME = 0.002, 0.02
"""Shares of refusals, above the known chance, which a trial tries to distinguish at least."""

HIGHEST = 0.15
"""A trial finds no larger share to be chance: a limit that has fallen to half refuses more at its rate."""

SIMILAR = 0.75
"""A trial looks for this part of the share before the cut."""

UNCHANGED = 0.6
"""Refusals have become fewer if their share is below this part of the share before the cut."""


class Cut(NamedTuple):
    """A cut of the rate, and what was known then."""

    at: float
    rate: float
    """The rate that was cut, in starts per second."""
    limit: float | None
    """The limit so far."""
    taken: float
    """Starts per second that the service took lately."""
    recent: Recent
    """The latest answers."""
    known: float
    """The share of refusals that is known to be chance."""
    strength: Strength = Strength.CLEAR
    """What the evidence for the cut shows."""
    since: tuple[int, int] = (0, 0)
    """Refusals, and answers, that are the evidence. They may be older than `recent`."""


def lowered(cut: Cut) -> float:
    """Return the rate of a trial."""
    return LOWERED * cut.taken if cut.limit else max(LEAST_LOWERED, UNSAVED * cut.taken)


def settled(taken: float) -> float:
    """Return the seconds until a trial may show something, where `taken` starts per second are accepted."""
    return min(max(SETTLED, UNSETTLED / max(taken, 1.0)), MOST_SETTLED)


def has_little_evidence(cut: Cut) -> bool:
    """Return whether a cut below a known limit has no clear evidence, and no chance is known that explains it."""
    return cut.limit is not None and not cut.known and cut.strength in {Strength.FAINT, Strength.WEAK}


class Trial:
    """One trial: counts the answers to attempts that were sent at the lowered rate."""

    def __init__(self, cut: Cut, limit: float | None, seconds: float, score: float = 0.0) -> None:
        """Begin when the rate was cut, for some seconds. `limit` is what the throttle believed before.

        `score` is what the last trial has left open.
        """
        self._is_known = cut.known > 0
        self.is_held = limit is None or has_little_evidence(cut)
        """Whether it may not end in a probe: there was little evidence."""
        known, bad, answers = cut.known, cut.recent.bad, cut.recent.bad + cut.recent.good
        self.rate, self.limit, self.before = lowered(cut), limit, cut.rate
        self._begins = cut.at + DELAY
        self._ends = self._begins + seconds
        if cut.since[1] > answers:
            bad, answers = cut.since
        # A cut comes when many happen to be refused. One standard deviation less is more likely.
        seen = max(0.0, bad - sqrt(bad)) / answers
        self._fewest = known + UNCHANGED * max(SOME, seen - known)
        self._most = min(HIGHEST, known + 2 * ((bad + sqrt(bad)) / answers - known) + 3 * FLOOR)
        least = min(HIGHEST, known + NONE)
        most = max(known + SOME, SIMILAR * seen)
        self._bad, self._good = log(most / least), log((1 - most) / (1 - least))
        self._evidence = cut.since
        self.score = score
        """The logarithm of the likelihood ratio: above zero, refusals are rather chance."""
        self.answers = self._refusals = self._first = 0

    @property
    def share(self) -> float:
        """The share of refusals since the cut."""
        return self._refusals / self.answers

    @property
    def is_most(self) -> bool:
        """Return whether the lowered rate is still too high: too many are refused for chance."""
        seen = (self._refusals, self.answers), self._later
        return any(refusals >= FEW and is_most(refusals, answers) for refusals, answers in seen)

    @property
    def _later(self) -> tuple[int, int]:
        """Refusals and answers after the first refusal. If the limit falls during a trial, that is when."""
        return self._refusals - 1, self.answers - self._first

    def is_explained(self, share: float) -> bool:
        """Return whether chance was known before, and the `share` that it is now explains what was refused."""
        return self._is_known and not exceeds(*self._evidence, share, far=1.0)

    def is_over(self, now: float) -> bool:
        """Return whether the trial has ended without a result."""
        return now >= self._ends + (LONGER if self.score > 0 and not self._is_known else 0.0)

    def counts(self, sent_at: float, now: float) -> bool:
        """Return whether an answer says something about the lowered rate."""
        return min(sent_at, now) >= self._begins

    def count(self, now: float, *, is_refused: bool) -> bool | None:
        """Count an answer. Return whether refusals are chance, None as long as that is open."""
        self.answers += 1
        if is_refused:
            self._first = self._first or self.answers
            self._refusals += 1
        self.score += self._bad if is_refused else self._good
        if self.score <= -SURE:
            return False
        if self.score < SURE or self.answers < FEWEST or now < self._begins + SHORTEST:
            return None
        if exceeds(self._refusals, self.answers, self._most, far=1.0):
            # Far more than before are refused: the limit has fallen.
            return False if self.answers >= MANY else None
        refusals, answers = self._later
        # Refusals in a row may also be a limit that has just fallen.
        return True if self.share >= self._fewest and refusals <= self._most * answers else None


class Trials:
    """Decides whether a cut is worth a trial."""

    def __init__(self) -> None:
        self._next = -inf
        self._gap = GAP
        self._former = GAP
        """The gap before the latest trial."""
        self._left, self._left_at = 0.0, -inf
        """The score that the latest trial has left open, and when."""

    def ended(self, now: float, trial: Trial) -> None:
        """Note that a trial has ended and found no chance. If it has found nothing, the next one may come at once."""
        if abs(trial.score) < SURE:
            self._gap, self._next = self._former, now
            self._left, self._left_at = trial.score, now

    def begin(self, cut: Cut) -> Trial | None:
        """Return a trial of this cut, if there is to be one."""
        now, bad, answers = cut.at, cut.recent.bad, cut.recent.bad + cut.recent.good
        is_probing = cut.rate > PROBED * (cut.limit or cut.rate)
        if is_probing or cut.strength is Strength.MOST or is_most(bad - 1, answers - 1):
            self._next = max(self._next, now + settled(cut.taken))
            if cut.limit is None or not cut.known:
                return None
        if not cut.known and (now < self._next or (cut.limit is not None and exceeds(bad, answers, HIGHEST, far=1.0))):
            return None
        seconds = DECISIVE / (max(FLOOR, cut.known, bad / answers) * max(1.0, lowered(cut)))
        is_weak, left = has_little_evidence(cut), self._left if now < self._left_at + LASTING else None
        is_faint = cut.strength is Strength.FAINT and (left is None or left < OPEN)
        if is_weak and is_faint and seconds > LONGEST / 2:
            return None
        seconds = min(LONGEST, max(VERIFIED if cut.known else 0.0, seconds))
        self._next = now + self._gap * (DELAY + seconds)
        self._former, self._gap = self._gap, min(MOST_GAP, (RARER if is_weak else 2) * self._gap)
        self._left_at = -inf
        return Trial(cut, cut.limit, seconds, left or 0.0)

    def succeeded(self) -> None:
        """Note that a trial has found chance: the next one may come soon."""
        self._gap = GAP
