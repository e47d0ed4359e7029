"""The options of the main job, checked and typed: what the command line comes down to."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from batcher.edges.credentials import Place
from batcher.edges.manifest import Choice
from batcher.edges.progress import Mode
from batcher.model import Json
from batcher.rules.rate.stop import MaxFailures
from batcher.rules.records.event_log import Format, Level
from batcher.rules.rows.admission import Policy


class OnDoubt(StrEnum):
    """What is done about rows in doubt."""

    RECONCILE = "reconcile"
    HOLD = "hold"
    RESEND = "resend"


class LogOptions(NamedTuple):
    """Which events go to which file."""

    file: Path
    format: Format
    level: Level


class MetricsOptions(NamedTuple):
    """Where the metrics are: in a file, on a port, or in both."""

    file: Path | None
    host: str
    port: int | None


class Options(NamedTuple):
    """What `batcher run` was asked for. `manifest` is None for standard input; times are in seconds."""

    manifest: Path | None
    workflow: str
    endpoint: str
    bucket: str | None
    inputs: Mapping[str, Json]
    output: Path
    checkpoint: Path
    format: str | None
    choice: Choice
    concurrency: int
    max_rate: float | None
    max_attempts: int
    max_failures: MaxFailures | None
    max_outage: float
    max_duration: float | None
    """Seconds, the nearer of --max-duration and --stop-at."""
    limit: int | None
    timeout: float
    on_doubt: OnDoubt
    settle_time: float
    retry_rejected: bool
    allow_duplicates: bool
    preflight: bool
    trust_503: bool
    allow_http: bool
    verify_tls: bool
    credentials: Place | None
    progress: Mode
    report: Path | None
    """The page that is written at the end."""
    log: LogOptions | None
    metrics: MetricsOptions | None

    @property
    def policy(self) -> Policy:
        """What is to be done with rows that are known."""
        return Policy(self.retry_rejected, self.allow_duplicates)
