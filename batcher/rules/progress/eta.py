"""The estimated time left of a run: the rows that are left, divided by the rate. Pure arithmetic.

It is a range, because rates and limits change, and never negative. It is None if the rows or the rate are not known.
"""

from __future__ import annotations

from math import ceil, inf
from typing import NamedTuple

from batcher.rules.progress.extent import Length

DRIFT = 0.1
"""The fraction by which a rate usually changes during a run: a throttle rises and is cut, latencies vary."""

MOST_ESTIMATED = 0.999
"""The largest fraction of rows whose number is estimated: more of them may come."""

EPSILON = 1e-9
"""Less than this is a rounding error of the division."""


class Unit(NamedTuple):
    """A unit of durations: the seconds below which it is used, its length in seconds, and its symbol."""

    end: float
    size: float
    sign: str


UNITS = (Unit(120.0, 1.0, "s"), Unit(7200.0, 60.0, "m"), Unit(172_800.0, 3600.0, "h"), Unit(inf, 86_400.0, "d"))


class Range(NamedTuple):
    """The minimum and maximum duration of something, in seconds."""

    least: float
    most: float


class Speed(NamedTuple):
    """How fast rows end: `ended` rows in the last `seconds`, with `held_to` as the rate limit.

    `held_to` is in rows per second, None if the rate is not limited.
    """

    ended: int
    seconds: float
    held_to: float | None


def length(parsed: int, lines_parsed: int, lines: int | None, *, is_parsed: bool) -> Length | None:
    """Return the number of rows in a manifest: exact once it `is_parsed`, else estimated from its number of `lines`.

    `lines` and `lines_parsed` do not include a header.
    """
    if is_parsed:
        return Length(parsed, is_exact=True)
    if lines is None or lines_parsed <= 0:
        return None
    return Length(max(parsed, round(parsed * lines / lines_parsed)), is_exact=False)


def part_done(done: int, of: Length) -> float | None:
    """Return the fraction of the rows that are done, from 0 to 1. It is 1 only if the length is exact."""
    if not of.rows:
        return None
    return min(1.0 if of.is_exact else MOST_ESTIMATED, done / of.rows)


def eta(left: float | None, speed: Speed) -> Range | None:
    """Estimate the seconds until `left` rows have ended."""
    if left is not None and left <= 0:
        return Range(0.0, 0.0)
    # One row in the window is not enough for a rate.
    if left is None or speed.ended <= 1 or speed.seconds <= 0:
        return None
    now = speed.ended / speed.seconds
    drift = max(DRIFT, 1 / speed.ended)
    rates = (now, speed.held_to or now)
    return Range(left / (max(rates) * (1 + drift)), left / (min(rates) * (1 - drift)))


def in_words(left: Range) -> str:
    """Format a range like `12m to 14m`, or `3h` if both ends are formatted alike. Both have the same unit."""
    at = next(at for at, unit in enumerate(UNITS) if left.most < unit.end)
    if left.least < UNITS[at].size and at > 0:
        # The smaller end would have no digits left.
        at -= 1
    least, most = _duration(left.least, UNITS[at]), _duration(left.most, UNITS[at])
    return least if least == most else f"{least} to {most}"


def _duration(seconds: float, unit: Unit) -> str:
    """Format a duration, rounded up: to tenths of minutes, hours and days if there are less than ten, else to whole."""
    units = seconds / unit.size
    tenths = ceil(units * 10 - EPSILON)
    is_whole = unit.size == 1.0 or tenths % 10 == 0 or tenths >= 100  # noqa: PLR2004 - ten units
    return f"{ceil(units):,}{unit.sign}" if is_whole else f"{tenths / 10:.1f}{unit.sign}"
