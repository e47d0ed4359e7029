"""The recent past, counted: how often something went well or badly within the last one to two spans of time.

Pure arithmetic that takes the time; a count costs a fraction of a microsecond.
"""

from __future__ import annotations


class Recent:
    """Counts of what went well and badly. They are read after `roll`, or after one more is counted."""

    __slots__ = ("_bad", "_end", "_good", "_old_bad", "_old_good", "_span")

    def __init__(self, span: float) -> None:
        """Forget what is older than two of these spans, in seconds."""
        self._span = span
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self._good = self._bad = self._old_good = self._old_bad = 0
        self._end = float("-inf")

    def roll(self, now: float) -> None:
        """Forget what is too old at `now`, in seconds of any steady clock."""
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
        """Count one that went well."""
        if now >= self._end:
            self.roll(now)
        self._good += 1

    def went_badly(self, now: float) -> None:
        """Count one that went badly."""
        if now >= self._end:
            self.roll(now)
        self._bad += 1

    @property
    def good(self) -> int:
        """How many went well."""
        return self._old_good + self._good

    @property
    def bad(self) -> int:
        """How many went badly."""
        return self._old_bad + self._bad
