"""The metrics of a run for Prometheus: in a file for the node exporter, and as text for the port of the run.

Names follow https://prometheus.io/docs/practices/naming/. The event loop counts attempts and reads the figures of the
run once per second. Threads serve them. A run in several processes sums their counts and figures.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from itertools import accumulate, count
from pathlib import Path
from typing import Protocol, TypeVar

from prometheus_client import CollectorRegistry, Gauge, disable_created_metrics, write_to_textfile
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.exposition import choose_encoder
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from batcher.errors import DiskError
from batcher.rules.progress.answered import BUCKETS, Answered
from batcher.rules.progress.figures import FIGURES, Figure, Figures, Metric
from batcher.rules.rate.bottleneck import Cause
from batcher.rules.text import printable

LOOK_SECONDS = 1.0
"""Seconds between two updates of the figures."""
FILE_LOOKS = 15
"""Number of updates between two writes of the file. The node exporter is scraped about as often."""

LAST_SUCCESS = "batcher_last_success_timestamp_seconds"

_JOB = ("workflow", "checkpoint")
"""The labels that identify a job in each of its series. The files of several jobs may be in one folder."""

# They would add a series to each counter, with the start time of the run. The library has only a global switch.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library does not annotate it


class Metrics:
    """The series of one run of a job, identified by `workflow` and `checkpoint`.

    `answered` has its attempts, and is read whenever the metrics are.
    """

    def __init__(self, workflow: str, checkpoint: str, answered: Answered) -> None:
        self.registry = CollectorRegistry()
        # A label is UTF-8, and the name of a file may be anything.
        self._job = (workflow, printable(checkpoint))
        self._attempts = _AttemptSeries(self._job, answered)
        self._figures = _FigureSeries(self._job)
        self.registry.register(self._attempts)
        self.registry.register(self._figures)
        self._success = self._gauge(
            "last_success_timestamp_seconds", "End of the last run of this job that left every row started."
        )

    def look(self, figures: Figures) -> None:
        """Set the figures of the run. They are served until the next call."""
        self._figures.latest = figures

    def count(self, answered: Answered) -> None:
        """Replace the counts of attempts by newer ones, of a run in other processes."""
        self._attempts.answered = answered

    def succeeded(self, at: float) -> None:
        """Record that every row was started by this time, in POSIX seconds."""
        self._success.labels(*self._job).set(at)

    def remember(self, path: Path) -> None:
        """Read the time of the last success from the job's earlier file. Only another success may change it."""
        # Ignore a file that is missing or was written by another program.
        with suppress(OSError, ValueError):
            for family in text_string_to_metric_families(path.read_text()):
                for sample in family.samples:
                    if (sample.name, tuple(map(sample.labels.get, _JOB))) == (LAST_SUCCESS, self._job):
                        self.succeeded(sample.value)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"batcher_{name}", text, (*_JOB, *labels), registry=self.registry)


class _AttemptSeries(Collector):
    """The series of the attempts: how many of each kind, and the histogram of their durations."""

    def __init__(self, job: tuple[str, str], answered: Answered) -> None:
        self.answered = answered
        self._job = job

    def collect(self) -> Iterator[Family]:
        """Yield the series. Called from the thread that serves them, while attempts are counted."""
        answered = self.answered
        kinds = CounterMetricFamily("batcher_attempts", "Attempts of this run.", labels=(*_JOB, "verdict", "code"))
        for kind, number in [*answered.kinds.items()]:
            kinds.add_metric((*self._job, *kind), number)
        yield kinds
        durations = HistogramMetricFamily("batcher_attempt_seconds", "Duration of attempts.", labels=_JOB)
        bounds = map(floatToGoString, BUCKETS)
        durations.add_metric(self._job, [*zip(bounds, accumulate(answered.buckets), strict=True)], answered.seconds)
        yield durations


class _FigureSeries(Collector):
    """The series of the latest figures, as defined in FIGURES. A figure that is not known has no series."""

    def __init__(self, job: tuple[str, str]) -> None:
        self.latest: Figures | None = None
        self._job = job

    def collect(self) -> Iterator[Family]:
        """Yield the series. Called from the thread that serves them."""
        latest = self.latest
        if latest is None:
            return
        rows = GaugeMetricFamily("batcher_rows", "Rows by status, earlier runs included.", labels=(*_JOB, "status"))
        for (name, figure), value in zip(FIGURES.items(), latest, strict=True):
            if figure.metric is Metric.CAUSES:
                yield self._causes(name, figure, latest.slowed)
                continue
            if figure.metric is None or not isinstance(value, int | float):
                continue
            if figure.metric is Metric.ROWS:
                rows.add_metric((*self._job, name), value)
                continue
            kind = GaugeMetricFamily if figure.metric is Metric.GAUGE else CounterMetricFamily
            family = kind("_".join(filter(None, ("batcher", name, figure.unit))), figure.meaning, labels=_JOB)
            family.add_metric(self._job, value)
            yield family
        yield rows

    def _causes(self, name: str, figure: Figure, slowed: Iterable[tuple[Cause, float]]) -> Family:
        """Return a counter with a series for each cause, also for those that have not slowed the run."""
        family = CounterMetricFamily(f"batcher_{name}_{figure.unit}", figure.meaning, labels=(*_JOB, "cause"))
        for cause, seconds in (dict.fromkeys(Cause, 0.0) | dict(slowed)).items():
            family.add_metric((*self._job, cause.value), seconds)
        return family


LookedT = TypeVar("LookedT")
SeenT_contra = TypeVar("SeenT_contra", contravariant=True)


class Kept(Protocol[SeenT_contra]):
    """Metrics that are kept up to date: those of a run, or of a watch."""

    registry: CollectorRegistry

    def look(self, figures: SeenT_contra, /) -> None:
        """Set the figures. They are served until the next call."""

    def remember(self, path: Path, /) -> None:
        """Read from an earlier file what is to be kept of it."""


def exposed(registry: CollectorRegistry, accepted: str) -> tuple[str, bytes]:
    """Return the media type and the text of the metrics, for a scraper that sends `accepted`. For any thread."""
    encode, media_type = choose_encoder(accepted)
    return media_type, encode(registry)


@asynccontextmanager
async def keeping(
    metrics: Kept[LookedT], look: Callable[[], LookedT], path: Path | None, warn: Callable[[str], None]
) -> AsyncIterator[None]:
    """Update the metrics during the block and at its end, and also the file at `path`, if any.

    `warn` is called once, with a sentence, if the file can no longer be written; the job continues. Raises DiskError if
    it cannot be written at the beginning.
    """
    file = None if path is None else _File(path, metrics.registry, warn)
    metrics.look(look())
    if file is not None:
        metrics.remember(file.path)
        await file.write_first()
    task = asyncio.create_task(_look_on(metrics, look, file), name="metrics")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        metrics.look(look())
        if file is not None:
            await file.write()


async def _look_on(metrics: Kept[LookedT], look: Callable[[], LookedT], file: _File | None) -> None:
    for number in count(1):
        await asyncio.sleep(LOOK_SECONDS)
        metrics.look(look())
        if file is not None and number % FILE_LOOKS == 0:
            await file.write()


class _File:
    """The text file. It is replaced atomically, so that readers never see an incomplete file."""

    def __init__(self, path: Path, registry: CollectorRegistry, warn: Callable[[str], None]) -> None:
        self.path = path
        self._registry = registry
        self._warn = warn
        self._has_failed = False

    async def write_first(self) -> None:
        try:
            await self._replace()
        except OSError as error:
            raise DiskError(
                f"{self.path}: the metrics cannot be written: {error.strerror}",
                "Give another file with --metrics-file.",
            ) from None

    async def write(self) -> None:
        try:
            await self._replace()
        except OSError as error:
            if not self._has_failed:
                self._has_failed = True
                self._warn(f"{self.path}: the metrics cannot be written: {error.strerror}")

    async def _replace(self) -> None:
        await asyncio.to_thread(write_to_textfile, str(self.path), self._registry)
