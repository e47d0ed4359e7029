"""The metrics of a watch for Prometheus: how the executions of a job stand, with the labels of the run's metrics."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from batcher.rules.ends.ending import End
from batcher.rules.ends.figures import WatchFigures
from batcher.rules.text import printable

_JOB = ("workflow", "checkpoint")
OURS = (
    "batcher_executions",
    "batcher_executions_finished_per_minute",
    "batcher_executions_unlisted",
    "batcher_redrives",
)
"""The names of the series, without the suffix of a counter."""


class Standing(NamedTuple):
    """What the series show: the figures of a watch, and how often executions of the job were restored."""

    figures: WatchFigures
    redrives: int


class EndMetrics(Collector):
    """The series of a watch. In a file, the series of the run that the file has are kept."""

    def __init__(self, workflow: str, checkpoint: str) -> None:
        self.registry = CollectorRegistry()
        self._job = (workflow, printable(checkpoint))
        self._standing: Standing | None = None
        self._others: list[Family] = []
        self.registry.register(self)

    def look(self, standing: Standing) -> None:
        """Set the figures. They are served until the next call."""
        self._standing = standing

    def remember(self, path: Path) -> None:
        """Keep the series that an earlier run of the job has left in the file."""
        with suppress(OSError, ValueError):
            found = text_string_to_metric_families(path.read_text())
            self._others = [family for family in found if family.name not in OURS]

    def collect(self) -> Iterator[Family]:
        """Yield the series. Called from the thread that serves them."""
        yield from self._others
        standing = self._standing
        if standing is None:
            return
        figures = standing.figures
        ends = GaugeMetricFamily(OURS[0], "Executions by how they ended, or running.", labels=(*_JOB, "end"))
        ends.add_metric((*self._job, "running"), figures.running)
        for end, count in (dict.fromkeys(map(str, End), 0) | dict(figures.ends)).items():
            ends.add_metric((*self._job, end), count)
        yield ends
        yield self._one(GaugeMetricFamily(OURS[1], "Executions that end in a minute.", labels=_JOB), figures.per_minute)
        meaning = "Running executions that the last complete list did not show."
        yield self._one(GaugeMetricFamily(OURS[2], meaning, labels=_JOB), figures.absent)
        meaning = "Restores of executions of the job."
        yield self._one(CounterMetricFamily(OURS[3], meaning, labels=_JOB), standing.redrives)

    def _one(self, family: GaugeMetricFamily | CounterMetricFamily, value: float) -> Family:
        family.add_metric(self._job, value)
        return family
