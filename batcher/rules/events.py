"""The events: every decision about the rate as a value, and as a sentence that a person can read.

An event's time is in seconds of whatever clock its maker was given; whoever writes it gives the wall clock's time.
"""

from __future__ import annotations

import enum
from datetime import datetime
from typing import NamedTuple


class Kind(enum.Enum):
    """What was decided; the value is the sentence's beginning."""

    RATE = "rate {before} -> {after}/s"
    HELD = "nothing is sent for {after} s"
    OUTAGE = "outage"
    RECOVERED = "the outage is over after {before} s"


class Event(NamedTuple):
    """One decision: when, what, from which value to which, and why."""

    at: float
    kind: Kind
    before: float
    after: float
    cause: str


def sentence(event: Event, at: datetime) -> str:
    """Write an event like `rate 340 -> 238/s: SlowDown, 12:03:07`, with the time of `at` as it stands.

    The caller makes `at` of the event's time, in the zone of the person who reads it.
    """
    begin = event.kind.value.format(before=_number(event.before), after=_number(event.after))
    return f"{begin}: {event.cause}, {at:%H:%M:%S}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"  # noqa: PLR2004 - two digits are enough for an eye
