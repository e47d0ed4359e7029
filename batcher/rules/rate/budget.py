"""The retry budget: how many retries all workers together may make, so that retries do not feed an overload.

One retry per ten starts, as in https://sre.google/sre-book/handling-overload/ (the retry budget of a client).
"""

from __future__ import annotations

from math import inf

SHARE = 0.1
"""Retries that one start adds."""

TRICKLE = 5.0
"""Retries added per second: a small job must be able to retry, and a job that meets only refusals must go on."""

MOST = 100.0
"""The largest balance, and the balance at the beginning. The bound keeps old successes from paying for new retries."""


class RetryBudget:
    """Adds and spends retries. In any period it grants at most the balance, plus what starts and time add."""

    __slots__ = ("_level", "_then")

    def __init__(self) -> None:
        self._level = MOST
        self._then = inf

    def started(self, chance: float = 0.0) -> None:
        """Add the share of a retry that one start is worth. `chance` is the share of the attempts refused by chance."""
        self._level += SHARE + chance / (1 - chance)

    def take(self, now: float) -> bool:
        """Spend one retry at `now`, in seconds of a steady clock. Return whether there was one.

        On False, back off once more and ask again; the row is not lost.
        """
        self._level = min(MOST, self._level + TRICKLE * max(0.0, now - self._then))
        self._then = now
        if self._level < 1:
            return False
        self._level -= 1
        return True
