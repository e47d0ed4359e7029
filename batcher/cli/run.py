"""`batcher run`: the options of the main job, as a person gives them, and how its end is told."""

from __future__ import annotations

import asyncio
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from batcher.app.job_identity import beside, endpoint_of
from batcher.app.options import LogOptions, MetricsOptions, OnDoubt, Options
from batcher.app.process import calm_collector, fast_loop, make_room
from batcher.app.voice import complain
from batcher.cli.flags import (
    SETTLE_TIME,
    TIMEOUT,
    AllowDuplicates,
    AllowHttp,
    Bucket,
    CheckpointFile,
    CredentialsPlace,
    Endpoint,
    FormatName,
    Inputs,
    KeepPlaceholders,
    ManifestFile,
    NoPreflight,
    NoVerifyTls,
    Region,
    RetryRejected,
    SettleTime,
    StorageClasses,
    Timeout,
    Workflow,
    choice_of,
)
from batcher.edges.progress import Mode
from batcher.errors import JobError, UsageError
from batcher.rules.rate.stop import max_failures as parse_max_failures
from batcher.rules.records.event_log import Format as LogFormat
from batcher.rules.records.event_log import Level
from batcher.rules.report.summary import MEANINGS
from batcher.rules.rows.values import parse_inputs
from batcher.rules.text import duration, seconds_until

EXAMPLES = """
  batcher run objects.csv -w transcode -e https://obs.cn-north-4.myhuaweicloud.com -b my-videos
  batcher run objects.csv -w transcode --region cn-north-4 -i template-id:=7000524
  zcat keys.txt.gz | batcher run - --format txt -w transcode --region cn-north-4 -b my-videos \\
      -o started.jsonl -c started.checkpoint
"""

HELP = f"""Start one workflow execution for each row of MANIFEST, and write one record for each.

\b
Examples:
{EXAMPLES.strip(chr(10))}

MANIFEST is CSV, TSV, JSON Lines or plain text with one key a line, also gzipped; - is standard input. CSV has a
header with the column "object" and, as needed, "bucket", "inputs" (a JSON object) and "inputs.NAME". It may also be
the manifest.json of an OBS inventory, what obsutil ls -s printed, or Parquet. batcher check tells what it holds.

The same command, given again after any interruption, carries on: rows that are started stay started. Keys come from
OBS_ACCESS_KEY_ID, OBS_SECRET_ACCESS_KEY and OBS_SECURITY_TOKEN (or HUAWEICLOUD_SDK_AK/SK, HW_ACCESS_KEY/SECRET_KEY),
from ~/.huaweicloud/credentials, or from the agency of the ECS that this runs on.

\b
Exit codes:
{chr(10).join(f"  {code.value:>3}  {meaning}" for code, meaning in MEANINGS.items())}
"""


def run(  # noqa: PLR0913, PLR0917 - one argument for each option of the command
    manifest: ManifestFile,
    workflow: Workflow,
    endpoint: Endpoint = None,
    region: Region = None,
    bucket: Bucket = None,
    inputs: Inputs = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="The records, JSON Lines or CSV by its suffix.  [default: MANIFEST.executions.jsonl]",
            envvar="BATCHER_OUTPUT",
            metavar="FILE",
        ),
    ] = None,
    checkpoint: CheckpointFile = None,
    format_: FormatName = None,
    storage_class: StorageClasses = None,
    keep_placeholders: KeepPlaceholders = False,
    concurrency: Annotated[
        int, typer.Option(help="Workers, each with one connection.", envvar="BATCHER_CONCURRENCY", min=1, max=10_000)
    ] = 64,
    max_rate: Annotated[
        float | None, typer.Option(help="At most so many starts a second.", envvar="BATCHER_MAX_RATE", min=0.001)
    ] = None,
    max_attempts: Annotated[
        int, typer.Option(help="Attempts for a row that the service refuses.", envvar="BATCHER_MAX_ATTEMPTS", min=1)
    ] = 6,
    max_failures: Annotated[
        str | None,
        typer.Option(
            help="Stop when more rows than this, or P% of the rows, are rejected.",
            envvar="BATCHER_MAX_FAILURES",
            metavar="N|P%",
        ),
    ] = None,
    max_outage: Annotated[
        str,
        typer.Option(
            help="End when the service has been away for so long, such as 90s or 15m.",
            envvar="BATCHER_MAX_OUTAGE",
            metavar="DURATION",
        ),
    ] = "15m",
    max_duration: Annotated[
        str | None,
        typer.Option(
            help="Drain after so long, such as 8h or 1h30m.", envvar="BATCHER_MAX_DURATION", metavar="DURATION"
        ),
    ] = None,
    stop_at: Annotated[
        str | None,
        typer.Option(help="Drain at this time of the day.", envvar="BATCHER_STOP_AT", metavar="HH:MM"),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="Send at most so many rows in this run.", envvar="BATCHER_LIMIT", min=1)
    ] = None,
    timeout: Timeout = TIMEOUT,
    on_doubt: Annotated[
        OnDoubt,
        typer.Option(
            help="Rows that may have been started: ask the execution list, hold them, or send them again blindly.",
            envvar="BATCHER_ON_DOUBT",
        ),
    ] = OnDoubt.RECONCILE,
    settle_time: SettleTime = SETTLE_TIME,
    retry_rejected: RetryRejected = False,
    allow_duplicates: AllowDuplicates = False,
    no_preflight: NoPreflight = False,
    trust_503: Annotated[
        bool,
        typer.Option(
            "--trust-503", help="Take any 503 as a refusal that is safe to send again.", envvar="BATCHER_TRUST_503"
        ),
    ] = False,
    allow_http: AllowHttp = False,
    no_verify_tls: NoVerifyTls = False,
    credentials: CredentialsPlace = None,
    report: Annotated[
        Path | None,
        typer.Option(
            help="Write a page about the job at the end, as batcher report does.",
            envvar="BATCHER_REPORT",
            metavar="FILE",
        ),
    ] = None,
    progress: Annotated[
        Mode,
        typer.Option(
            help="On stderr; auto is a bar on a terminal and a line every 10 s elsewhere.", envvar="BATCHER_PROGRESS"
        ),
    ] = Mode.AUTO,
    log_file: Annotated[
        Path | None,
        typer.Option(help="Append a line for each event to this file.", envvar="BATCHER_LOG_FILE", metavar="FILE"),
    ] = None,
    log_format: Annotated[
        LogFormat, typer.Option(help="Lines for people or for programs.", envvar="BATCHER_LOG_FORMAT")
    ] = LogFormat.TEXT,
    log_level: Annotated[
        Level, typer.Option(help="The least that an event must matter.", envvar="BATCHER_LOG_LEVEL")
    ] = Level.INFO,
    metrics_file: Annotated[
        Path | None,
        typer.Option(
            help="Write metrics for Prometheus' node exporter to this file, every 15 s and at the end.",
            envvar="BATCHER_METRICS_FILE",
            metavar="FILE.prom",
        ),
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            help="Serve the metrics on this port while the run lasts; 0 is any.",
            envvar="BATCHER_METRICS_PORT",
            min=0,
            max=65_535,
            metavar="PORT",
        ),
    ] = None,
    metrics_host: Annotated[
        str, typer.Option(help="The address to serve them on.", envvar="BATCHER_METRICS_HOST", metavar="ADDRESS")
    ] = "127.0.0.1",
) -> None:
    """Check the options, run the job and end the process with the exit code that tells the truth."""
    try:
        options = Options(
            manifest=None if manifest == "-" else Path(manifest),
            workflow=workflow,
            endpoint=endpoint_of(endpoint, region),
            bucket=bucket,
            inputs=parse_inputs(inputs or ()),
            output=beside(manifest, output, ".executions.jsonl", "--output"),
            checkpoint=beside(manifest, checkpoint, ".checkpoint", "--checkpoint"),
            format=format_,
            choice=choice_of(storage_class, keep_placeholders=keep_placeholders),
            concurrency=concurrency,
            max_rate=max_rate,
            max_attempts=max_attempts,
            max_failures=None if max_failures is None else parse_max_failures(max_failures),
            max_outage=duration("--max-outage", max_outage),
            max_duration=_until(max_duration, stop_at),
            limit=limit,
            timeout=timeout,
            on_doubt=on_doubt,
            settle_time=settle_time,
            retry_rejected=retry_rejected,
            allow_duplicates=allow_duplicates,
            preflight=not no_preflight,
            trust_503=trust_503,
            allow_http=allow_http,
            verify_tls=not no_verify_tls,
            credentials=credentials,
            progress=progress,
            report=report,
            log=None if log_file is None else LogOptions(log_file, log_format, log_level),
            metrics=None
            if metrics_file is None and metrics_port is None
            else MetricsOptions(metrics_file, metrics_host, metrics_port),
        )
        if report is not None and not report.parent.is_dir():
            raise UsageError(f"--report {report}: there is no such folder", "Make it, or name another file.")
        # Imported late, so that the help does not wait for the HTTP client.
        from batcher.app.run import run_job  # noqa: PLC0415
        from batcher.app.world import World  # noqa: PLC0415
        from batcher.flow.drain import Drain  # noqa: PLC0415

        make_room(concurrency)
        calm_collector()
        with asyncio.Runner(loop_factory=fast_loop(tls=options.endpoint.startswith("https:"))) as runner:
            code = runner.run(run_job(options, World(), Drain()))
        if report is not None:
            from batcher.app.report import write_report  # noqa: PLC0415 - only who asks for a page waits for it

            write_report(options.checkpoint, report)
    except JobError as error:
        complain(error)
        code = error.exit_code
    sys.exit(code)


def _until(max_duration: str | None, stop_at: str | None) -> float | None:
    """Give the seconds until the run is to drain, the nearer of both options."""
    ends = []
    if max_duration is not None:
        ends.append(duration("--max-duration", max_duration))
    if stop_at is not None:
        # The zone is that of the person who gives the time: none is named, and the system knows it.
        ends.append(seconds_until("--stop-at", stop_at, datetime.now()))  # noqa: DTZ005
    return min(ends, default=None)
