"""The limit to report and to keep: one that refusals show, and never less than what the service sustained. Pure.

The throttle's limit is what it uses next. It may be a first guess, or come from refusals that are chance.
"""

from __future__ import annotations

from collections import deque
from math import inf, log, sqrt
from typing import NamedTuple

from batcher.rules.rate.chance import MOST

SUSTAINED = 10.0
"""Seconds for which the service must take a rate to sustain it."""

SHORT = 2.0
"""Seconds that show a limit that falls far."""

SPARSE = 0.15
"""Seconds between two looks that are kept."""

FEW = 0.02
"""A share of refusals that shows no limit, where none is known to be chance. Many services refuse 1 or 2 %."""

SURE = 7.0
"""The evidence that shows a limit: by chance, refusals are as frequent once in 1,000 times."""

LASTING, USED = 20.0, 0.85
"""Seconds after which a limit that the throttle still uses counts as found, if this part of it is taken. Chance is
found sooner. Of a limit that is far above what is sent, nothing is known."""

ABOVE = 1.05
"""The reported limit is at most this factor of what was sustained: of what is far above it, nothing is known."""

LESS, FAR_LESS = 0.95, 0.7
"""The limit has fallen if less than this part of what was sustained is taken, in `SUSTAINED` and `SHORT` seconds."""


class Look(NamedTuple):
    """What the service had answered at a time: the number of starts, and of refusals for the rate."""

    at: float
    started: int
    refused: int


class FoundLimit:
    """The limit that the evidence supports. Look at the run a few times a second; times are of one steady clock."""

    def __init__(self, kept: float | None = None) -> None:
        """Begin with the limit that an earlier run kept, in starts per second."""
        self.limit = kept
        """The limit to report, in starts per second; None if none was found."""
        self._kept = kept
        self._is_found = kept is not None
        self._is_beside_chance = False
        """Whether the limit was found when chance was already known, which can then not explain its refusals."""
        self._since: float | None = None
        """Since when the throttle has used a limit."""
        self._used_at = -inf
        """When it has used one last."""
        self._looks: deque[Look] = deque()
        self._sustained = 0.0
        """The most starts per second that were sustained since the limit last fell."""
        self._share = 0.0
        """The share of refusals meanwhile, at most."""

    def look(self, look: Look, limit: float | None, chance: float, *, is_named: bool = False) -> None:
        """Learn from a look, the `limit` that the throttle uses, and the share of refusals that it takes for chance.

        `is_named` is whether the service has named a limit itself.
        """
        if self._looks and look.at < self._looks[-1].at + SPARSE:
            return
        while len(self._looks) > 1 and self._looks[1].at <= look.at - SUSTAINED:
            self._looks.popleft()
        self._looks.append(look)
        self._use(look.at, limit)
        is_shown = self._is_shown(chance)
        if is_shown and self._has_fallen():
            self._looks = deque([look])
            self._sustained = self._share = 0.0
        if limit is not None and (is_shown or is_named or self._is_lasting(look.at, limit)):
            self._is_found, self._is_beside_chance = True, chance > 0
        self._sustain()
        if not self._is_found:
            self.limit = None
        elif limit is not None:
            self.limit = max(self._sustained, limit if is_named else self._bounded(limit))

    def _use(self, now: float, limit: float | None) -> None:
        """Learn which limit the throttle uses. If it uses none, because refusals are chance, none is found any more."""
        if limit is None:
            self._since = None
            self._is_found &= self._is_beside_chance and now < self._used_at + SUSTAINED
            return
        self._since = now if self._since is None else self._since
        self._used_at = now

    def _bounded(self, limit: float) -> float:
        """Return what the evidence supports of a limit that the throttle uses."""
        is_judged = self._sustained > 0 and limit != self._kept
        return min(limit, ABOVE * self._sustained) if is_judged else limit

    def _is_lasting(self, now: float, limit: float) -> bool:
        """Return whether the throttle has used a limit for long, and the service takes much of it."""
        seen = self._within(SUSTAINED)
        is_long = self._since is not None and now >= self._since + LASTING
        return is_long and seen.started >= USED * limit * seen.at

    def _sustain(self) -> None:
        seen = self._within(SUSTAINED)
        if seen.at < SUSTAINED:
            return
        rate = seen.started / seen.at
        self._sustained = max(self._sustained, rate)
        if seen.started and rate >= LESS * self._sustained:
            self._share = min(MOST, (seen.refused + 2 * sqrt(seen.refused)) / (seen.started + seen.refused))

    def _is_shown(self, chance: float) -> bool:
        """Return whether more is refused now than by chance, and than while the service sustained its rate."""
        least = max(FEW, chance, self._share)
        return any(_evidence(self._within(seconds), least) >= SURE for seconds in (SHORT, SUSTAINED))

    def _has_fallen(self) -> bool:
        """Return whether the service takes less than what it sustained."""
        short, long = self._within(SHORT), self._within(SUSTAINED)
        return short.started < FAR_LESS * self._sustained * short.at or (
            long.at >= SUSTAINED and long.started < LESS * self._sustained * long.at
        )

    def _within(self, seconds: float) -> Look:
        """Return what was answered in the last `seconds`, and how many seconds that are."""
        last = self._looks[-1]
        first = next(look for look in reversed(self._looks) if look.at <= last.at - seconds or look is self._looks[0])
        return Look(last.at - first.at, last.started - first.started, last.refused - first.refused)


def _evidence(seen: Look, share: float) -> float:
    """Return the evidence that more than this share is refused: the negative logarithm of a bound on the chance of it.

    The bound is Chernoff's for the binomial distribution: https://doi.org/10.1214/aoms/1177729330.
    """
    answers = seen.started + seen.refused
    refused = seen.refused / answers if answers else 0.0
    if refused <= share:
        return 0.0
    rest = (1 - refused) * log((1 - refused) / (1 - share)) if refused < 1 else 0.0
    return answers * (refused * log(refused / share) + rest)
