"""How the list shows times: its form, and how far its clock is from that of the service's headers. Pure.

https://support.huaweicloud.com/en-us/api-obs/obs_04_0128.html shows a sample, and promises neither a form nor a zone.
"""

from __future__ import annotations

import re

from batcher.rules.doctor.points import Point, Result, Seen, compared, confirmed, differs, unseen
from batcher.rules.doubts.times import EARLY
from batcher.rules.service.clock import posix_of_header

_ISO = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?P<second>:\d\d(?:[.,](?P<fraction>\d+))?)?)?(?P<zone>Z|[+-][\d:]+)?"
)
_FRACTIONS = ((0, "second"), (3, "millisecond"), (6, "microsecond"), (9, "nanosecond"))
_NUMBERS = {10: "seconds since 1970", 13: "milliseconds since 1970", 16: "microseconds since 1970"}
"""What a number counts, by its digits: valid from 2001 to 2286."""
_QUARTER = 900.0
"""Seconds. The zones of the world differ from UTC by multiples of this."""
_FARTHEST = 14 * 3600.0
_NEAR = 60.0
"""Seconds by which a time may be off and still look like that of another zone."""


def time_form(text: str) -> tuple[str, bool]:
    """Describe the form of a time. Return whether it is one that can be read, to the second or finer."""
    if not text:
        return "no time", False
    iso = _ISO.fullmatch(text)
    if iso is not None:
        zone = {None: "without a zone", "Z": "in UTC (Z)"}.get(iso["zone"], f"with the zone {iso['zone']}")
        return f"ISO 8601, to the {_precision(text, iso)}, {zone}", iso["second"] is not None
    if text.isdecimal():
        return _NUMBERS.get(len(text), f"a number of {len(text)} digits"), False
    return ("like a Date header" if posix_of_header(text) is not None else "in a form that is not known"), False


def _precision(text: str, iso: re.Match[str]) -> str:
    if iso["second"] is None:
        return "minute" if ":" in text else "day"
    digits = len(iso["fraction"] or "")
    return next((name for most, name in _FRACTIONS if digits <= most), _FRACTIONS[-1][1])


def _form(seen: Seen) -> Result:
    if seen.listed is None:
        return unseen("the execution was not seen in the list")
    words, holds = time_form(seen.listed.started_at)
    return compared(words, holds=holds)


def _clock(seen: Seen) -> Result:
    if seen.listed is None or seen.listed.at is None:
        return unseen("no time that can be read was seen in the list")
    first, last = seen.sent.intent_at, seen.sent.doubt_at
    if not first or last is None:
        return unseen("the service does not report its own time")
    at = seen.listed.at
    off = at - last if at > last else min(0.0, at - first)
    if abs(off) <= EARLY:
        return confirmed("within 5 s of the service's clock")
    return differs(f"{_apart(off)} the service's clock{_zone(at - first)}")


def _apart(off: float) -> str:
    side = "ahead of" if off > 0 else "behind"
    if abs(off) < _NEAR:
        return f"{abs(off):,.0f} s {side}"
    hours, minutes = divmod(round(abs(off) / 60), 60)
    return f"{hours:,} h {minutes} min {side}" if hours else f"{minutes} min {side}"


def _zone(off: float) -> str:
    """Name the zone whose local time is off by as much, if there is one."""
    quarters = round(off / _QUARTER)
    zone = quarters * _QUARTER
    if not quarters or abs(off - zone) > _NEAR or abs(zone) > _FARTHEST:
        return ""
    hours, minutes = divmod(abs(int(zone)) // 60, 60)
    return f", as the local time of UTC{'+' if zone > 0 else '-'}{hours:02}:{minutes:02} is"


LIST_CLOCK = (
    Point("list-clock", "the list's clock is that of the service's headers, to within 5 s", _clock),
    Point("list-time-form", "a time in the list is ISO 8601, to the second or finer, and UTC if it has no zone", _form),
)
"""The points about the list's clock."""
