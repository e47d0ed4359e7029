"""The metrics of a run for Prometheus: in a file for the node exporter, and on a port while the run lasts.

Names follow https://prometheus.io/docs/practices/naming/. The event loop sets plain numbers a few times a minute and
counts attempts; whoever asks for them is answered by a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
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
from prometheus_client.parser import text_string_to_metric_families

from batcher.errors import DiskError, UsageError
from batcher.model import Answer, Status, Verdict
from batcher.rules.progress.view import View
from batcher.rules.service.labels import label

LOOK_SECONDS = 1.0
"""How often the gauges are set."""
FILE_LOOKS = 15
"""The file is written once in so many looks: the node exporter is asked about as often."""

LAST_SUCCESS = "batcher_last_success_timestamp_seconds"
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, inf)

_JOB = ("workflow", "checkpoint")
"""What names a job in each of its series: the files of several jobs may lie in one folder."""

# They would be a second series for each counter, with the time of the run's beginning. The library has one switch.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library does not annotate it


class Metrics:
    """The series of one run of a job, which `workflow` and `checkpoint` name."""

    def __init__(self, workflow: str, checkpoint: str) -> None:
        self.registry = CollectorRegistry()
        self._job = (workflow, checkpoint)
        self._attempts = self._counter("attempts", "Attempts of this run.", "verdict", "code")
        self._counters: dict[tuple[Verdict, str], Counter] = {}
        """One for each kind of attempt: the library takes as long to find it as to count."""
        self._retries = self._counter("retries", "Attempts of this run after a row's first.").labels(*self._job)
        self._latency = Histogram(
            "batcher_attempt_seconds",
            "How long attempts took.",
            _JOB,
            buckets=BUCKETS,
            registry=self.registry,
        ).labels(*self._job)
        self._rows = self._gauge("rows", "Rows of the manifest by how they stand, earlier runs included.", "status")
        self._in_flight = self._gauge("in_flight", "Attempts on the wire.")
        self._oldest = self._gauge("oldest_attempt_seconds", "How long the oldest attempt has been on the wire.")
        self._rate = self._gauge("starts_per_second", "Starts a second of the last seconds.")
        self._limit = self._gauge("limit_starts_per_second", "What the service was found to take, once that is known.")
        self._success = self._gauge("last_success_timestamp_seconds", "When a run of this job last started every row.")

    def attempted(self, verdict: Verdict, answer: Answer, latency: float, *, is_retry: bool) -> None:
        """Count an attempt that took `latency` seconds."""
        kind = (verdict, label(answer))
        counter = self._counters.get(kind)
        if counter is None:
            counter = self._counters[kind] = self._attempts.labels(*self._job, *kind)
        counter.inc()
        self._latency.observe(latency)
        if is_retry:
            self._retries.inc()

    def look(self, view: View) -> None:
        """Take over how the run stands."""
        rows = {
            Status.STARTED: view.started,
            Status.REJECTED: view.rejected,
            Status.INVALID: view.invalid,
            Status.DUPLICATE: view.duplicates,
            Status.IN_DOUBT: view.in_doubt,
        }
        for status, number in rows.items():
            self._rows.labels(*self._job, status.value).set(number)
        self._in_flight.labels(*self._job).set(view.in_flight)
        self._oldest.labels(*self._job).set(view.oldest or 0.0)
        self._rate.labels(*self._job).set(view.rate)
        if view.limit is not None:
            self._limit.labels(*self._job).set(view.limit)

    def succeeded(self, at: float) -> None:
        """Note that every row was started at this time, in POSIX seconds."""
        self._success.labels(*self._job).set(at)

    def remember(self, path: Path) -> None:
        """Take over from the job's former file when it last succeeded: only a success may change that."""
        # A file that is not there, or that somebody else has written, remembers nothing.
        with suppress(OSError, ValueError):
            for family in text_string_to_metric_families(path.read_text()):
                for sample in family.samples:
                    if (sample.name, tuple(map(sample.labels.get, _JOB))) == (LAST_SUCCESS, self._job):
                        self.succeeded(sample.value)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"batcher_{name}", text, (*_JOB, *labels), registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"batcher_{name}", text, (*_JOB, *labels), registry=self.registry)


@asynccontextmanager
async def keeping(
    metrics: Metrics, look: Callable[[], View], path: Path | None, warn: Callable[[str], None]
) -> AsyncIterator[None]:
    """Keep the metrics up to date while the block lasts, once more at its end, and so the file at `path`, if any.

    `warn` takes a sentence, once, where the file cannot be written any more: a job does not end for it. Raises
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
    """Answer whoever asks for the metrics while the block lasts; gives the address. Port 0 is any that is free.

    Raises UsageError where the port cannot be had.
    """
    try:
        # In a thread: the library looks up the host's name, which may take its time.
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


async def _look_on(metrics: Metrics, look: Callable[[], View], file: _File | None) -> None:
    for number in count(1):
        await asyncio.sleep(LOOK_SECONDS)
        metrics.look(look())
        if file is not None and number % FILE_LOOKS == 0:
            await file.write()


class _File:
    """The text file. It is replaced as a whole, so that nobody ever reads a part of it."""

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
