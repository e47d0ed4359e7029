"""Limits how many starts per second the service accepts. Pure arithmetic with the time as an argument."""

from __future__ import annotations


class TokenBucket:
    """Allows `rate` starts per second and `burst` at once. It is full at the beginning."""

    def __init__(self, rate: float, burst: int | None = None) -> None:
        """Make a full bucket. Without a `burst` it holds a tenth of a second's worth, but at least one start."""
        self._rate = rate
        self._given_burst = burst
        self._level = self._burst
        self._then: float | None = None

    @property
    def _burst(self) -> float:
        return max(1.0, self._rate / 10) if self._given_burst is None else float(self._given_burst)

    def take(self, now: float) -> bool:
        """Take one start at `now` (any clock, in seconds). Return False if there is none left."""
        self._fill(now)
        if self._level < 1:
            return False
        self._level -= 1
        return True

    def change(self, now: float, rate: float) -> None:
        """Change the rate from `now` on. Saved starts remain, up to what the bucket can now hold."""
        self._fill(now)
        self._rate = rate
        self._level = min(self._level, self._burst)

    def _fill(self, now: float) -> None:
        if self._then is not None:
            # A clock that is set back adds nothing.
            self._level = min(self._burst, self._level + max(0.0, now - self._then) * self._rate)
        self._then = now
