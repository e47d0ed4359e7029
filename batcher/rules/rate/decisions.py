"""Decisions about the rate: each is a value and a readable sentence.

An event's time is in seconds of the clock that its creator uses. The caller converts it to wall-clock time for output.
"""

from __future__ import annotations

import enum
from datetime import datetime
from math import inf
from typing import NamedTuple

from batcher.rules.text import number

SAME = 1.3
"""Limits, and hold times, that differ by less than this factor count as the same."""

RISEN = 1.5
"""A rise is reported when the rate exceeds the last reported one by this factor."""

HOLD_SECONDS = 60.0
"""A hold that is not longer than the last one is reported at most once in this many seconds."""


class Kind(enum.Enum):
    """What was decided. The value is the beginning of the sentence."""

    RATE = "rate {before} -> {after}/s"
    HELD = "sending paused for {after} s, as requested by Retry-After"
    OUTAGE = "outage"
    RECOVERED = "outage ended after {before} s"


class Event(NamedTuple):
    """One decision: when it was made, its kind, the old and new value, and the reason."""

    at: float
    kind: Kind
    before: float
    after: float
    cause: str


def sentence(event: Event, at: datetime) -> str:
    """Format an event like `rate 340 -> 238/s: SlowDown, 12:03:07`.

    `at` is the event's time in the reader's time zone.
    """
    begin = event.kind.value.format(before=number(event.before), after=number(event.after))
    return f"{begin}: {event.cause}, {at:%H:%M:%S}"


class Told:
    """What has been reported about a run, to decide which events are news.

    Near its limit a rate falls and rises every few seconds for the whole run. That is reported once, and again when the
    limit has moved or the cause has changed.
    """

    def __init__(self) -> None:
        self._levels: dict[str, float] = {}
        """The limit last reported with each cause."""
        self._level = inf
        self._hold = Event(-inf, Kind.HELD, 0.0, 0.0, "")

    def is_news(self, event: Event, limit: float | None) -> bool:
        """Return whether to report this event. `limit` is the limit found so far, in starts per second."""
        if event.kind is Kind.HELD:
            return self._is_new_hold(event)
        if event.kind is not Kind.RATE:
            return True
        if event.after > event.before:
            is_news = limit is not None and event.after >= RISEN * self._level
            level = event.after
        else:
            level = event.after if limit is None else limit
            last = self._levels.get(event.cause, inf)
            is_news = not last / SAME < level < last * SAME
            self._levels[event.cause] = level if is_news else last
        if is_news:
            self._level = level
        return is_news

    def _is_new_hold(self, event: Event) -> bool:
        last = self._hold
        if event.at < last.at + max(last.after, HOLD_SECONDS) and event.after < SAME * last.after:
            return False
        self._hold = event
        return True
