"""Start one cloud workflow execution for each row of a manifest, and resume after any interruption.

The command is `batcher`. In a program, use `from batcher import run`, or `run_sync` without asyncio.
"""

# Made by tests/stub.py from the declarations in batcher/options: change those, and run it.

from collections.abc import AsyncIterable, Coroutine, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from datetime import time
from os import PathLike
from typing import Literal, overload

from batcher.edges.manifest.given import (
    Given as _Given,
)
from batcher.errors import (
    BusyError as BusyError,
    CanaryError as CanaryError,
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
    RunningSync as RunningSync,
    ends as ends,
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
    Api as Api,
    Format,
    Level,
    LogFormat,
    Mode,
    OnDoubt as OnDoubt,
    Place as Place,
)
from batcher.rules.progress.figures import (
    Figures as Figures,
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
        api: Api | Literal["auto", "obs-v2", "dwr-v3"] = "auto",
        project_id: str | None = None,
        allow_http: bool = False,
        timeout: float | str = 30.0,
        verify_tls: bool = True,
        ca_bundle: str | PathLike[str] | None = None,
        credentials: Place | Literal["env", "file", "ecs"] | None = None,
        shard: str | None = None,
        run_dir: str | PathLike[str] | None = None,
        bucket: str | None = None,
        inputs: Mapping[str, Json] | None = None,
        storage_classes: Iterable[str] | None = None,
        keep_placeholders: bool = False,
        ignore_columns: Iterable[str] | None = None,
        allow_duplicates: bool = False,
        preflight: bool = True,
        checkpoint: str | PathLike[str] | None = None,
        format: Format | Literal["csv", "tsv", "json", "jsonl", "txt", "inventory", "obsutil", "parquet"] | None = None,
        take_over_after: float | str = 60.0,
        include: Iterable[str] | None = None,
        exclude: Iterable[str] | None = None,
        suffixes: Iterable[str] | None = None,
        min_size: int | str | None = None,
        max_size: int | str | None = None,
        newer: str | None = None,
        older: str | None = None,
        delimiter: str | None = None,
        relist: bool = False,
        bucket_endpoint: str | None = None,
        head: int = 0,
        ledger: str | PathLike[str] | None = None,
        again: bool = False,
        concurrency: int = 64,
        max_rate: float | None = None,
        remember_rate: bool = False,
        max_failures: int | str | None = None,
        max_outage: float | str = 900.0,
        max_duration: float | str | None = None,
        stop_at: str | time | None = None,
        limit: int | None = None,
        max_attempts: int = 6,
        on_doubt: OnDoubt | Literal["reconcile", "hold", "resend"] = "reconcile",
        trust_503: bool = False,
        retry_rejected: bool = False,
        predecessor_is_dead: bool = False,
        settle_time: float | str | None = None,
        canary: int | None = None,
        canary_success: float | str = 100.0,
        canary_passed: bool = False,
        max_running: int | None = None,
        output: str | PathLike[str] | None = None,
        spreadsheet: bool = False,
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
    manifest: str | PathLike[str] | Iterable[_Given] | AsyncIterable[_Given],
    *,
    workflow: str,
    endpoint: str | None = None,
    region: str | None = None,
    api: Api | Literal["auto", "obs-v2", "dwr-v3"] = "auto",
    project_id: str | None = None,
    allow_http: bool = False,
    timeout: float | str = 30.0,
    verify_tls: bool = True,
    ca_bundle: str | PathLike[str] | None = None,
    credentials: Place | Literal["env", "file", "ecs"] | None = None,
    shard: str | None = None,
    run_dir: str | PathLike[str] | None = None,
    bucket: str | None = None,
    inputs: Mapping[str, Json] | None = None,
    storage_classes: Iterable[str] | None = None,
    keep_placeholders: bool = False,
    ignore_columns: Iterable[str] | None = None,
    allow_duplicates: bool = False,
    preflight: bool = True,
    checkpoint: str | PathLike[str] | None = None,
    format: Format | Literal["csv", "tsv", "json", "jsonl", "txt", "inventory", "obsutil", "parquet"] | None = None,
    take_over_after: float | str = 60.0,
    include: Iterable[str] | None = None,
    exclude: Iterable[str] | None = None,
    suffixes: Iterable[str] | None = None,
    min_size: int | str | None = None,
    max_size: int | str | None = None,
    newer: str | None = None,
    older: str | None = None,
    delimiter: str | None = None,
    relist: bool = False,
    bucket_endpoint: str | None = None,
    head: int = 0,
    ledger: str | PathLike[str] | None = None,
    again: bool = False,
    concurrency: int = 64,
    max_rate: float | None = None,
    remember_rate: bool = False,
    max_failures: int | str | None = None,
    max_outage: float | str = 900.0,
    max_duration: float | str | None = None,
    stop_at: str | time | None = None,
    limit: int | None = None,
    max_attempts: int = 6,
    on_doubt: OnDoubt | Literal["reconcile", "hold", "resend"] = "reconcile",
    trust_503: bool = False,
    retry_rejected: bool = False,
    predecessor_is_dead: bool = False,
    settle_time: float | str | None = None,
    canary: int | None = None,
    canary_success: float | str = 100.0,
    canary_passed: bool = False,
    max_running: int | None = None,
    output: str | PathLike[str] | None = None,
    spreadsheet: bool = False,
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
    """Run a job inside an `async with` block. Iterate over the yielded object to get the job's records.

    `manifest` is a path, or the rows: an iterable or asynchronous iterable of keys, or of mappings with `object`, and
    optionally `bucket` and `inputs`. Rows need `checkpoint` and `output`, since they have no name to derive these from.
    The arguments are the options of `batcher run`, with the same defaults, or one RunOptions. Times are in seconds, or
    texts such as "15m". Credentials and OBS_ENDPOINT are read from `environment`, by default that of the process.
    A block that takes no records ends when the job does. Leaving the block while it takes records, or with an error,
    drains the job: it sends nothing new and settles the requests on the wire.
    The messages of the command go to the logger `batcher`. Progress is shown only if `progress` is given. Signals are
    left to the program.

    Raises JobError if the job cannot begin or continue, here, while iterating or at the end of the block: UsageError,
    ManifestError, ServiceError, CredentialsError, DiskError, BusyError, OtherJobError, FailuresError or
    CanaryError. What an iterable of rows raises is raised as it is.

    Arguments:
        manifest: List of objects, obs://BUCKET/PREFIX, or the checkpoint of a job; - reads standard input.
        workflow: Workflow to start.
        endpoint: Service endpoint, such as https://obs.cn-north-4.myhuaweicloud.com.
        region: Region whose endpoint to use, such as cn-north-4.
        api: API of the service: that of OBS, that of DWR, or the one that the endpoint has. --region alone is OBS.
        project_id: Project of the workflow, for dwr-v3.
        allow_http: Allow an http:// endpoint that is not on this machine.
        timeout: Time limit for one request.
        verify_tls: If False, do not verify the service's certificate.
        ca_bundle: Trust the certificates of a private authority in this file too (PEM).
        credentials: Use only credentials from the environment, the credentials file, or the agency of this ECS.
        shard: Start only the rows of shard I of N, counted from 0; every shard is a run of its own.
        run_dir: Folder for the plan and the files of all shards.
        bucket: Bucket for rows that do not name one.
        inputs: Input for every row, NAME=VALUE for text or NAME:=JSON for other types.
        storage_classes: Start only objects of this storage class; for OBS inventories and obs://.
        keep_placeholders: Include directory placeholders, whose keys end in /.
        ignore_columns: Ignore this column, or this key of JSON Lines, although its name is close to a known one.
        allow_duplicates: Start repeated rows as often as the manifest lists them.
        preflight: If False, skip checking inputs against the declared parameters.
        checkpoint: File that stores progress between runs.
        format: Manifest format.
        take_over_after: Take over a shard whose process has given no sign of life for this long.
        include: List only keys that fit one of these patterns, such as *.mp4.
        exclude: Leave out keys that fit one of these patterns.
        suffixes: List only keys that end like this.
        min_size: Minimum size of an object, such as 10M or 1.5G.
        max_size: Maximum size of an object.
        newer: List only objects modified at or after a date, or since an age, such as 7d.
        older: List only objects modified before a date, or longer ago than an age.
        delimiter: List the groups that this text makes side by side; / makes folders.
        relist: List again, and append the objects that the list does not have yet.
        bucket_endpoint: Endpoint of OBS that has the buckets, to list them and to look at objects.
        head: Look at this many objects, spread over the list, before the first start; a missing one ends the run.
        ledger: Ledger that jobs share: a row that another job has started is a duplicate here.
        again: Send rows although another job of the ledger has started them.
        concurrency: Number of workers, each with its own connection.
        max_rate: Maximum starts per second.
        remember_rate: Begin a new job at the rate that an earlier job with this workflow reached, and remember its
            own.
        max_failures: Stop when more than N rows, or P% of the rows, are rejected.
        max_outage: Stop when the service has been unavailable for this long, such as 90s or 15m.
        max_duration: Stop gracefully after this time, such as 8h or 1h30m.
        stop_at: Stop gracefully at this time of day.
        limit: Maximum number of rows to send in this run.
        max_attempts: Maximum number of attempts for a row that the service refuses.
        on_doubt: For rows that may have been started: look them up in the execution list, hold them, or resend
            them.
        trust_503: Treat every HTTP 503 as a refusal that is safe to retry.
        retry_rejected: Retry rows that were rejected earlier, or were invalid by the declared parameters.
        predecessor_is_dead: Declare dead all other processes that have worked on this shard, so that doubts are
            settled.
        settle_time: Maximum time until a new execution appears in the execution list.
        canary: Start N rows first, spread over the list, watch them to their end, and go on only if they succeeded.
        canary_success: Percentage of the canaries that have to succeed.
        canary_passed: Go on although the canary failed, or before it has ended.
        max_running: Start a row only while fewer than N executions of this job run, as the execution list shows
            their ends.
        output: File for the records; its suffix selects JSON Lines or CSV.
        spreadsheet: Write CSV that a spreadsheet opens safely: no cell is taken for a formula.
        report: Write an HTML page about the job at the end, as batcher report does.
        progress: Progress on stderr; auto shows a bar on a terminal, otherwise lines, every 10 s to 5 min.
        log_file: Append one line per event to this file.
        log_format: Log format: text for people, json for programs.
        log_level: Minimum level to log.
        metrics_file: Write Prometheus metrics to this file, every 15 s and at the end.
        metrics_port: Serve Prometheus metrics, and a run's live page, on this port; 0 selects a free port.
        metrics_host: Address to serve them on.
    """

@overload
def run_sync(
    manifest: RunOptions,
    *,
    environment: Mapping[str, str] | None = None,
) -> AbstractContextManager[RunningSync]:
    """Run the job that the options describe: see the other form."""

@overload
def run_sync(
    manifest: str | PathLike[str] | Iterable[_Given] | AsyncIterable[_Given],
    *,
    workflow: str,
    endpoint: str | None = None,
    region: str | None = None,
    api: Api | Literal["auto", "obs-v2", "dwr-v3"] = "auto",
    project_id: str | None = None,
    allow_http: bool = False,
    timeout: float | str = 30.0,
    verify_tls: bool = True,
    ca_bundle: str | PathLike[str] | None = None,
    credentials: Place | Literal["env", "file", "ecs"] | None = None,
    shard: str | None = None,
    run_dir: str | PathLike[str] | None = None,
    bucket: str | None = None,
    inputs: Mapping[str, Json] | None = None,
    storage_classes: Iterable[str] | None = None,
    keep_placeholders: bool = False,
    ignore_columns: Iterable[str] | None = None,
    allow_duplicates: bool = False,
    preflight: bool = True,
    checkpoint: str | PathLike[str] | None = None,
    format: Format | Literal["csv", "tsv", "json", "jsonl", "txt", "inventory", "obsutil", "parquet"] | None = None,
    take_over_after: float | str = 60.0,
    include: Iterable[str] | None = None,
    exclude: Iterable[str] | None = None,
    suffixes: Iterable[str] | None = None,
    min_size: int | str | None = None,
    max_size: int | str | None = None,
    newer: str | None = None,
    older: str | None = None,
    delimiter: str | None = None,
    relist: bool = False,
    bucket_endpoint: str | None = None,
    head: int = 0,
    ledger: str | PathLike[str] | None = None,
    again: bool = False,
    concurrency: int = 64,
    max_rate: float | None = None,
    remember_rate: bool = False,
    max_failures: int | str | None = None,
    max_outage: float | str = 900.0,
    max_duration: float | str | None = None,
    stop_at: str | time | None = None,
    limit: int | None = None,
    max_attempts: int = 6,
    on_doubt: OnDoubt | Literal["reconcile", "hold", "resend"] = "reconcile",
    trust_503: bool = False,
    retry_rejected: bool = False,
    predecessor_is_dead: bool = False,
    settle_time: float | str | None = None,
    canary: int | None = None,
    canary_success: float | str = 100.0,
    canary_passed: bool = False,
    max_running: int | None = None,
    output: str | PathLike[str] | None = None,
    spreadsheet: bool = False,
    report: str | PathLike[str] | None = None,
    progress: Mode | Literal["auto", "bar", "line", "json", "none"] = "auto",
    log_file: str | PathLike[str] | None = None,
    log_format: LogFormat | Literal["text", "json"] = "text",
    log_level: Level | Literal["debug", "info", "warning", "error"] = "info",
    metrics_file: str | PathLike[str] | None = None,
    metrics_port: int | None = None,
    metrics_host: str = "127.0.0.1",
    environment: Mapping[str, str] | None = None,
) -> AbstractContextManager[RunningSync]:
    """Run a job inside a `with` block: `run` for programs without asyncio, with the same arguments and errors.

    An iterable of rows is read in a thread of its own.

    Arguments:
        manifest: List of objects, obs://BUCKET/PREFIX, or the checkpoint of a job; - reads standard input.
        workflow: Workflow to start.
        endpoint: Service endpoint, such as https://obs.cn-north-4.myhuaweicloud.com.
        region: Region whose endpoint to use, such as cn-north-4.
        api: API of the service: that of OBS, that of DWR, or the one that the endpoint has. --region alone is OBS.
        project_id: Project of the workflow, for dwr-v3.
        allow_http: Allow an http:// endpoint that is not on this machine.
        timeout: Time limit for one request.
        verify_tls: If False, do not verify the service's certificate.
        ca_bundle: Trust the certificates of a private authority in this file too (PEM).
        credentials: Use only credentials from the environment, the credentials file, or the agency of this ECS.
        shard: Start only the rows of shard I of N, counted from 0; every shard is a run of its own.
        run_dir: Folder for the plan and the files of all shards.
        bucket: Bucket for rows that do not name one.
        inputs: Input for every row, NAME=VALUE for text or NAME:=JSON for other types.
        storage_classes: Start only objects of this storage class; for OBS inventories and obs://.
        keep_placeholders: Include directory placeholders, whose keys end in /.
        ignore_columns: Ignore this column, or this key of JSON Lines, although its name is close to a known one.
        allow_duplicates: Start repeated rows as often as the manifest lists them.
        preflight: If False, skip checking inputs against the declared parameters.
        checkpoint: File that stores progress between runs.
        format: Manifest format.
        take_over_after: Take over a shard whose process has given no sign of life for this long.
        include: List only keys that fit one of these patterns, such as *.mp4.
        exclude: Leave out keys that fit one of these patterns.
        suffixes: List only keys that end like this.
        min_size: Minimum size of an object, such as 10M or 1.5G.
        max_size: Maximum size of an object.
        newer: List only objects modified at or after a date, or since an age, such as 7d.
        older: List only objects modified before a date, or longer ago than an age.
        delimiter: List the groups that this text makes side by side; / makes folders.
        relist: List again, and append the objects that the list does not have yet.
        bucket_endpoint: Endpoint of OBS that has the buckets, to list them and to look at objects.
        head: Look at this many objects, spread over the list, before the first start; a missing one ends the run.
        ledger: Ledger that jobs share: a row that another job has started is a duplicate here.
        again: Send rows although another job of the ledger has started them.
        concurrency: Number of workers, each with its own connection.
        max_rate: Maximum starts per second.
        remember_rate: Begin a new job at the rate that an earlier job with this workflow reached, and remember its
            own.
        max_failures: Stop when more than N rows, or P% of the rows, are rejected.
        max_outage: Stop when the service has been unavailable for this long, such as 90s or 15m.
        max_duration: Stop gracefully after this time, such as 8h or 1h30m.
        stop_at: Stop gracefully at this time of day.
        limit: Maximum number of rows to send in this run.
        max_attempts: Maximum number of attempts for a row that the service refuses.
        on_doubt: For rows that may have been started: look them up in the execution list, hold them, or resend
            them.
        trust_503: Treat every HTTP 503 as a refusal that is safe to retry.
        retry_rejected: Retry rows that were rejected earlier, or were invalid by the declared parameters.
        predecessor_is_dead: Declare dead all other processes that have worked on this shard, so that doubts are
            settled.
        settle_time: Maximum time until a new execution appears in the execution list.
        canary: Start N rows first, spread over the list, watch them to their end, and go on only if they succeeded.
        canary_success: Percentage of the canaries that have to succeed.
        canary_passed: Go on although the canary failed, or before it has ended.
        max_running: Start a row only while fewer than N executions of this job run, as the execution list shows
            their ends.
        output: File for the records; its suffix selects JSON Lines or CSV.
        spreadsheet: Write CSV that a spreadsheet opens safely: no cell is taken for a formula.
        report: Write an HTML page about the job at the end, as batcher report does.
        progress: Progress on stderr; auto shows a bar on a terminal, otherwise lines, every 10 s to 5 min.
        log_file: Append one line per event to this file.
        log_format: Log format: text for people, json for programs.
        log_level: Minimum level to log.
        metrics_file: Write Prometheus metrics to this file, every 15 s and at the end.
        metrics_port: Serve Prometheus metrics, and a run's live page, on this port; 0 selects a free port.
        metrics_host: Address to serve them on.
    """

def watch(
    checkpoint: str | PathLike[str],
    *,
    environment: Mapping[str, str] | None = None,
    output: str | PathLike[str] | None = None,
    spreadsheet: bool = False,
    progress: Mode | Literal["auto", "bar", "line", "json", "none"] = "auto",
    timeout: float | str = 30.0,
    verify_tls: bool = True,
    ca_bundle: str | PathLike[str] | None = None,
    credentials: Place | Literal["env", "file", "ecs"] | None = None,
    predecessor_is_dead: bool = False,
    settle_time: float | str | None = None,
    max_rate: float | None = None,
    max_outage: float | str = 900.0,
    deadline: float | str | None = None,
    interval: float | str = 300.0,
    details: int = 20,
    metrics_file: str | PathLike[str] | None = None,
    metrics_port: int | None = None,
    metrics_host: str = "127.0.0.1",
) -> Coroutine[object, object, ExitCode]:
    """Follow the executions of a job until none runs, as `batcher watch` does. Returns the exit code of the command.

    `checkpoint` is the checkpoint of the job, its manifest or its run folder. The arguments are the options of the
    command, with the same defaults. Credentials are read from `environment`, by default that of the process. To stop,
    cancel the call: the next one goes on. Raises JobError as `run` does.

    Arguments:
        output: File for the end records; its suffix selects JSON Lines or CSV.
        spreadsheet: Write CSV that a spreadsheet opens safely: no cell is taken for a formula.
        progress: Progress on stderr; auto shows a bar on a terminal, otherwise lines, every 10 s to 5 min.
        timeout: Time limit for one request.
        verify_tls: If False, do not verify the service's certificate.
        ca_bundle: Trust the certificates of a private authority in this file too (PEM).
        credentials: Use only credentials from the environment, the credentials file, or the agency of this ECS.
        predecessor_is_dead: Declare dead all other processes that have worked on this shard, so that doubts are
            settled.
        settle_time: Maximum time until a new execution appears in the execution list.
        max_rate: Maximum requests per second.
        max_outage: Stop when the service has been unavailable for this long, such as 90s or 15m.
        deadline: Stop watching after this time, such as 8h; the executions go on.
        interval: Longest time between two looks at the execution list.
        details: Number of failed executions to ask for the cause.
        metrics_file: Write Prometheus metrics to this file, every 15 s and at the end.
        metrics_port: Serve Prometheus metrics, and a run's live page, on this port; 0 selects a free port.
        metrics_host: Address to serve them on.
    """

def watch_sync(
    checkpoint: str | PathLike[str],
    *,
    environment: Mapping[str, str] | None = None,
    output: str | PathLike[str] | None = None,
    spreadsheet: bool = False,
    progress: Mode | Literal["auto", "bar", "line", "json", "none"] = "auto",
    timeout: float | str = 30.0,
    verify_tls: bool = True,
    ca_bundle: str | PathLike[str] | None = None,
    credentials: Place | Literal["env", "file", "ecs"] | None = None,
    predecessor_is_dead: bool = False,
    settle_time: float | str | None = None,
    max_rate: float | None = None,
    max_outage: float | str = 900.0,
    deadline: float | str | None = None,
    interval: float | str = 300.0,
    details: int = 20,
    metrics_file: str | PathLike[str] | None = None,
    metrics_port: int | None = None,
    metrics_host: str = "127.0.0.1",
) -> ExitCode:
    """Follow the executions of a job: `watch` for programs without asyncio, with the same arguments and errors.

    Arguments:
        output: File for the end records; its suffix selects JSON Lines or CSV.
        spreadsheet: Write CSV that a spreadsheet opens safely: no cell is taken for a formula.
        progress: Progress on stderr; auto shows a bar on a terminal, otherwise lines, every 10 s to 5 min.
        timeout: Time limit for one request.
        verify_tls: If False, do not verify the service's certificate.
        ca_bundle: Trust the certificates of a private authority in this file too (PEM).
        credentials: Use only credentials from the environment, the credentials file, or the agency of this ECS.
        predecessor_is_dead: Declare dead all other processes that have worked on this shard, so that doubts are
            settled.
        settle_time: Maximum time until a new execution appears in the execution list.
        max_rate: Maximum requests per second.
        max_outage: Stop when the service has been unavailable for this long, such as 90s or 15m.
        deadline: Stop watching after this time, such as 8h; the executions go on.
        interval: Longest time between two looks at the execution list.
        details: Number of failed executions to ask for the cause.
        metrics_file: Write Prometheus metrics to this file, every 15 s and at the end.
        metrics_port: Serve Prometheus metrics, and a run's live page, on this port; 0 selects a free port.
        metrics_host: Address to serve them on.
    """

def redrive(
    checkpoint: str | PathLike[str],
    *,
    environment: Mapping[str, str] | None = None,
    only: str | Iterable[str] = ("failed", "timed_out"),
    max_redrives: int = 3,
    concurrency: int = 16,
    output: str | PathLike[str] | None = None,
    spreadsheet: bool = False,
    progress: Mode | Literal["auto", "bar", "line", "json", "none"] = "auto",
    timeout: float | str = 30.0,
    verify_tls: bool = True,
    ca_bundle: str | PathLike[str] | None = None,
    credentials: Place | Literal["env", "file", "ecs"] | None = None,
    predecessor_is_dead: bool = False,
    settle_time: float | str | None = None,
    max_rate: float | None = None,
    max_outage: float | str = 900.0,
    deadline: float | str | None = None,
    interval: float | str = 300.0,
    details: int = 20,
    metrics_file: str | PathLike[str] | None = None,
    metrics_port: int | None = None,
    metrics_host: str = "127.0.0.1",
) -> Coroutine[object, object, ExitCode]:
    """Restore the executions of a job that failed, and follow all to their end, as `batcher redrive` does.

    Arguments, result and errors are as those of `watch`, with `only` and `max_redrives`.

    Arguments:
        only: Restore executions that ended in one of these ways.
        max_redrives: How often an execution is restored at most.
        concurrency: Number of restores at a time.
        output: File for the end records; its suffix selects JSON Lines or CSV.
        spreadsheet: Write CSV that a spreadsheet opens safely: no cell is taken for a formula.
        progress: Progress on stderr; auto shows a bar on a terminal, otherwise lines, every 10 s to 5 min.
        timeout: Time limit for one request.
        verify_tls: If False, do not verify the service's certificate.
        ca_bundle: Trust the certificates of a private authority in this file too (PEM).
        credentials: Use only credentials from the environment, the credentials file, or the agency of this ECS.
        predecessor_is_dead: Declare dead all other processes that have worked on this shard, so that doubts are
            settled.
        settle_time: Maximum time until a new execution appears in the execution list.
        max_rate: Maximum requests per second.
        max_outage: Stop when the service has been unavailable for this long, such as 90s or 15m.
        deadline: Stop watching after this time, such as 8h; the executions go on.
        interval: Longest time between two looks at the execution list.
        details: Number of failed executions to ask for the cause.
        metrics_file: Write Prometheus metrics to this file, every 15 s and at the end.
        metrics_port: Serve Prometheus metrics, and a run's live page, on this port; 0 selects a free port.
        metrics_host: Address to serve them on.
    """

def redrive_sync(
    checkpoint: str | PathLike[str],
    *,
    environment: Mapping[str, str] | None = None,
    only: str | Iterable[str] = ("failed", "timed_out"),
    max_redrives: int = 3,
    concurrency: int = 16,
    output: str | PathLike[str] | None = None,
    spreadsheet: bool = False,
    progress: Mode | Literal["auto", "bar", "line", "json", "none"] = "auto",
    timeout: float | str = 30.0,
    verify_tls: bool = True,
    ca_bundle: str | PathLike[str] | None = None,
    credentials: Place | Literal["env", "file", "ecs"] | None = None,
    predecessor_is_dead: bool = False,
    settle_time: float | str | None = None,
    max_rate: float | None = None,
    max_outage: float | str = 900.0,
    deadline: float | str | None = None,
    interval: float | str = 300.0,
    details: int = 20,
    metrics_file: str | PathLike[str] | None = None,
    metrics_port: int | None = None,
    metrics_host: str = "127.0.0.1",
) -> ExitCode:
    """Restore the executions that failed: `redrive` for programs without asyncio, with the same arguments.

    Arguments:
        only: Restore executions that ended in one of these ways.
        max_redrives: How often an execution is restored at most.
        concurrency: Number of restores at a time.
        output: File for the end records; its suffix selects JSON Lines or CSV.
        spreadsheet: Write CSV that a spreadsheet opens safely: no cell is taken for a formula.
        progress: Progress on stderr; auto shows a bar on a terminal, otherwise lines, every 10 s to 5 min.
        timeout: Time limit for one request.
        verify_tls: If False, do not verify the service's certificate.
        ca_bundle: Trust the certificates of a private authority in this file too (PEM).
        credentials: Use only credentials from the environment, the credentials file, or the agency of this ECS.
        predecessor_is_dead: Declare dead all other processes that have worked on this shard, so that doubts are
            settled.
        settle_time: Maximum time until a new execution appears in the execution list.
        max_rate: Maximum requests per second.
        max_outage: Stop when the service has been unavailable for this long, such as 90s or 15m.
        deadline: Stop watching after this time, such as 8h; the executions go on.
        interval: Longest time between two looks at the execution list.
        details: Number of failed executions to ask for the cause.
        metrics_file: Write Prometheus metrics to this file, every 15 s and at the end.
        metrics_port: Serve Prometheus metrics, and a run's live page, on this port; 0 selects a free port.
        metrics_host: Address to serve them on.
    """
