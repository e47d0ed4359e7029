"""The events: every decision about the rate as a value, and as a sentence that a person can read.

An event's time is in seconds of whatever clock its maker was given; whoever writes it gives the wall clock's time.
"""

from __future__ import annotations

import enum
from datetime import datetime
from math import inf
from typing import NamedTuple

from batcher.rules.text import number

SAME = 1.3
"""Limits, and times held, that differ by less than this factor are the same to a person."""

RISEN = 1.5
"""A rate this many times above what was told last is worth a word."""

HOLD_SECONDS = 60.0
"""So often a hold is told that is no longer than the last one."""


class Kind(enum.Enum):
    """What was decided; the value is the sentence's beginning."""

    RATE = "rate {before} -> {after}/s"
    HELD = "nothing is sent for {after} s, as Retry-After asks"
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
    begin = event.kind.value.format(before=number(event.before), after=number(event.after))
    return f"{begin}: {event.cause}, {at:%H:%M:%S}"


class Told:
    """What a person has been told about a run, to tell what is news.

    A rate goes down and up about its limit every few seconds for as long as the run lasts: that is told once, and again
    when the limit has moved or the cause is another.
    """

    def __init__(self) -> None:
        self._levels: dict[str, float] = {}
        """By cause, the limit that was told with it."""
        self._level = inf
        self._hold = Event(-inf, Kind.HELD, 0.0, 0.0, "")

    def is_news(self, event: Event, limit: float | None) -> bool:
        """Tell whether to tell this event; `limit` is the one that is known by now, in starts a second."""
        if event.kind is Kind.HELD:
            return self._is_new_hold(event)
        if event.kind is not Kind.RATE:
            return True
        if event.after > event.before:
            is_news = limit is not None and event.after >= RISEN * self._level
            level = event.after
        else:
            level = event.after if limit is None else limit
            told = self._levels.get(event.cause, inf)
            is_news = not told / SAME < level < told * SAME
            self._levels[event.cause] = level if is_news else told
        if is_news:
            self._level = level
        return is_news

    def _is_new_hold(self, event: Event) -> bool:
        last = self._hold
        if event.at < last.at + max(last.after, HOLD_SECONDS) and event.after < SAME * last.after:
            return False
        self._hold = event
        return True
