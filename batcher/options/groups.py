"""The options that verbs share, in groups: each declared once, and composed in `verbs`.

No `from __future__ import annotations` here: the declarations are read off the annotations at run time.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from batcher.errors import UsageError
from batcher.options.declaring import Option, Options, derived
from batcher.options.kinds import CAPITALS, DURATION, INPUTS, MANIFEST, many
from batcher.rules.choices import Format, Place
from batcher.rules.doubts.settle_time import SETTLE_TIME

if TYPE_CHECKING:
    # Not at run time: the help would wait for them.
    from collections.abc import Mapping

    from batcher.model import Json

GROUPS = (
    "Service", "Trial start", "Manifest", "Pace", "Stopping", "Retries and doubts", "Output", "Logs and metrics",
    "Faults", "Executions", "General",
)  # fmt: skip
"""The headings of a help, in their order."""


class General(Options):
    """What every verb has."""

    group = "General"

    config: Annotated[
        Path | None,
        Option("File with defaults for the options.", default="batcher.toml, if present"),
    ] = None


class Connection(Options):
    """How the service is reached."""

    group = "Service"

    timeout: Annotated[float, Option("Time limit for one request.", DURATION, least=0.1)] = 30.0
    verify_tls: Annotated[bool, Option("Do not verify the service's certificate.")] = True
    credentials: Annotated[
        Place | None,
        Option(
            "Look for credentials in one place only: the environment, a file, or the agency of this ECS.",
            metavar="PLACE",
            default="all of them, in this order",
        ),
    ] = None


def _endpoint(options: "Service") -> str:
    if options.region is None:
        raise UsageError("no endpoint given", "Give --endpoint URL or --region NAME, or set OBS_ENDPOINT.")
    from batcher.rules.service.dialects import DIALECT  # noqa: PLC0415 - the help waits for no rule

    return DIALECT.region_endpoint(options.region)


class Service(Connection):
    """Which workflow of which service."""

    group = "Service"
    alternatives = ("region", "endpoint")

    workflow: Annotated[str, Option("Workflow to start.", short="-w", metavar="NAME")]
    endpoint: Annotated[
        str,
        Option(
            "Service endpoint, such as https://obs.cn-north-4.myhuaweicloud.com.",
            short="-e",
            metavar="URL",
            shared_environment=("OBS_ENDPOINT",),
        ),
    ] = derived(factory=_endpoint)
    region: Annotated[str | None, Option("Use the endpoint of this region, such as cn-north-4.", metavar="NAME")] = None
    allow_http: Annotated[bool, Option("Allow an http:// endpoint that is not on this machine.")] = False


class Inputs(Options):
    """What every row is started with."""

    group = "Manifest"

    inputs: Annotated[
        "Mapping[str, Json]",
        Option(
            "Input for every row, NAME=VALUE for text or NAME:=JSON for other types.",
            INPUTS,
            flag="--input",
            short="-i",
            argument='inputs={"NAME": VALUE}',
        ),
    ] = {}  # noqa: RUF012 - as every option it does not change


class Listed(Options):
    """How the rows of a manifest are read."""

    group = "Manifest"

    format: Annotated[Format | None, Option("Manifest format.", default="by the manifest's name and content")] = None


def _checkpoint(options: "Manifest") -> Path:
    return options.beside(".checkpoint", "--checkpoint")


class Manifest(Inputs, Listed):
    """Which rows there are to start, and what is known about them."""

    group = "Manifest"

    manifest: Annotated[Path | None, Option("List of objects; - reads standard input.", MANIFEST, is_argument=True)]
    bucket: Annotated[str | None, Option("Bucket for rows that name none.", short="-b", metavar="NAME")] = None
    storage_classes: Annotated[
        frozenset[str],
        Option(
            "Start only objects of this storage class; for inventories.",
            many(CAPITALS, frozenset),
            flag="--storage-class",
            metavar="NAME",
        ),
    ] = frozenset()
    keep_placeholders: Annotated[bool, Option("Include directory placeholders: keys that end in /.")] = False
    allow_duplicates: Annotated[bool, Option("Start a row as often as the manifest repeats it.")] = False
    preflight: Annotated[bool, Option("Skip checking inputs against the declared parameters.")] = True
    checkpoint: Annotated[
        Path, Option("File that stores progress between runs.", short="-c", default="MANIFEST.checkpoint")
    ] = derived(factory=_checkpoint)

    def beside(self, suffix: str, flag: str) -> Path:
        """Give the file that is named after the manifest. Raises UsageError where that is standard input."""
        if self.manifest is None:
            raise UsageError(
                f"standard input has no name to derive {flag} from",
                "With - as the manifest give --format, --output and --checkpoint.",
            )
        return Path(f"{self.manifest}{suffix}")


class Retries(Options):
    """What is sent again."""

    group = "Retries and doubts"

    retry_rejected: Annotated[
        bool, Option("Retry rows that an earlier run found rejected, or invalid by the declared parameters.")
    ] = False


class Doubts(Options):
    """How rows in doubt are settled."""

    group = "Retries and doubts"

    settle_time: Annotated[
        float, Option("How long an execution may be missing from the execution list.", DURATION, least=0)
    ] = SETTLE_TIME


class OfJob(Options):
    """Which job a verb is about."""

    checkpoint: Annotated[Path, Option("Checkpoint file of the job.", is_argument=True)]


class ForPrograms(Options):
    """How a verb shows what it has found."""

    group = "Output"

    as_json: Annotated[bool, Option("Print one JSON object, for programs.", flag="--json")] = False
