"""The estimate of when a run ends: rows that are left, over the rate that the run is held to. Pure arithmetic.

It is a range, since rates and limits move, and never negative. Where the rows or the rate are not known it is None.
"""

from __future__ import annotations

from math import ceil, inf
from typing import NamedTuple

DRIFT = 0.1
"""So much of itself a rate moves within a run, as a rule: a throttle climbs and is cut, latencies come and go."""

UNITS = ((120.0, 1.0, "s"), (7200.0, 60.0, "m"), (172_800.0, 3600.0, "h"), (inf, 86_400.0, "d"))
"""Up to which duration which unit has digits enough for an eye: its seconds, and its sign."""


class Range(NamedTuple):
    """The least and the most seconds that something takes."""

    least: float
    most: float


class Pace(NamedTuple):
    """How fast rows come to an end: so many within the last `seconds`, under a rate that the run is held to.

    `held_to` is in rows a second, None where nothing but the work itself holds the run.
    """

    ended: int
    seconds: float
    held_to: float | None


def rows_in_all(parsed: int, lines_parsed: int, lines: int | None, *, is_parsed: bool) -> float | None:
    """Give how many rows a manifest has: counted once it `is_parsed`, before that by its lines where they are known."""
    if is_parsed:
        return float(parsed)
    if lines is None or not lines_parsed:
        return None
    return max(float(parsed), parsed * lines / lines_parsed)


def part_done(ended: int, rows: float | None) -> float | None:
    """Give the part of the rows that has ended, from 0 to 1."""
    return min(1.0, ended / rows) if rows else None


def eta(left: float | None, pace: Pace) -> Range | None:
    """Give the seconds until `left` rows have ended."""
    if left is not None and left <= 0:
        return Range(0.0, 0.0)
    # One row within the window might as well have been none.
    if left is None or pace.ended <= 1 or pace.seconds <= 0:
        return None
    now = pace.ended / pace.seconds
    drift = max(DRIFT, 1 / pace.ended)
    rates = (now, pace.held_to or now)
    return Range(left / (max(rates) * (1 + drift)), left / (min(rates) * (1 - drift)))


def in_words(left: Range) -> str:
    """Write a range like `12m to 14m`, or `3h` where both ends read alike."""
    least, most = _duration(left.least), _duration(left.most)
    return least if least == most else f"{least} to {most}"


def _duration(seconds: float) -> str:
    size, sign = next((size, sign) for end, size, sign in UNITS if seconds < end)
    return f"{ceil(seconds / size):,}{sign}"
