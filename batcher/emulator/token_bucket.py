"""The throttle: how many starts the service takes in a second. Pure arithmetic that takes the time."""

from __future__ import annotations


class TokenBucket:
    """Takes `rate` starts a second and `burst` at once; full at the beginning."""

    def __init__(self, rate: float, burst: int | None = None) -> None:
        """Make a full bucket. Without a `burst` it holds a tenth of a second's worth, at least one start."""
        self._rate = rate
        self._given_burst = burst
        self._level = self._burst
        self._then: float | None = None

    @property
    def _burst(self) -> float:
        return max(1.0, self._rate / 10) if self._given_burst is None else float(self._given_burst)

    def take(self, now: float) -> bool:
        """Take one start at `now` (any clock, in seconds). False: there is none left."""
        self._fill(now)
        if self._level < 1:
            return False
        self._level -= 1
        return True

    def change(self, now: float, rate: float) -> None:
        """Take starts at another rate from `now` on. What was saved up stays, as far as the bucket still holds it."""
        self._fill(now)
        self._rate = rate
        self._level = min(self._level, self._burst)

    def _fill(self, now: float) -> None:
        if self._then is not None:
            # A clock that was set back fills nothing.
            self._level = min(self._burst, self._level + max(0.0, now - self._then) * self._rate)
        self._then = now
