"""Parses and formats numbers, durations and printable text. Pure: the current time is an argument."""

from __future__ import annotations

import math
import re
from datetime import datetime, time, timedelta
from operator import mul

from batcher.errors import UsageError

_NUMBER = r"(\d+\.?\d*|\.\d+)"
_DURATION = re.compile("".join(f"(?:{_NUMBER}{unit})?" for unit in "dhms") + "|" + _NUMBER, re.ASCII)
_UNITS = (86400.0, 3600.0, 60.0, 1.0, 1.0)
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)", re.ASCII)


def duration(text: str) -> float:
    """Read seconds, such as `90`, or parts with units, the largest first, such as `1h30m`. Raises UsageError."""
    parts = _DURATION.fullmatch(text) if text else None
    seconds = sum(map(mul, map(float, parts.groups("0")), _UNITS)) if parts else math.inf
    if math.isinf(seconds):
        raise UsageError("not a duration", "Give seconds, or a duration such as 90s, 15m or 1h30m.")
    return seconds


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
    # Add the day by the calendar, then subtract by the clock: a day with a time change does not have 24 hours.
    return then.timestamp() - now.timestamp()


def counted(number: int, noun: str) -> str:
    """Format a count with its noun: 1 row, 2,000 rows."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def printable(text: str) -> str:
    """Make text safe for a terminal: characters that are not printable become escapes.

    So do the bytes of a file name that are not UTF-8, which Python carries as surrogate escapes.
    """
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(char: str) -> str:
    if char.isprintable():
        return char
    if "\udc80" <= char <= "\udcff":
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode()


def plain(value: float) -> str:
    """Format a number as a person writes it: with all of its digits, and never with an exponent."""
    return f"{value:.10f}".rstrip("0").rstrip(".")


def number(value: float) -> str:
    """Format a rate or a time with two significant digits, or as a whole number from 10 on. Never uses an exponent."""
    if 0 < value < 0.01:  # noqa: PLR2004 - less is below what anyone needs to see
        return "<0.01"
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"  # noqa: PLR2004 - two digits are enough


def unescaped(text: str) -> str:
    """Replace the character references of HTML and XML by their characters."""
    # Imported here, since few texts have any, and the names of all characters take a millisecond.
    from html import unescape  # noqa: PLC0415

    return unescape(text)
