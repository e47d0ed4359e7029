"""How the executions of a job ended: the part of a report about a job that was watched. Pure.

Its size does not depend on the number of executions. Times and durations are those that the service's list shows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from batcher.rules.ends.ending import End, in_order, words_of
from batcher.rules.ends.record import EndRecord
from batcher.rules.ends.summary import Cause
from batcher.rules.report.chart import Chart, Series, chart
from batcher.rules.report.curves import FEWEST, UNITS, time_label
from batcher.rules.report.facts import lasted
from batcher.rules.report.headline import of_executions
from batcher.rules.report.histogram import Histogram
from batcher.rules.report.prefixes import Folders
from batcher.rules.report.scale import Clock, logarithmic
from batcher.rules.service.clock import posix
from batcher.rules.text import printable

SPANS = 120
"""Maximum number of spans of the chart."""
SHARES = (0.5, 0.9, 0.99)
PREFIXES = 10
"""Number of prefixes that are listed."""
ENDS = 50
"""Number of different ends whose durations are kept. The service can return any word."""
CAUSES = 20
"""Number of causes that are listed."""


class Ended(NamedTuple):
    """Executions with one end. `end` is of `kind` in a bar: an end, or `other` for a word of the service."""

    kind: str
    name: str
    number: int
    share: float
    durations: Sequence[str]
    """Half, 90% and 99% of them took at most this long. Empty if the list does not show it."""


class EndsOfPrefix(NamedTuple):
    """A prefix, beginning with its bucket: how many of its executions have ended, and how many without success."""

    name: str
    ended: int
    failed: int
    share: float


class Ends(NamedTuple):
    """How the executions of a job ended."""

    headline: str
    kinds: list[Ended]
    running: int
    running_share: float
    charts: list[Chart]
    causes: Sequence[Cause]
    """Why executions failed, the most frequent cause first."""
    asked: int
    """How many of those that failed were asked for the cause."""
    failed: int
    prefixes: list[EndsOfPrefix]


class EndDigest:
    """The digest of end records, in any order."""

    def __init__(self) -> None:
        self.durations: dict[str, Histogram] = {}
        self.prefixes: Folders[Counter[bool]] = Folders(Counter, Counter.update)
        """For each prefix, how many executions have succeeded and how many have not."""
        self.seconds = 1.0
        """The length of a span."""
        self.spans: dict[int, tuple[Histogram, Counter[bool]]] = {}
        """The durations and the ends of each span, by its number since 1970."""

    def add(self, record: EndRecord) -> None:
        """Add an end."""
        has_succeeded = record.end == End.SUCCEEDED
        if record.duration_s is not None and (record.end in self.durations or len(self.durations) < ENDS):
            self.durations.setdefault(record.end, Histogram()).add(record.duration_s)
        at = posix(record.ended_at or "")
        if at is None:
            return
        durations, ends = self.spans.setdefault(int(at // self.seconds), (Histogram(), Counter()))
        ends[has_succeeded] += 1
        if record.duration_s is not None:
            durations.add(record.duration_s * 1000)
        if len(self.spans) > 1 and max(self.spans) - min(self.spans) >= SPANS:
            self._widen()

    def add_to_prefix(self, end: str, bucket: str, object_: str) -> None:
        """Count an execution for the prefix of its object."""
        self.prefixes.of(bucket, object_)[end == End.SUCCEEDED] += 1

    def _widen(self) -> None:
        while max(self.spans) - min(self.spans) >= SPANS:
            self.seconds *= 2
            spans, self.spans = self.spans, {}
            for place, (durations, ends) in sorted(spans.items()):
                wide = self.spans.setdefault(place // 2, (Histogram(), Counter()))
                wide[0].merge(durations)
                wide[1].update(ends)


def ends(counts: Mapping[str, int], running: int, causes: Sequence[Cause], digest: EndDigest) -> Ends | None:
    """Return how executions ended, given their numbers by end. None if there are none."""
    total = sum(counts.values()) + running
    if not total:
        return None
    ordered = in_order(counts)
    failed = {end: count for end, count in ordered.items() if end != End.SUCCEEDED}
    return Ends(
        headline=of_executions(
            [(words_of(printable(end)), count) for end, count in failed.items()], ordered.get(End.SUCCEEDED, 0), running
        ),
        kinds=[
            Ended(_kind(end), words_of(printable(end)), count, count / total, _durations(digest.durations.get(end)))
            for end, count in ordered.items()
        ],
        running=running,
        running_share=running / total,
        charts=_charts(digest),
        causes=[
            each._replace(state=printable(each.state), message=printable(each.message)) for each in causes[:CAUSES]
        ],
        asked=sum(cause.number for cause in causes),
        failed=sum(failed.values()),
        prefixes=_prefixes(digest),
    )


def _kind(end: str) -> str:
    return end if end in set(End) else "other"


def _durations(histogram: Histogram | None) -> list[str]:
    if histogram is None:
        return []
    return [lasted(seconds) for seconds in histogram.percentiles(*SHARES) if seconds is not None]


def _prefixes(digest: EndDigest) -> list[EndsOfPrefix]:
    found = [
        EndsOfPrefix(printable(name), each.total(), each[False], each[False] / each.total())
        for name, each in digest.prefixes.by_name.items()
    ]
    return sorted(found, key=lambda each: (-each.failed, -each.ended, each.name))[:PREFIXES]


def _charts(digest: EndDigest) -> list[Chart]:
    if not digest.spans:
        return []
    first, last = min(digest.spans), max(digest.spans)
    spans = [digest.spans.get(place, (Histogram(), Counter[bool]())) for place in range(first, last + 1)]
    if len(spans) < FEWEST:
        return []
    begins = [place * digest.seconds for place in range(first, last + 1)]
    clock = Clock(begins, begins[-1] + digest.seconds)
    most = max(ends.total() for _, ends in spans) / digest.seconds
    # Executions take minutes, so that a rate per second would be far below 1.
    unit = next((unit for unit in UNITS[1:] if most * unit.seconds >= 1), UNITS[-1])
    series = [Series("succeeded", [ends[True] / digest.seconds * unit.seconds for _, ends in spans])]
    if any(ends[False] for _, ends in spans):
        series.append(Series("not succeeded", [ends[False] / digest.seconds * unit.seconds for _, ends in spans]))
    found = [chart("Finished over time", f"executions per {unit.name}", series, clock)]
    shown = [durations.percentiles(*SHARES) for durations, _ in spans]
    values = [value for each in shown for value in each if value is not None]
    if values:
        lines = [Series(name, [each[index] for each in shown]) for index, name in enumerate(("p50", "p90", "p99"))]
        scale = logarithmic(min(values), max(values), time_label)
        found.append(chart("Duration of executions", "by their end, logarithmic", lines, clock, scale=scale))
    return found
