"""The timeline of a job: its starts and their latencies in spans of equal length, to be drawn in a chart. Pure.

There are at most MOST spans for any number of records. If there would be more, adjacent spans are merged. Long periods
without a record are cut out, so that runs on different days are still shown in detail.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from batcher.rules.report.histogram import Histogram

MOST = 120
"""Maximum number of spans."""

PAUSE = 600.0
"""Longer periods without a record, in seconds, are cut out: no run was active."""


@dataclass(slots=True)
class Span:
    """The starts within a span of time. `at` is the POSIX time in seconds of its first record."""

    at: float
    starts: int = 0
    latencies: Histogram = field(default_factory=Histogram)
    after_pause: bool = False
    """Whether time was cut out before it, or within it."""

    def take_in(self, later: Span) -> None:
        """Add the starts of a later span."""
        self.starts += later.starts
        self.latencies.merge(later.latencies)
        self.after_pause = self.after_pause or later.after_pause


class Timeline:
    """Spans of `seconds` each, by their number from the first record on. Spans without records have no entry."""

    def __init__(self) -> None:
        self.seconds = 1.0
        self.spans: dict[int, Span] = {}
        self._last: float | None = None
        self._worked = 0.0
        """Seconds from the first record to the last, without the periods that were cut out."""

    def note(self, at: float) -> Span:
        """Return the span for a record of this POSIX time. Records must come in the order of writing."""
        step = 0.0 if self._last is None else at - self._last
        self._last = at
        # If the clock was set back, no time has passed.
        is_cut = abs(step) > PAUSE
        self._worked += 0.0 if is_cut else max(0.0, step)
        if is_cut:
            # Begin a new span after a pause.
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
        """Duration of the last span up to the last record, but at least half of a span's length."""
        return max(1.0, self.seconds / 2, self._worked - max(self.spans, default=0) * self.seconds)

    def filled(self) -> list[Span]:
        """Return all spans from the first to the last, including empty ones, each with its approximate begin."""
        filled: list[Span] = []
        for place in range(max(self.spans, default=-1) + 1):
            span = self.spans.get(place)
            filled.append(Span(filled[-1].at + self.seconds) if span is None else span)
        return filled
