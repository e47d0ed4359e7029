"""A service that accepts nothing for a while and then starts again: it limits how many executions run at a time.

What it took on average since the last such time is then its rate. Pure counting with the time as an argument.
"""

from __future__ import annotations

from math import inf
from typing import NamedTuple

REFUSALS, SECONDS = 6, 2.0
"""Refusals in a row, and seconds without a start, that are a drought. Slower services are refused less often."""


class Era(NamedTuple):
    """The time from one drought to the end of the next."""

    rate: float
    """Starts per second on average."""
    seconds: float


class Droughts:
    """Notices the end of a drought."""

    __slots__ = ("_begin", "_dry", "_starts", "_then")

    def __init__(self) -> None:
        self._begin = self._then = inf
        self._starts = self._dry = 0

    def refused(self) -> None:
        """Count a refusal."""
        self._dry += 1

    def started(self, now: float) -> Era | None:
        """Count a start at `now`, in seconds of a steady clock. If it ends a drought, return the time before it."""
        dry, then = self._dry, self._then
        self._dry, self._then = 0, now
        self._starts += 1
        if dry < REFUSALS or now <= then + SECONDS:
            if then == inf:
                self._begin = now
            return None
        seconds = now - self._begin
        era = Era((self._starts - 1) / seconds, seconds)
        self._begin, self._starts = now, 1
        return era
