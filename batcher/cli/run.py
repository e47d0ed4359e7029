"""`batcher run`: the options of the main job, as a person gives them, and how its end is told."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from batcher.cli.console import complain
from batcher.cli.flags import (
    SETTLE_TIME,
    TIMEOUT,
    AllowHttp,
    CredentialsPlace,
    Endpoint,
    Inputs,
    NoVerifyTls,
    Region,
    SettleTime,
    Timeout,
    Workflow,
    endpoint_of,
)
from batcher.cli.loop import fast_loop
from batcher.cli.options import OnDoubt, Options
from batcher.edges.progress import Mode
from batcher.model import JobError, UsageError
from batcher.rules.ending import MEANINGS
from batcher.rules.guards import max_failures as parse_max_failures
from batcher.rules.inputs import parse_inputs
from batcher.rules.times import duration, seconds_until

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
header with the column "object" and, as needed, "bucket", "inputs" (a JSON object) and "inputs.NAME".

The same command, given again after any interruption, carries on: rows that are started stay started. Keys come from
OBS_ACCESS_KEY_ID, OBS_SECRET_ACCESS_KEY and OBS_SECURITY_TOKEN (or HUAWEICLOUD_SDK_AK/SK, HW_ACCESS_KEY/SECRET_KEY),
from ~/.huaweicloud/credentials, or from the agency of the ECS that this runs on.

\b
Exit codes:
{chr(10).join(f"  {code.value:>3}  {meaning}" for code, meaning in MEANINGS.items())}
"""


class Format(StrEnum):
    """The formats of a manifest."""

    CSV = "csv"
    TSV = "tsv"
    JSONL = "jsonl"
    TXT = "txt"


def run(  # noqa: PLR0913, PLR0917 - one argument for each option of the command
    manifest: Annotated[str, typer.Argument(help="The list of objects; - is standard input.", metavar="MANIFEST")],
    workflow: Workflow,
    endpoint: Endpoint = None,
    region: Region = None,
    bucket: Annotated[
        str | None,
        typer.Option(
            "-b", "--bucket", help="The bucket of rows that name none.", envvar="BATCHER_BUCKET", metavar="NAME"
        ),
    ] = None,
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
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            "-c",
            "--checkpoint",
            help="What is remembered between runs.  [default: MANIFEST.checkpoint]",
            envvar="BATCHER_CHECKPOINT",
            metavar="FILE",
        ),
    ] = None,
    format_: Annotated[
        Format | None,
        typer.Option("--format", help="The manifest's format.  [default: by its suffix]", envvar="BATCHER_FORMAT"),
    ] = None,
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
    retry_rejected: Annotated[
        bool, typer.Option("--retry-rejected", help="Send rows that were rejected earlier again.")
    ] = False,
    allow_duplicates: Annotated[
        bool, typer.Option("--allow-duplicates", help="Start a row as often as the manifest repeats it.")
    ] = False,
    trust_503: Annotated[
        bool,
        typer.Option(
            "--trust-503", help="Take any 503 as a refusal that is safe to send again.", envvar="BATCHER_TRUST_503"
        ),
    ] = False,
    allow_http: AllowHttp = False,
    no_verify_tls: NoVerifyTls = False,
    credentials: CredentialsPlace = None,
    progress: Annotated[
        Mode,
        typer.Option(
            help="On stderr; auto is a bar on a terminal and a line every 10 s elsewhere.", envvar="BATCHER_PROGRESS"
        ),
    ] = Mode.AUTO,
) -> None:
    """Check the options, run the job and end the process with the exit code that tells the truth."""
    try:
        options = Options(
            manifest=None if manifest == "-" else Path(manifest),
            workflow=workflow,
            endpoint=endpoint_of(endpoint, region),
            bucket=bucket,
            inputs=parse_inputs(inputs or ()),
            output=_beside(manifest, output, ".executions.jsonl", "--output"),
            checkpoint=_beside(manifest, checkpoint, ".checkpoint", "--checkpoint"),
            format=format_,
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
            trust_503=trust_503,
            allow_http=allow_http,
            verify_tls=not no_verify_tls,
            credentials=credentials,
            progress=progress,
        )
        # Imported late, so that the help does not wait for the HTTP client.
        from batcher.cli.job import run_job  # noqa: PLC0415

        with asyncio.Runner(loop_factory=fast_loop(tls=options.endpoint.startswith("https:"))) as runner:
            code = runner.run(run_job(options, os.environ))
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


def _beside(manifest: str, given: Path | None, suffix: str, option: str) -> Path:
    """Give the file asked for, or the one named after the manifest."""
    if given is not None:
        return given
    if manifest == "-":
        raise UsageError(
            f"standard input has no name to derive {option} from",
            "With - as the manifest give --format, --output and --checkpoint.",
        )
    return Path(manifest + suffix)
