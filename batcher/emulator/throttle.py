"""The throttle: how many starts the service takes in a second. Pure arithmetic that takes the time."""

from __future__ import annotations


class TokenBucket:
    """Takes `rate` starts a second and `burst` at once; full at the beginning."""

    def __init__(self, rate: float, burst: int | None = None) -> None:
        """Make a full bucket. Without a `burst` it holds a tenth of a second's worth, at least one start."""
        self._rate = rate
        self._burst = max(1.0, rate / 10) if burst is None else float(burst)
        self._level = self._burst
        self._then: float | None = None

    def take(self, now: float) -> bool:
        """Take one start at `now` (any clock, in seconds). False: there is none left."""
        if self._then is not None:
            # A clock that was set back fills nothing.
            self._level = min(self._burst, self._level + max(0.0, now - self._then) * self._rate)
        self._then = now
        if self._level < 1:
            return False
        self._level -= 1
        return True
