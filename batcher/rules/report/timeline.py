"""The timeline of a job: its starts and their latencies in spans of time, as many as fit a chart. Pure.

Whatever the number of records, memory holds at most MOST spans: when there would be more, each takes in its neighbour.
Long times without a record are cut out, so that runs on different days still show what happened within them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from batcher.rules.report.histogram import Histogram

MOST = 120
"""The most spans."""

PAUSE = 600.0
"""Longer times without a record, in seconds, are cut out: nothing ran."""


@dataclass(slots=True)
class Span:
    """What happened within a span of time; `at` is the POSIX time in seconds of its first record."""

    at: float
    starts: int = 0
    latencies: Histogram = field(default_factory=Histogram)
    after_pause: bool = False
    """Whether time was cut out before it, or within it."""

    def take_in(self, later: Span) -> None:
        """Add what happened in a later span."""
        self.starts += later.starts
        self.latencies.merge(later.latencies)
        self.after_pause = self.after_pause or later.after_pause


class Timeline:
    """Spans of `seconds` each, by their places from the first record on; without an entry where nothing happened."""

    def __init__(self) -> None:
        self.seconds = 1.0
        self.spans: dict[int, Span] = {}
        self._last: float | None = None
        self._worked = 0.0
        """Seconds from the first record to the last, without what was cut out."""

    def note(self, at: float) -> Span:
        """Give the span of a record of this POSIX time. Records come in the order of their writing."""
        step = 0.0 if self._last is None else at - self._last
        self._last = at
        # A clock that was set back is no time that went by.
        is_cut = abs(step) > PAUSE
        self._worked += 0.0 if is_cut else max(0.0, step)
        if is_cut:
            # A pause begins a span of its own.
            self._worked = (int(self._worked / self.seconds) + 1) * self.seconds
        while self._worked / self.seconds >= MOST:
            self._widen()
        span = self.spans.setdefault(int(self._worked / self.seconds), Span(at))
        span.after_pause = span.after_pause or is_cut
        return span

    def _widen(self) -> None:
        """Make each span twice as long."""
        self.seconds *= 2
        spans, self.spans = self.spans, {}
        for place, span in sorted(spans.items()):
            wide = self.spans.setdefault(place // 2, span)
            if wide is not span:
                wide.take_in(span)

    @property
    def last_seconds(self) -> float:
        """So long the last span has lasted when the last record came, or half of it where that is more."""
        return max(1.0, self.seconds / 2, self._worked - max(self.spans, default=0) * self.seconds)

    def filled(self) -> list[Span]:
        """Give the spans from the first to the last, empty ones too, each with the time at which it began or so."""
        filled: list[Span] = []
        for place in range(max(self.spans, default=-1) + 1):
            span = self.spans.get(place)
            filled.append(Span(filled[-1].at + self.seconds) if span is None else span)
        return filled
