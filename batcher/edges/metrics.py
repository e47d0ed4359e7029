"""The metrics of a run for Prometheus: in a file for the node exporter, and on a port while the run lasts.

Names follow https://prometheus.io/docs/practices/naming/. The event loop counts attempts and takes the figures of
the run once a second; a thread answers requests for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from math import inf
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    start_http_server,
    write_to_textfile,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from batcher.errors import DiskError, UsageError
from batcher.model import Answer, Verdict
from batcher.rules.progress.figures import FIGURES, Figures, Metric
from batcher.rules.service.labels import label

LOOK_SECONDS = 1.0
"""Seconds between two looks at the figures."""
FILE_LOOKS = 15
"""The file is written once in so many looks: the node exporter is scraped about as often."""

LAST_SUCCESS = "batcher_last_success_timestamp_seconds"
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, inf)

_JOB = ("workflow", "checkpoint")
"""The labels that name a job in each of its series: the files of several jobs may be in one folder."""

# They would be a second series for each counter, with the time at which the run began. The library has one switch.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library does not annotate it


class Metrics:
    """The series of one run of a job, which `workflow` and `checkpoint` name."""

    def __init__(self, workflow: str, checkpoint: str) -> None:
        self.registry = CollectorRegistry()
        self._job = (workflow, checkpoint)
        self._attempts = self._counter("attempts", "Attempts of this run.", "verdict", "code")
        self._counters: dict[tuple[Verdict, str], Counter] = {}
        """One for each kind of attempt: the library takes as long to find it as to count."""
        self._latency = Histogram(
            "batcher_attempt_seconds",
            "How long attempts took.",
            _JOB,
            buckets=BUCKETS,
            registry=self.registry,
        ).labels(*self._job)
        self._figures = _FigureSeries(self._job)
        self.registry.register(self._figures)
        self._success = self._gauge("last_success_timestamp_seconds", "When a run of this job last started every row.")

    def attempted(self, verdict: Verdict, answer: Answer, latency: float) -> None:
        """Count an attempt that took `latency` seconds."""
        kind = (verdict, label(answer))
        counter = self._counters.get(kind)
        if counter is None:
            counter = self._counters[kind] = self._attempts.labels(*self._job, *kind)
        counter.inc()
        self._latency.observe(latency)

    def look(self, figures: Figures) -> None:
        """Take the figures of the run, which are served until the next look."""
        self._figures.latest = figures

    def succeeded(self, at: float) -> None:
        """Note that every row was started at this time, in POSIX seconds."""
        self._success.labels(*self._job).set(at)

    def remember(self, path: Path) -> None:
        """Read from the job's earlier file when it last succeeded: only a success may change that."""
        # A file that is missing, or that another program has written, says nothing.
        with suppress(OSError, ValueError):
            for family in text_string_to_metric_families(path.read_text()):
                for sample in family.samples:
                    if (sample.name, tuple(map(sample.labels.get, _JOB))) == (LAST_SUCCESS, self._job):
                        self.succeeded(sample.value)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"batcher_{name}", text, (*_JOB, *labels), registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"batcher_{name}", text, (*_JOB, *labels), registry=self.registry)


class _FigureSeries(Collector):
    """The series of the latest figures, as FIGURES has them. A figure that is not known has no series."""

    def __init__(self, job: tuple[str, str]) -> None:
        self.latest: Figures | None = None
        self._job = job

    def collect(self) -> Iterator[Family]:
        """Give them to a thread that asks."""
        latest = self.latest
        if latest is None:
            return
        rows = GaugeMetricFamily(
            "batcher_rows", "Rows by how they stand, earlier runs included.", labels=(*_JOB, "status")
        )
        for (name, figure), value in zip(FIGURES.items(), latest, strict=True):
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


@asynccontextmanager
async def keeping(
    metrics: Metrics, look: Callable[[], Figures], path: Path | None, warn: Callable[[str], None]
) -> AsyncIterator[None]:
    """Keep the metrics up to date while the block lasts, once more at its end, and so the file at `path`, if any.

    `warn` takes a sentence, once, when the file can no longer be written: the job does not end for that. Raises
    DiskError where it cannot be written at the beginning.
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


@asynccontextmanager
async def serving(metrics: Metrics, host: str, port: int) -> AsyncIterator[str]:
    """Serve the metrics over HTTP while the block lasts; gives the address. Port 0 is any that is free.

    Raises UsageError where the port cannot be had.
    """
    try:
        # In a thread: the library looks up the host's name, which may take long.
        server, thread = await asyncio.to_thread(start_http_server, port, host, metrics.registry)
    except OSError as error:
        raise UsageError(
            f"the metrics cannot be served on {host} port {port}: {error.strerror}", "Give another --metrics-port."
        ) from None
    try:
        yield f"http://{f'[{host}]' if ':' in host else host}:{server.server_port}/metrics"
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
        await asyncio.to_thread(thread.join)


async def _look_on(metrics: Metrics, look: Callable[[], Figures], file: _File | None) -> None:
    for number in count(1):
        await asyncio.sleep(LOOK_SECONDS)
        metrics.look(look())
        if file is not None and number % FILE_LOOKS == 0:
            await file.write()


class _File:
    """The text file. It is replaced as a whole, so that a part of it is never read."""

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
                f"the metrics {self.path} cannot be written: {error.strerror}", "Name another --metrics-file."
            ) from None

    async def write(self) -> None:
        try:
            await self._replace()
        except OSError as error:
            if not self._has_failed:
                self._has_failed = True
                self._warn(f"the metrics {self.path} cannot be written: {error.strerror}")

    async def _replace(self) -> None:
        await asyncio.to_thread(write_to_textfile, str(self.path), self._registry)
