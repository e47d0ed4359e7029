"""What a job knows about the rate of its service before its first start, and what it learns for the next one. Pure.

Both are hypotheses: a service may have changed since. The first answers decide, see `Throttle`.
"""

from __future__ import annotations

from typing import NamedTuple

from batcher.rules.rate.found import Look

SLOW_START = 10.0
"""Starts per second at the beginning of a job that knows nothing."""

NEAR = 0.9
"""The share of a proven rate to begin at."""

FEW_ROWS = 300
"""A job of at most this many rows begins at `FEW_ROWS_RATE`: a slow start would take most of its time."""

FEW_ROWS_RATE = 500.0
"""Starts per second. So few rows are bounded by the number of workers instead."""

PERIOD = 1.0
"""Seconds without a refusal that prove a rate."""


class Remembered(NamedTuple):
    """What earlier runs learned, in starts per second. None means that it is not known."""

    limit: float | None = None
    """The limit of the service."""
    proven: float | None = None
    """The highest rate that the service took without a refusal."""


UNKNOWN = Remembered()


def first_rate(proven: float | None, rows: int | None) -> float:
    """Return the rate to begin at, in starts per second, where no limit is known.

    `proven` is the rate that the service is known to take, `rows` how many rows there are at most, if that is known.
    """
    known = SLOW_START if proven is None else NEAR * proven
    return max(SLOW_START, known, FEW_ROWS_RATE if rows is not None and rows <= FEW_ROWS else 0.0)


def most_rows(lines: int | None, limit: int | None) -> int | None:
    """Return how many rows a run sends at most, None if that is not known."""
    return min((each for each in (lines, limit) if each is not None), default=None)


class Proof:
    """Finds the highest rate that the service took without a refusal. Look at the counts a few times per second."""

    __slots__ = ("_last", "rate")

    def __init__(self) -> None:
        self.rate: float | None = None
        """Starts per second; None until `PERIOD` seconds have passed without a refusal."""
        self._last: Look | None = None

    def look(self, look: Look) -> None:
        """Learn from a look at the run."""
        last = self._last
        if last is None or look.refused != last.refused:
            self._last = look
        elif look.at - last.at >= PERIOD:
            if look.started > last.started:
                self.rate = max((look.started - last.started) / (look.at - last.at), self.rate or 0.0)
            self._last = look
