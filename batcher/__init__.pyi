"""Start one cloud workflow execution for each row of a manifest: bulk starts that survive any interruption.

The command is `batcher`. In a program of one's own: `from batcher import run`, see `batcher.library.run`.
"""

# Made by tests/stub.py from the declarations in batcher/options: change those, and run it.

from collections.abc import Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import time
from os import PathLike
from typing import Literal, overload

from batcher.errors import (
    BusyError as BusyError,
    CredentialsError as CredentialsError,
    DiskError as DiskError,
    ExitCode as ExitCode,
    FailuresError as FailuresError,
    JobError as JobError,
    ManifestError as ManifestError,
    OtherJobError as OtherJobError,
    ServiceError as ServiceError,
    UsageError as UsageError,
)
from batcher.library import (
    Running as Running,
)
from batcher.model import (
    Json,
    Record as Record,
    Status as Status,
)
from batcher.options.verbs import (
    RunOptions as _RunOptions,
)
from batcher.rules.choices import (
    Format,
    Level,
    LogFormat,
    Mode,
    OnDoubt as OnDoubt,
    Place as Place,
)

__version__: str

class RunOptions(_RunOptions):
    """The options of `batcher run`, and the arguments of `batcher.run`. Times are in seconds."""

    def __init__(
        self,
        *,
        manifest: str | PathLike[str],
        workflow: str,
        endpoint: str | None = None,
        region: str | None = None,
        allow_http: bool = False,
        timeout: float | str = 30.0,
        verify_tls: bool = True,
        credentials: Place | Literal["env", "file", "ecs"] | None = None,
        bucket: str | None = None,
        storage_classes: Iterable[str] | None = None,
        keep_placeholders: bool = False,
        allow_duplicates: bool = False,
        preflight: bool = True,
        checkpoint: str | PathLike[str] | None = None,
        inputs: Mapping[str, Json] | None = None,
        format: Format | Literal["csv", "tsv", "jsonl", "txt", "inventory", "obsutil", "parquet"] | None = None,
        concurrency: int = 64,
        max_rate: float | None = None,
        max_failures: int | str | None = None,
        max_outage: float | str = 900.0,
        max_duration: float | str | None = None,
        stop_at: str | time | None = None,
        limit: int | None = None,
        max_attempts: int = 6,
        on_doubt: OnDoubt | Literal["reconcile", "hold", "resend"] = "reconcile",
        trust_503: bool = False,
        retry_rejected: bool = False,
        settle_time: float | str = 30.0,
        output: str | PathLike[str] | None = None,
        report: str | PathLike[str] | None = None,
        progress: Mode | Literal["auto", "bar", "line", "json", "none"] = "auto",
        log_file: str | PathLike[str] | None = None,
        log_format: LogFormat | Literal["text", "json"] = "text",
        log_level: Level | Literal["debug", "info", "warning", "error"] = "info",
        metrics_file: str | PathLike[str] | None = None,
        metrics_port: int | None = None,
        metrics_host: str = "127.0.0.1",
    ) -> None:
        """Take the arguments of `run`, and check them. Raises UsageError, which names the argument."""

@overload
def run(
    manifest: RunOptions,
    *,
    environment: Mapping[str, str] | None = None,
) -> AbstractAsyncContextManager[Running]:
    """Run the job that the options describe: see the other form."""

@overload
def run(
    manifest: str | PathLike[str],
    *,
    workflow: str,
    endpoint: str | None = None,
    region: str | None = None,
    allow_http: bool = False,
    timeout: float | str = 30.0,
    verify_tls: bool = True,
    credentials: Place | Literal["env", "file", "ecs"] | None = None,
    bucket: str | None = None,
    storage_classes: Iterable[str] | None = None,
    keep_placeholders: bool = False,
    allow_duplicates: bool = False,
    preflight: bool = True,
    checkpoint: str | PathLike[str] | None = None,
    inputs: Mapping[str, Json] | None = None,
    format: Format | Literal["csv", "tsv", "jsonl", "txt", "inventory", "obsutil", "parquet"] | None = None,
    concurrency: int = 64,
    max_rate: float | None = None,
    max_failures: int | str | None = None,
    max_outage: float | str = 900.0,
    max_duration: float | str | None = None,
    stop_at: str | time | None = None,
    limit: int | None = None,
    max_attempts: int = 6,
    on_doubt: OnDoubt | Literal["reconcile", "hold", "resend"] = "reconcile",
    trust_503: bool = False,
    retry_rejected: bool = False,
    settle_time: float | str = 30.0,
    output: str | PathLike[str] | None = None,
    report: str | PathLike[str] | None = None,
    progress: Mode | Literal["auto", "bar", "line", "json", "none"] = "auto",
    log_file: str | PathLike[str] | None = None,
    log_format: LogFormat | Literal["text", "json"] = "text",
    log_level: Level | Literal["debug", "info", "warning", "error"] = "info",
    metrics_file: str | PathLike[str] | None = None,
    metrics_port: int | None = None,
    metrics_host: str = "127.0.0.1",
    environment: Mapping[str, str] | None = None,
) -> AbstractAsyncContextManager[Running]:
    """Run a job while the block lasts. Iterate over what it gives for the job's records.

    The arguments are the options of `batcher run`, with its defaults, or one RunOptions that has them; times are in
    seconds, or texts such as "15m". `environment` is where credentials and OBS_ENDPOINT are looked for instead of the
    process's own. Leaving the block before the records end drains the job: nothing new is sent, and what is on the wire
    is settled. What the command would say goes to the logger `batcher`, and no progress is shown unless `progress` asks
    for it; signals are the program's own.

    Raises JobError, here, while iterating or at the end of the block, where the job cannot begin or go on: UsageError,
    ManifestError, ServiceError, CredentialsError, DiskError, BusyError, OtherJobError or FailuresError.

    Arguments:
        manifest: List of objects; - reads standard input.
        workflow: Workflow to start.
        endpoint: Service endpoint, such as https://obs.cn-north-4.myhuaweicloud.com.
        region: Use the endpoint of this region, such as cn-north-4.
        allow_http: Allow an http:// endpoint that is not on this machine.
        timeout: Time limit for one request.
        verify_tls: If False, do not verify the service's certificate.
        credentials: Look for credentials in one place only: the environment, a file, or the agency of this ECS.
        bucket: Bucket for rows that name none.
        storage_classes: Start only objects of this storage class; for inventories.
        keep_placeholders: Include directory placeholders: keys that end in /.
        allow_duplicates: Start a row as often as the manifest repeats it.
        preflight: If False, skip checking inputs against the declared parameters.
        checkpoint: File that stores progress between runs.
        inputs: Input for every row, NAME=VALUE for text or NAME:=JSON for other types.
        format: Manifest format.
        concurrency: Workers, each with one connection.
        max_rate: Maximum starts per second.
        max_failures: Stop when more than N rows, or P% of the rows, are rejected.
        max_outage: Stop when the service has been unavailable for this long, such as 90s or 15m.
        max_duration: Stop gracefully after this time, such as 8h or 1h30m.
        stop_at: Stop gracefully at this time of day.
        limit: Maximum rows to send in this run.
        max_attempts: Attempts for a row that the service refuses.
        on_doubt: Rows that may have been started: look them up in the execution list, hold them, or send them
            again.
        trust_503: Treat any HTTP 503 as a refusal that is safe to retry.
        retry_rejected: Retry rows that an earlier run found rejected, or invalid by the declared parameters.
        settle_time: How long an execution may be missing from the execution list.
        output: File for the records, JSON Lines or CSV by its suffix.
        report: Write an HTML page about the job at the end, as batcher report does.
        progress: Progress on stderr; auto shows a bar on a terminal, and a line every 10 s elsewhere.
        log_file: Append one line per event to this file.
        log_format: Log format: text for people, json for programs.
        log_level: Minimum level to log.
        metrics_file: Write Prometheus metrics to this file, every 15 s and at the end.
        metrics_port: Serve Prometheus metrics on this port; 0 takes any free one.
        metrics_host: Address to serve metrics on.
    """
