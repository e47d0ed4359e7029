"""The options of each verb, composed of shared groups and its own options.

No `from __future__ import annotations` here: the annotations are read at run time.
"""

from datetime import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from batcher.options.at_end import AtEnd
from batcher.options.canary import Proven
from batcher.options.declaring import Option, Options, derived
from batcher.options.groups import (
    INPUT,
    MAX_OUTAGE,
    MAX_RATE,
    PROGRESS,
    RECORDS,
    SPREADSHEET,
    Connection,
    Doubts,
    ForPrograms,
    Manifest,
    OfJob,
    OfManifest,
    Retries,
    Service,
    Sharded,
    Shared,
    Wanted,
)
from batcher.options.heads import Heads
from batcher.options.kinds import DURATION, MAX_FAILURES, RATE, TIME_OF_DAY
from batcher.options.watching import Watched
from batcher.rules.choices import Engine, Level, LogFormat, Mode, OnDoubt, Rows

if TYPE_CHECKING:
    # Not imported at run time, which would slow the help down.
    from collections.abc import Mapping

    from batcher.model import Json
    from batcher.rules.rate.stop import MaxFailures
    from batcher.rules.rows.admission import Policy

SETTINGS = "batcher.toml"
"""The file with options that a verb reads in the working directory."""


class Pace(Options):
    """How fast to send."""

    group = "Pace"

    concurrency: Annotated[int, Option("Number of workers, each with its own connection.", least=1, most=10_000)] = 64
    max_rate: Annotated[float | None, MAX_RATE] = None
    remember_rate: Annotated[
        bool,
        Option("Begin a new job at the rate that an earlier job with this workflow reached, and remember its own."),
    ] = False


class Stopping(Options):
    """When to stop before the end of the manifest."""

    group = "Stopping"

    max_failures: Annotated[
        "MaxFailures | None",
        Option("Stop when more than N rows, or P% of the rows, are rejected.", MAX_FAILURES),
    ] = None
    max_outage: Annotated[float, MAX_OUTAGE] = 900.0
    max_duration: Annotated[
        float | None, Option("Stop gracefully after this time, such as 8h or 1h30m.", DURATION, least=0)
    ] = None
    stop_at: Annotated[time | None, Option("Stop gracefully at this time of day.", TIME_OF_DAY)] = None
    limit: Annotated[int | None, Option("Maximum number of rows to send in this run.", least=1)] = None


class Sending(Retries, Doubts):
    """Which rows to send again, and what to do with rows that may have been started."""

    group = "Retries and doubts"

    max_attempts: Annotated[int, Option("Maximum number of attempts for a row that the service refuses.", least=1)] = 6
    on_doubt: Annotated[
        OnDoubt,
        Option(
            "For rows that may have been started: look them up in the execution list, hold them, or resend them.",
            metavar="ACTION",
        ),
    ] = OnDoubt.RECONCILE
    trust_503: Annotated[bool, Option("Treat every HTTP 503 as a refusal that is safe to retry.")] = False


def default_output(options: Manifest) -> Path:
    """Return where a run of this manifest writes its records. Raises UsageError as `beside`."""
    return options.beside(RECORDS, "--output")


class Output(Options):
    """What a run writes and shows."""

    group = "Output"

    output: Annotated[
        Path,
        Option(
            "File for the records; its suffix selects JSON Lines or CSV.",
            short="-o",
            default="MANIFEST.executions.jsonl",
        ),
    ] = derived(factory=default_output)
    spreadsheet: Annotated[bool, SPREADSHEET] = False
    report: Annotated[Path | None, Option("Write an HTML page about the job at the end, as batcher report does.")] = (
        None
    )
    progress: Annotated[Mode, PROGRESS] = Mode.AUTO


class Telemetry(Options):
    """Logs and metrics of a run."""

    group = "Logs and metrics"

    log_file: Annotated[Path | None, Option("Append one line per event to this file.")] = None
    log_format: Annotated[LogFormat, Option("Log format: text for people, json for programs.", metavar="FORMAT")] = (
        LogFormat.TEXT
    )
    log_level: Annotated[Level, Option("Minimum level to log.")] = Level.INFO
    metrics_file: Annotated[
        Path | None,
        Option("Write Prometheus metrics to this file, every 15 s and at the end.", metavar="FILE.prom"),
    ] = None
    metrics_port: Annotated[
        int | None,
        Option(
            "Serve Prometheus metrics and a live page on this port; 0 selects a free port.",
            metavar="PORT",
            least=0,
            most=65_535,
        ),
    ] = None
    metrics_host: Annotated[str, Option("Address to serve them on.", metavar="ADDRESS")] = "127.0.0.1"


class Succession(Options):
    """When to take over a shard from another process."""

    group = "Shards"

    take_over_after: Annotated[
        float,
        Option("Take over a shard whose process has given no sign of life for this long.", DURATION, least=0),
    ] = 60.0


class RunOptions(
    Service, Sharded, Succession, Wanted, Heads, Shared, Pace, Stopping, Sending, Proven, Output, Telemetry
):
    """The options of `batcher run`, and the arguments of `batcher.run`. Times are in seconds."""

    @property
    def policy(self) -> "Policy":
        """What to do with rows that the checkpoint knows."""
        from batcher.rules.rows.admission import Policy  # noqa: PLC0415 - keeps the help fast

        return Policy(self.retry_rejected, self.allow_duplicates, self.again)


class Asking(Options):
    """What a run does before its first start, for a person at a terminal."""

    group = "General"

    dry_run: Annotated[
        bool, Option("Check and show what would be started, as batcher check does, and start nothing.", is_spoken=True)
    ] = False
    confirm_above: Annotated[
        int,
        Option(
            "Ask before more than N new rows are started, if standard input and error are a terminal; 0 never asks.",
            least=0,
            most=1_000_000,
        ),
    ] = 10_000
    yes: Annotated[bool, Option("Start without asking.", short="-y", is_spoken=True)] = False


class Several(Options):
    """In how many processes to run."""

    group = "Shards"

    processes: Annotated[
        int | None,
        Option(
            "Run the list in this many processes, one shard each, on this machine.", least=1, most=256, is_spoken=True
        ),
    ] = None
    engine: Annotated[
        Engine | None,
        Option(
            "Run the shards in processes of this machine, or on the workers of a Dask cluster.",
            metavar="ENGINE",
            default="processes with --processes",
            is_spoken=True,
        ),
    ] = None
    scheduler: Annotated[
        str | None,
        Option(
            "Dask scheduler, such as tls://host:8786.",
            metavar="ADDRESS",
            default="a cluster of --processes workers on this machine",
            is_spoken=True,
        ),
    ] = None


class RunCommandOptions(RunOptions, Several, Watched, Asking, AtEnd):
    """The options of `batcher run`. A program that runs a job is not asked."""


class CheckOptions(Service, Manifest, Heads, Retries, ForPrograms):
    """The options of `batcher check`."""

    group = "Output"

    preflight: Annotated[bool, Option("Check the manifest only, without contacting the service.")] = True
    bad_rows: Annotated[Path | None, Option("Write all bad rows to this new file, as JSON Lines.")] = None


class ReconcileOptions(OfJob, Connection, Doubts):
    """The options of `batcher reconcile`."""


class Highest(Options):
    """How a job was run."""

    group = "Manifest"

    concurrency: Annotated[
        int, Option("Highest number of workers that a run of this job had.", least=1, most=10_000)
    ] = 64


class RecoverOptions(Service, Sharded, Succession, Highest):
    """The options of `batcher recover`: those that identify a job."""

    group = "Output"

    output: Annotated[
        tuple[Path, ...],
        Option(
            "File with records of the job; give the newest one last.",
            short="-o",
            default="MANIFEST.executions.jsonl",
        ),
    ] = derived(factory=lambda options: (default_output(options),))


class DoctorOptions(Service, ForPrograms):
    """The options of `batcher doctor`."""

    group = "Trial start"

    object: Annotated[str, Option("Key of the object to start an execution for.", metavar="KEY")]
    bucket: Annotated[str, Option("Bucket of the object.", short="-b", metavar="NAME")]
    inputs: Annotated[
        "Mapping[str, Json]", INPUT._replace(help="Input, NAME=VALUE for text or NAME:=JSON otherwise.")
    ] = {}  # noqa: RUF012 - options are immutable
    is_accepted: Annotated[
        bool,
        Option("Start one execution, which is billed like any other.", flag="--i-accept-one-start", is_spoken=True),
    ] = False
    patience: Annotated[
        float, Option("Maximum time to search the execution list for the execution.", DURATION, least=0)
    ] = 120.0
    write: Annotated[Path, Option("File to write the resulting settings to.")] = Path(SETTINGS)
    checkpoint: Annotated[
        Path | None,
        Option(
            "Checkpoint of a job whose rows in doubt no known start can settle: keep this one for that.",
            short="-c",
            metavar="FILE",
            is_spoken=True,
        ),
    ] = None


class StatusOptions(OfJob, ForPrograms):
    """The options of `batcher status`."""

    group = "Output"

    rows: Annotated[Rows | None, Option("Print only the rows with this status, one per line.")] = None


class SteerOptions(OfJob):
    """The options of `batcher pause`, `batcher resume` and `batcher drain`."""


class Capped(Options):
    """The limit of a running job."""

    rate: Annotated[float | None, Option("Starts per second, or auto.", RATE, is_argument=True)]


class RateOptions(OfJob, Capped):
    """The options of `batcher rate`."""


class OfRow(Options):
    """The row that a verb shows."""

    row: Annotated[str, Option("Row number or object key.", is_argument=True, metavar="ROW|KEY")]


class ExplainOptions(OfJob, OfRow):
    """The options of `batcher explain`."""


class FailuresOptions(OfManifest):
    """The options of `batcher failures`."""

    group = "Output"

    output: Annotated[Path | None, Option("Manifest to write: .csv, .tsv or .jsonl.", short="-o")] = None
    ended: Annotated[bool, Option("Write the rows whose executions failed, as batcher watch has found.")] = False
    dismiss: Annotated[bool, Option("Declare the failed rows settled instead of writing them.", is_spoken=True)] = False


class ForgetOptions(OfJob):
    """The options of `batcher forget`."""


class ExportOptions(OfJob):
    """The options of `batcher export`."""

    group = "Output"

    output: Annotated[Path, Option("File to write: .jsonl, .csv or .parquet.", short="-o")]
    spreadsheet: Annotated[bool, SPREADSHEET] = False


class ReportOptions(OfJob):
    """The options of `batcher report`."""

    group = "Output"

    output: Annotated[Path, Option("HTML file to write.", short="-o")]


class ManOptions(Options):
    """The options of `batcher man`, which has none."""
