"""The timeline of a job: its starts and their latencies in spans of equal length, to be drawn in a chart. Pure.

There are at most MOST spans for any number of records. If there would be more, adjacent spans are merged. Long periods
without a record are cut out, so that runs on different days are still shown in detail.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from batcher.rules.report.histogram import Histogram

MOST = 120
"""Maximum number of spans."""

PAUSE = 600.0
"""Longer periods without a record, in seconds, are cut out: no run was active."""

SPARSE, FEWEST = 2, 24
"""With fewer starts than this for each span, spans are shown merged, unless there are fewer than this."""


@dataclass(slots=True)
class Span:
    """The starts within a span of time. `at` is the POSIX time in seconds of its first record."""

    at: float
    starts: int = 0
    latencies: Histogram = field(default_factory=Histogram)
    after_pause: bool = False
    """Whether time was cut out before it, or within it."""
    limit: float | None = None
    """The limit of the service that was known last, in starts per second. None if none was known, or is kept."""

    def take_in(self, later: Span) -> None:
        """Add the starts of a later span."""
        self.starts += later.starts
        self.latencies.merge(later.latencies)
        self.after_pause = self.after_pause or later.after_pause
        self.limit = later.limit if later.limit is not None else self.limit

    def copy(self) -> Span:
        """Return a span that can change without this one."""
        return Span(self.at, self.starts, self.latencies.copy(), self.after_pause, self.limit)


class Shown(NamedTuple):
    """The spans of a timeline from the first to the last, `seconds` each, of which the last is shorter."""

    seconds: float
    spans: list[Span]
    last_seconds: float


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
        self.spans = _paired(self.spans)

    @property
    def worked(self) -> float:
        """Seconds from the first record to the last, without the periods that were cut out."""
        return self._worked

    def filled(self) -> list[Span]:
        """Return all spans from the first to the last, including empty ones, each with its approximate begin."""
        return _filled(self.spans, self.seconds)

    def shown(self) -> Shown:
        """Return the spans to show: in a slow job they are longer, so that a line shows more than single starts."""
        seconds, spans = self.seconds, self.spans
        starts = sum(span.starts for span in spans.values())
        while starts < SPARSE * _count(spans) and _count(spans) > FEWEST:
            seconds, spans = seconds * 2, _paired(spans)
        # The last span ends with the last record, but is at least half of a span's length.
        last = max(1.0, seconds / 2, self._worked - (_count(spans) - 1) * seconds)
        return Shown(seconds, _filled(spans, seconds), last)


def _count(spans: Mapping[int, Span]) -> int:
    return max(spans, default=-1) + 1


def _paired(spans: Mapping[int, Span]) -> dict[int, Span]:
    """Return spans twice as long. The given ones are left as they are."""
    paired: dict[int, Span] = {}
    for place, span in sorted(spans.items()):
        if place // 2 in paired:
            paired[place // 2].take_in(span)
        else:
            paired[place // 2] = span.copy()
    return paired


def _filled(spans: Mapping[int, Span], seconds: float) -> list[Span]:
    filled: list[Span] = []
    for place in range(_count(spans)):
        span = spans.get(place)
        filled.append(Span(filled[-1].at + seconds) if span is None else span)
    return filled
