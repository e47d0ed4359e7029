"""Numbers, times and printable text, as people and records read and write them. Pure: the present is an argument."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta

from batcher.errors import UsageError

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)([smhd]?)", re.ASCII)
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)", re.ASCII)


def duration(text: str) -> float:
    """Read a duration such as `90`, `15m` or `1h30m` as seconds. Raises UsageError."""
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise UsageError("not a duration", "Give seconds, or a duration such as 90s, 15m or 1h30m.")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def time_of_day(text: str) -> time:
    """Read `HH:MM`. Raises UsageError."""
    match = _CLOCK.fullmatch(text)
    if match is None:
        raise UsageError("not a time of day", "Give hours and minutes, such as 06:30.")
    return time(int(match[1]), int(match[2]))


def seconds_until(then_at: time, now: datetime) -> float:
    """Give the seconds until it is next that time in the zone of `now`, which knows its changes of the clock."""
    then = now.replace(hour=then_at.hour, minute=then_at.minute, second=then_at.second, microsecond=0)
    if then <= now:
        then += timedelta(days=1)
    # By the calendar first, then by the clock: the day on which it is changed has not 24 hours.
    return then.timestamp() - now.timestamp()


def counted(number: int, noun: str) -> str:
    """Write a number of things: 1 row, 2,000 rows."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def printable(text: str) -> str:
    """Make a key fit for a terminal: what is not printable is written as an escape."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def number(value: float) -> str:
    """Write a rate or a time with as many digits as an eye can use."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"  # noqa: PLR2004 - two digits are enough
