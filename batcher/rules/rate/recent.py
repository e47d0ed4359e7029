"""Counts of successes and failures within the last one to two periods.

Pure arithmetic with the time as an argument. Counting takes a fraction of a microsecond.
"""

from __future__ import annotations


class Recent:
    """Recent successes (`good`) and failures (`bad`). Read them after `roll`, or after counting one more."""

    __slots__ = ("_bad", "_end", "_good", "_old_bad", "_old_good", "_span")

    def __init__(self, span: float) -> None:
        """Start at zero. `span` is the period in seconds; counts older than two periods are dropped."""
        self._span = span
        self.forget()

    def forget(self) -> None:
        """Reset the counts."""
        self._good = self._bad = self._old_good = self._old_bad = 0
        self._end = float("-inf")

    def roll(self, now: float) -> None:
        """Drop counts that are too old at `now`, in seconds of any steady clock."""
        if now < self._end:
            return
        if now < self._end + self._span:
            self._old_good, self._old_bad = self._good, self._bad
            self._end += self._span
        else:
            self._old_good = self._old_bad = 0
            self._end = now + self._span
        self._good = self._bad = 0

    def went_well(self, now: float) -> None:
        """Count one success."""
        if now >= self._end:
            self.roll(now)
        self._good += 1

    def went_badly(self, now: float) -> None:
        """Count one failure."""
        if now >= self._end:
            self.roll(now)
        self._bad += 1

    def seconds(self, now: float) -> float:
        """Return for how many seconds has been counted."""
        old = self._span if self._old_good or self._old_bad else 0.0
        return max(0.1 * self._span, old + self._span - (self._end - now))

    def rate(self, now: float) -> float:
        """Return the recent successes per second."""
        return self.good / self.seconds(now)

    @property
    def good(self) -> int:
        """The number of recent successes."""
        return self._old_good + self._good

    @property
    def bad(self) -> int:
        """The number of recent failures."""
        return self._old_bad + self._bad
