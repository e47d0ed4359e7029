"""The throttle: how fast to send. Pure arithmetic that takes the time and gives a wait; it never sleeps."""

from __future__ import annotations


class Throttle:
    """An even pace of at most `rate` attempts a second, without a burst at the start or after a pause."""

    def __init__(self, rate: float) -> None:
        self._interval = 1 / rate
        self._next = 0.0

    def reserve(self, now: float) -> float:
        """Take the next turn. Give how many seconds from `now` (any steady clock) it is away."""
        turn = max(now, self._next)
        self._next = turn + self._interval
        return turn - now
