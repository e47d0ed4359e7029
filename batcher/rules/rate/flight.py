"""How many attempts may be on the wire: not every worker if the service is slow, and no more than it takes at once.

By Little's law, https://doi.org/10.1287/opre.9.3.383: the number on the wire is the rate times the latency. Some
services limit that number and not the rate: they refuse when it is highest, at a steady rate. Pure arithmetic.
"""

from __future__ import annotations

from math import ceil, inf

SPARE = 1.5
"""Factor above Little's law: latencies vary, and a few attempts wait for their turn."""

FEWEST = 16
"""The lowest cap by rate and latency. Less would starve a fast service when the event loop is late."""

RISE = 1.095
FALL = 0.995
"""Steps of the estimate. One answer in 20 is above the 95th percentile, so 19 steps down balance one step up."""

STEP, STEP_SHARE = 0.2, 0.004
"""Steps up of the number on the wire: at least the first, and the second times the number. A step down is a 19th."""

SURE = 5
"""Refusals more above the 95th percentile of the number on the wire than below it: one in 20 is expected above."""

STAY, LONGEST_STAY = 2.0, 64.0
"""Seconds until a higher number is tried. They double each time that it is refused."""

WRONG = 0.8
"""If even this part of the number is refused, the number is not the cause."""


class Flight:
    """Estimates the 95th percentiles of the latency and of the number on the wire, and derives the cap."""

    __slots__ = ("_changed_at", "_found", "_score", "_stay", "_step", "_top", "_until", "most", "p95")

    def __init__(self) -> None:
        self.p95 = 0.0
        """Seconds; 0.0 until the first answer."""
        self.most = inf
        """How many the service takes at once; infinite until refusals show that it limits this."""
        self._top = 0.0
        """The 95th percentile of the number on the wire when a start was sent."""
        self._score = 0
        self._found = inf
        self._step, self._stay = 1, STAY
        self._until = self._changed_at = -inf

    def answered(self, latency: float) -> None:
        """Record the latency of one answer, in seconds."""
        if latency > self.p95:
            self.p95 = self.p95 * RISE or latency
        else:
            self.p95 *= FALL

    def started(self, flying: int, now: float) -> None:
        """Record a start. `flying` attempts were on the wire when it was sent. Try more from time to time."""
        top = self._top
        step = STEP_SHARE * top
        if step < STEP:  # noqa: PLR1730 - max() takes as long as all the rest
            step = STEP
        self._top = top + (step if flying > top else -step / 19)
        if flying >= self.most and now >= self._until:
            self.most += self._step
            self._step, self._until = 2 * self._step, now + self._stay

    def refused(self, flying: int, now: float, *, is_steady: bool) -> bool:
        """Record a refusal. Return whether the number on the wire explains it.

        `is_steady` means that the rate was not changing. While it rises, the number on the wire rises with it.
        """
        if self.most == inf:
            if is_steady and flying > FEWEST and now >= self._changed_at + self.p95:
                # Within the time of an answer the number is always much the same, so one refusal counts.
                self._score, self._changed_at = max(0, self._score + (1 if flying > self._top else -1)), now
            if self._score < SURE:
                return False
            self._find(now)
            return True
        if flying < self.most:
            return False
        if now >= self._changed_at + self.p95:
            self.most, self._changed_at = self.most - max(1, self._step // 2), now
            self._step, self._stay = 1, min(LONGEST_STAY, 2 * self._stay)
            self._until = now + self._stay
        if self.most < WRONG * self._found:
            self.most, self._score = inf, 0
        return self.most < inf

    @property
    def at_once(self) -> int | None:
        """How many the service takes at once, None if it was not found to limit this."""
        return int(self.most) if self.most < inf else None

    def is_full(self, flying: int, rate: float) -> bool:
        """Return whether `flying` attempts reach the `cap`, without computing it: this is asked for every row."""
        return flying >= self.most or (flying >= FEWEST and flying >= SPARE * rate * self.p95)

    def cap(self, rate: float) -> int:
        """Return how many attempts may be on the wire or wait for their turn, at `rate` attempts per second."""
        cap = SPARE * rate * self.p95
        return int(min(self.most, ceil(cap) if cap > FEWEST else FEWEST))

    def _find(self, now: float) -> None:
        self.most = self._found = float(max(1, ceil(self._top)))
        self._stay = STAY
        self._until = now + STAY
