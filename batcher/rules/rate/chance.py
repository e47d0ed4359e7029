"""The share of attempts that is refused at any rate, and whether more is refused now. Pure arithmetic on answers.

The evidence is a cumulative sum, as of Page: https://doi.org/10.2307/2333009. `trial` finds out what is chance.
"""

from __future__ import annotations

import enum
from math import log, sqrt

FLOOR = 0.01
"""The share of refusals that counts as none."""

EXCESS, MORE = 0.03, 1.2
"""`Refusals` looks for a share that is greater than `MORE` times the known one by this."""

CALM = 1.5
"""The evidence that is needed is this times the logarithm of the rate: false alarms must be rare among many answers."""

NOISE, PROBE_NOISE = 0.03, 0.015
"""Refusals up to this share of the answers count as random and cut nothing; the second while the rate probes."""

USUAL = 2.0
"""A probe goes on while at most this factor of the usual share is refused, if that is no evidence either."""

MEMORY = 1000.0
"""The number of answers of which a share is the mean."""

MOST = 0.25
"""A larger share of refusals is never taken for chance."""

FAR, SOON, SEVERAL = 2.5, 2.0, 4
"""Standard deviations of a count above what a share explains. The evidence itself is held to fewer, because it begins
with a refusal that does not count, but it needs `SEVERAL` refusals: three in a row are often chance."""

ENOUGH = 40
"""Answers of which the share of refusals is clear enough."""

REFUTED = 5.0
"""Refusals that chance should have caused, if there were none: by chance once in 150 times."""

WEAK, CLEAR = 6.0, 9.0
"""The least evidence that is worth a trial, at a low rate and at any. Until a new limit is found exactly, some refusals
are to be expected."""

ALL, ALSO = 1.1, 0.005
"""The known share is at most this factor of the share among all latest answers, and this more: it may have fallen."""


class Strength(enum.Enum):
    """What the evidence shows, beside that more is refused than by chance."""

    FAINT = enum.auto()
    """A trial is only worth it if it takes a moment."""
    WEAK = enum.auto()
    CLEAR = enum.auto()
    """It is worth a trial."""
    MOST = enum.auto()
    """Too many are refused for chance."""


def exceeds(refusals: int, answers: int, share: float, far: float = FAR) -> bool:
    """Return whether more were refused than a share explains, by `far` standard deviations of the binomial."""
    return refusals > share * answers + far * sqrt(share * (1 - share) * answers)


def is_most(refusals: int, answers: int) -> bool:
    """Return whether too many are refused for chance: 3 of 3, 4 of 5, or in the long run more than `MOST`."""
    return exceeds(refusals, answers, MOST)


def is_few(refusals: int, answers: int) -> bool:
    """Return whether so few are refused that it may be chance, while none is known."""
    return refusals <= NOISE * answers


def is_usual(refusals: int, answers: int, usual: float) -> bool:
    """Return whether that may be chance while the rate probes. `usual` is the share that is refused at the limit."""
    return refusals <= max(PROBE_NOISE, USUAL * usual) * answers


class Mean:
    """The share of refusals among the last `MEMORY` answers."""

    __slots__ = ("answers", "share")

    def __init__(self) -> None:
        self.share = self.answers = 0.0

    def add(self, *, is_refused: bool) -> None:
        """Count an answer."""
        self.answers = answers = min(MEMORY, self.answers + 1)
        self.share += (is_refused - self.share) / answers

    def learn(self, share: float, answers: int) -> None:
        """Count a number of answers, of which a share were refusals."""
        self.answers = min(MEMORY, self.answers + answers)
        self.share += (share - self.share) * min(1.0, answers / self.answers)


class Refusals:
    """The share of refusals that is chance, and the evidence that more is refused now."""

    def __init__(self) -> None:
        self._all, self._low = Mean(), Mean()
        self._is_known = False
        self._score = 0.0
        self._since, self._bad_since = 0, 0
        """Answers, and refusals among them, since the evidence was last forgotten."""
        self._weigh()

    @property
    def share(self) -> float:
        """The share of the answers that are refusals at any rate; 0.0 until a trial has found it.

        It is the share among the answers at a lowered rate, because a limit raises the others.
        """
        return min(ALL * self._all.share + ALSO, self._low.share) if self._is_known else 0.0

    def learn_low(self, share: float, answers: int) -> None:
        """Learn what share of the answers to attempts at a lowered rate were refusals.

        If none were, and several should have been, nothing is chance after all.
        """
        if not share and self.share * answers > REFUTED:
            self._is_known = False
        self._low.learn(share, answers)

    def believe(self, share: float, answers: float) -> None:
        """Learn that refusals are chance, and at first their share among this number of answers."""
        if not self._is_known:
            self._is_known = True
            self._low.share, self._low.answers = share, answers
            self._all.share, self._all.answers = max(share, self._all.share), answers
        self.forget()

    def accepted(self) -> None:
        """Count a start."""
        latest = self._all
        # A mean that is 0 stays 0, and nearly every start finds it so.
        if latest.share or latest.answers < MEMORY:
            latest.add(is_refused=False)
        if self._score:
            self._since += 1
            self._score += self._good
            if self._score <= 0:
                self.forget()

    def refused(self) -> None:
        """Count a refusal."""
        self._all.add(is_refused=True)
        self._since += 1
        self._bad_since += 1
        self._score += self._bad

    def forget(self) -> None:
        """Forget the evidence, but not the share."""
        self._score = 0.0
        self._since = self._bad_since = 0
        self._weigh()

    @property
    def excursion(self) -> float:
        """The share of refusals among the answers that are the evidence."""
        return self._bad_since / max(1, self._since)

    @property
    def since(self) -> tuple[int, int]:
        """Refusals, and answers, that are the evidence, without the refusal that it begins with."""
        return max(0, self._bad_since - 1), max(1, self._since - 1)

    @property
    def is_most(self) -> bool:
        """Whether too many are refused for chance."""
        return self._bad_since >= SEVERAL and exceeds(*self.since, MOST, SOON)

    @property
    def is_open(self) -> bool:
        """Whether a few more answers will show if most is refused."""
        refusals, answers = self.since
        return refusals > MOST * answers and answers < ENOUGH and not self.is_most

    def is_excess(self, rate: float) -> bool:
        """Return whether more is refused than by chance."""
        return self._score >= CALM * log(1 + rate)

    def strength(self, rate: float) -> Strength:
        """Return what the evidence is good for, at this rate."""
        if self.is_most:
            return Strength.MOST
        if self._score >= max(CLEAR, CALM * log(1 + rate)):
            return Strength.CLEAR
        return Strength.WEAK if self._score >= WEAK else Strength.FAINT

    def _weigh(self) -> None:
        least = min(MOST, max(FLOOR, self.share))
        most = MORE * least + EXCESS
        self._bad, self._good = log(most / least), log((1 - most) / (1 - least))
