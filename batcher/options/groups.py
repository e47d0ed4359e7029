"""The options that verbs share, in groups. Each is declared once; `verbs` composes them.

No `from __future__ import annotations` here: the annotations are read at run time.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from batcher.errors import UsageError
from batcher.options.declaring import Option, Options, derived
from batcher.options.kinds import CAPITALS, DURATION, INPUTS, JOB, MANIFEST, PATTERN, SHARD, SIZE, WHEN, many
from batcher.rules.choices import Api, Format, Place
from batcher.rules.doubts.settle_time import default_settle_time

if TYPE_CHECKING:
    # Not imported at run time, which would slow the help down.
    from collections.abc import Mapping

    from batcher.model import Json
    from batcher.rules.bucket.filters import When
    from batcher.rules.shards.assignment import Shard

GROUPS = (
    "Service", "Trial start", "Manifest", "Objects of a bucket", "Shards", "Ledger", "Pace", "Stopping",
    "Retries and doubts", "Canary", "Redriving", "Watching", "Output", "Logs and metrics", "Faults", "Executions",
    "General",
)  # fmt: skip
"""The headings of a help, in order."""


MAX_RATE = Option("Maximum starts per second.", least=0.001, default="adapts to the service")
MAX_OUTAGE = Option(
    "Stop when the service has been unavailable for this long, such as 90s or 15m.", DURATION, least=0, default="15m"
)
PROGRESS = Option(
    "Progress on stderr; auto shows a bar on a terminal, otherwise lines, every 10 s to 5 min.", metavar="MODE"
)
SPREADSHEET = Option("Write CSV that a spreadsheet opens safely: no cell is taken for a formula.")


class General(Options):
    """The options that every verb has."""

    group = "General"

    config: Annotated[
        Path | None,
        Option("File with values for the options.", default="batcher.toml, if present"),
    ] = None


class Connection(Options):
    """How to connect to the service."""

    group = "Service"

    timeout: Annotated[float, Option("Time limit for one request.", DURATION, least=0.1)] = 30.0
    verify_tls: Annotated[bool, Option("Do not verify the service's certificate.")] = True
    ca_bundle: Annotated[
        Path | None, Option("Trust the certificates of a private authority in this file too (PEM).")
    ] = None
    credentials: Annotated[
        Place | None,
        Option(
            "Use only credentials from the environment, the credentials file, or the agency of this ECS.",
            metavar="PLACE",
            default="env, then file, then ecs",
        ),
    ] = None

    @property
    def trust(self) -> bool | Path:
        """Whether to verify the service's certificate, or the file of the authorities to trust beside the system's."""
        return self.verify_tls and (self.ca_bundle or True)


def _endpoint(options: "Service") -> str:
    if options.region is None:
        raise UsageError("no endpoint given", "Give --endpoint URL or --region NAME, or set OBS_ENDPOINT.")
    from batcher.rules.service.dialects import dialect_of  # noqa: PLC0415 - keeps the help fast

    return dialect_of(options.api).region_endpoint(options.region)


ENDPOINT = Option(
    "Service endpoint, such as https://obs.cn-north-4.myhuaweicloud.com.",
    short="-e",
    metavar="URL",
    shared_environment=("OBS_ENDPOINT",),
)
REGION = Option("Region whose endpoint to use, such as cn-north-4.", metavar="NAME")
ALLOW_HTTP = Option("Allow an http:// endpoint that is not on this machine.")


class Service(Connection):
    """Which workflow of which service to start."""

    group = "Service"
    alternatives = ("region", "endpoint")

    workflow: Annotated[str, Option("Workflow to start.", short="-w", metavar="NAME")]
    endpoint: Annotated[str, ENDPOINT] = derived(factory=_endpoint)
    region: Annotated[str | None, REGION] = None
    api: Annotated[
        Api,
        Option(
            "API of the service: that of OBS, that of DWR, or the one that the endpoint has. --region alone is OBS.",
            metavar="API",
        ),
    ] = Api.AUTO
    project_id: Annotated[
        str | None,
        Option(
            "Project of the workflow, for dwr-v3.",
            metavar="ID",
            shared_environment=("HUAWEICLOUD_SDK_PROJECT_ID",),
            default="from the credentials file, or by asking IAM",
        ),
    ] = None
    allow_http: Annotated[bool, ALLOW_HTTP] = False


INPUT = Option(
    "Input for every row, NAME=VALUE for text or NAME:=JSON for other types.",
    INPUTS,
    flag="--input",
    short="-i",
    argument='inputs={"NAME": VALUE}',
)


class Listed(Options):
    """How to read the rows of a manifest."""

    group = "Manifest"

    format: Annotated[Format | None, Option("Manifest format.", default="from its name and content")] = None


CHECKPOINT, RECORDS, ENDS, RUN_FOLDER = ".checkpoint", ".executions.jsonl", ".ends.jsonl", ".run"
"""What a job's files are named, after the name of its manifest, unless the user names them."""


def _checkpoint(options: "Manifest") -> Path:
    return options.beside(CHECKPOINT, "--checkpoint")


class Manifest(Listed):
    """Which rows to start, and where their progress is stored."""

    group = "Manifest"

    manifest: Annotated[
        Path | None,
        Option(
            "List of objects, obs://BUCKET/PREFIX, or the checkpoint of a job; - reads standard input.",
            MANIFEST,
            is_argument=True,
        ),
    ]
    bucket: Annotated[str | None, Option("Bucket for rows that do not name one.", short="-b", metavar="NAME")] = None
    inputs: Annotated["Mapping[str, Json]", INPUT] = {}  # noqa: RUF012 - options are immutable
    storage_classes: Annotated[
        frozenset[str],
        Option(
            "Start only objects of this storage class; for OBS inventories and obs://.",
            many(CAPITALS, frozenset),
            flag="--storage-class",
            metavar="NAME",
        ),
    ] = frozenset()
    keep_placeholders: Annotated[bool, Option("Include directory placeholders, whose keys end in /.")] = False
    ignore_columns: Annotated[
        frozenset[str],
        Option(
            "Ignore this column, or this key of JSON Lines, although its name is close to a known one.",
            flag="--ignore-column",
            metavar="NAME",
            argument='ignore_columns=["NAME"]',
        ),
    ] = frozenset()
    allow_duplicates: Annotated[bool, Option("Start repeated rows as often as the manifest lists them.")] = False
    preflight: Annotated[bool, Option("Skip checking inputs against the declared parameters.")] = True
    checkpoint: Annotated[
        Path, Option("File that stores progress between runs.", short="-c", default="MANIFEST.checkpoint")
    ] = derived(factory=_checkpoint)

    def beside(self, suffix: str, flag: str) -> Path:
        """Return the file that is named after the manifest. Raises UsageError if that is standard input."""
        if self.manifest is None:
            raise UsageError(
                f"standard input has no name to derive {flag} from",
                "With - as the manifest, give --format, --output and --checkpoint.",
            )
        return Path(f"{self.manifest}{suffix}")


def _run_dir(options: "Sharded") -> Path:
    if options.manifest is None:
        raise UsageError("standard input has no name to derive --run-dir from", "Give --run-dir DIR.")
    return Path(f"{options.manifest}{RUN_FOLDER}")


class Sharded(Manifest):
    """Which of the rows to start: those of one shard, or all."""

    group = "Shards"

    shard: Annotated[
        "Shard | None",
        Option(
            "Start only the rows of shard I of N, counted from 0; every shard is a run of its own.",
            SHARD,
            default="from the scheduler, see docs/shards.md",
            is_spoken=True,
        ),
    ] = None
    run_dir: Annotated[
        Path, Option("Folder for the plan and the files of all shards.", metavar="DIR", default="MANIFEST.run")
    ] = derived(factory=_run_dir)

    def beside(self, suffix: str, flag: str) -> Path:
        """Return the file of the shard in the run folder, or the file that is named after the manifest."""
        if self.shard is None:
            return super().beside(suffix, flag)
        from batcher.rules.shards.plan import stem  # noqa: PLC0415 - keeps the help fast

        return self.run_dir / f"{stem(self.shard)}{suffix}"


LEDGER = Option("Ledger that jobs share: a row that another job has started is a duplicate here.", metavar="FILE")


class Shared(Options):
    """The ledger that a job shares with others."""

    group = "Ledger"

    ledger: Annotated[Path | None, LEDGER] = None
    again: Annotated[bool, Option("Send rows although another job of the ledger has started them.", is_spoken=True)] = (
        False
    )


class Wanted(Options):
    """Which objects of a bucket to list, and how."""

    group = "Objects of a bucket"

    include: Annotated[
        tuple[str, ...], Option("List only keys that fit one of these patterns, such as *.mp4.", many(PATTERN))
    ] = ()
    exclude: Annotated[tuple[str, ...], Option("Leave out keys that fit one of these patterns.", many(PATTERN))] = ()
    suffixes: Annotated[
        tuple[str, ...],
        Option("List only keys that end like this.", flag="--suffix", argument='suffixes=["TEXT"]'),
    ] = ()
    min_size: Annotated[int | None, Option("Minimum size of an object, such as 10M or 1.5G.", SIZE)] = None
    max_size: Annotated[int | None, Option("Maximum size of an object.", SIZE)] = None
    newer: Annotated[
        "When | None", Option("List only objects modified at or after a date, or since an age, such as 7d.", WHEN)
    ] = None
    older: Annotated[
        "When | None", Option("List only objects modified before a date, or longer ago than an age.", WHEN)
    ] = None
    delimiter: Annotated[str | None, Option("List the groups that this text makes side by side; / makes folders.")] = (
        None
    )
    relist: Annotated[
        bool, Option("List again, and append the objects that the list does not have yet.", is_spoken=True)
    ] = False


class Retries(Options):
    """Which rows to retry."""

    group = "Retries and doubts"

    retry_rejected: Annotated[
        bool, Option("Retry rows that were rejected earlier, or were invalid by the declared parameters.")
    ] = False


class Doubts(Options):
    """How to settle rows in doubt."""

    group = "Retries and doubts"

    predecessor_is_dead: Annotated[
        bool, Option("Declare dead all other processes that have worked on this shard, so that doubts are settled.")
    ] = False

    settle_time: Annotated[
        float,
        Option(
            "Maximum time until a new execution appears in the execution list.",
            DURATION,
            least=0,
            default="30s, or 2 x --timeout if that is longer",
        ),
    ] = derived(factory=lambda options: default_settle_time(options.timeout))


class OfJob(Options):
    """The job that a verb works on."""

    checkpoint: Annotated[Path, Option("Checkpoint of the job, or its manifest.", JOB, is_argument=True)]


class OfManifest(Listed):
    """The job that a verb works on, by its manifest."""

    group = "Manifest"

    manifest: Annotated[Path, Option("Manifest of the job, or its checkpoint.", JOB, is_argument=True)]
    checkpoint: Annotated[Path, Option("Checkpoint file of the job.", short="-c", default="MANIFEST.checkpoint")] = (
        derived(factory=lambda options: Path(f"{options.manifest}.checkpoint"))
    )


class ForPrograms(Options):
    """How a verb prints its result."""

    group = "Output"

    as_json: Annotated[bool, Option("Print one JSON object, for programs.", flag="--json")] = False
