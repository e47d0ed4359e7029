"""The retry budget: how many attempts beyond the first all workers together may make, lest retries feed an overload.

A tenth of the starts, as in https://sre.google/sre-book/handling-overload/ (the retry budget of a client).
"""

from __future__ import annotations

from math import inf

SHARE = 0.1
"""Retries that a start earns."""

TRICKLE = 5.0
"""Retries that a second earns: a small job must be able to retry too, and a job that is only refused to go on."""

MOST = 100.0
"""Retries that can be saved up, and that are there at the beginning: what was earned long ago is no recent success."""


class RetryBudget:
    """Earns and spends retries. Within any time it grants at most what is saved up, earned by starts, and trickled."""

    __slots__ = ("_level", "_then")

    def __init__(self) -> None:
        self._level = MOST
        self._then = inf

    def started(self) -> None:
        """Earn a part of a retry."""
        self._level += SHARE

    def take(self, now: float) -> bool:
        """Spend a retry at `now` (seconds of a steady clock) if there is one.

        False: back off once more and ask again; the row is not lost.
        """
        self._level = min(MOST, self._level + TRICKLE * max(0.0, now - self._then))
        self._then = now
        if self._level < 1:
            return False
        self._level -= 1
        return True
