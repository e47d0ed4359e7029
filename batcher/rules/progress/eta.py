"""The estimate of when a run ends: the rows that are left over the rate that the run is held to. Pure arithmetic.

It is a range, since rates and limits move, and never negative. It is None while the rows or the rate are not known.
"""

from __future__ import annotations

from math import ceil, inf
from typing import NamedTuple

DRIFT = 0.1
"""The part of itself by which a rate usually moves within a run: a throttle climbs and is cut, latencies vary."""

UNITS = ((120.0, 1.0, "s"), (7200.0, 60.0, "m"), (172_800.0, 3600.0, "h"), (inf, 86_400.0, "d"))
"""The unit in which a duration is written, by the seconds below which it applies: its seconds, and its sign."""


class Range(NamedTuple):
    """The least and the most seconds that something takes."""

    least: float
    most: float


class Speed(NamedTuple):
    """How fast rows end: `ended` of them within the last `seconds`, under a rate that the run is held to.

    `held_to` is in rows a second, None where only the work itself limits the run.
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


def eta(left: float | None, speed: Speed) -> Range | None:
    """Give the seconds until `left` rows have ended."""
    if left is not None and left <= 0:
        return Range(0.0, 0.0)
    # One row in the window is too few to tell a rate.
    if left is None or speed.ended <= 1 or speed.seconds <= 0:
        return None
    now = speed.ended / speed.seconds
    drift = max(DRIFT, 1 / speed.ended)
    rates = (now, speed.held_to or now)
    return Range(left / (max(rates) * (1 + drift)), left / (min(rates) * (1 - drift)))


def in_words(left: Range) -> str:
    """Write a range like `12m to 14m`, or `3h` where both ends read alike."""
    least, most = _duration(left.least), _duration(left.most)
    return least if least == most else f"{least} to {most}"


def _duration(seconds: float) -> str:
    size, sign = next((size, sign) for end, size, sign in UNITS if seconds < end)
    return f"{ceil(seconds / size):,}{sign}"
