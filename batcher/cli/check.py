"""`batcher check`: what a person wants to know before a run: the service, the manifest, and what would be started."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from batcher.app.job_identity import beside, endpoint_of
from batcher.app.process import calm_collector
from batcher.app.voice import complain, say
from batcher.cli.flags import (
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
    NoVerifyTls,
    Region,
    RetryRejected,
    StorageClasses,
    Timeout,
    Workflow,
    choice_of,
)
from batcher.errors import ExitCode, JobError
from batcher.model import Json, Parameter, State
from batcher.rules.records.codec import described
from batcher.rules.rows.admission import Policy
from batcher.rules.rows.values import parse_inputs
from batcher.rules.text import printable

if TYPE_CHECKING:
    from batcher.app.check import Checked

HELP = """Tell what MANIFEST holds and what a run would start, without starting anything.

\b
Examples:
  batcher check objects.csv -w transcode --region cn-north-4 -b my-videos
  batcher check BucketInventory/my-videos/rule/2026-11-24T00-00Z/manifest.json -w transcode --region cn-north-4
  batcher check objects.csv -w transcode --region cn-north-4 --json | jq .forecast

Give the options of the run. It asks the service for the workflow, with one signed request: that shows that endpoint,
clock and keys are right, and which inputs the workflow takes. It reads the whole manifest, and the checkpoint if there
is one, also while a run goes on. It changes nothing.

\b
Exit codes: 0 all rows are sound; 65 some rows are bad, or the manifest is unusable; else those of batcher run.
"""

SHOWN_BUCKETS = 10

FORECAST = {
    "to_start": (State.PENDING, "would be started"),
    "started": (State.STARTED, "started already"),
    "in_doubt": (State.IN_DOUBT, "in doubt, or on the wire of a run that goes on"),
    "rejected": (State.REJECTED, "rejected earlier"),
    "invalid": (State.INVALID, "invalid earlier"),
    "duplicate": (State.DUPLICATE, "duplicates, not started"),
    "dismissed": (State.DISMISSED, "dismissed earlier"),
}
"""What a run would do with the sound rows: the name for programs, and the words for people."""


def check(  # noqa: PLR0913, PLR0917 - one argument for each option of the command
    manifest: ManifestFile,
    workflow: Workflow,
    endpoint: Endpoint = None,
    region: Region = None,
    bucket: Bucket = None,
    inputs: Inputs = None,
    checkpoint: CheckpointFile = None,
    format_: FormatName = None,
    storage_class: StorageClasses = None,
    keep_placeholders: KeepPlaceholders = False,
    retry_rejected: RetryRejected = False,
    allow_duplicates: AllowDuplicates = False,
    no_preflight: Annotated[
        bool, typer.Option("--no-preflight", help="Ask the service nothing: look at the manifest only.")
    ] = False,
    bad_rows: Annotated[
        Path | None, typer.Option(help="Write all bad rows to this new file, as JSON Lines.", metavar="FILE")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: one JSON object.")] = False,
    timeout: Timeout = TIMEOUT,
    allow_http: AllowHttp = False,
    no_verify_tls: NoVerifyTls = False,
    credentials: CredentialsPlace = None,
) -> None:
    """Check, print what was found, and end the process with the exit code that tells the truth."""
    try:
        # Imported late, so that the help does not wait for the HTTP client.
        from batcher.app.check import Checking, check_manifest  # noqa: PLC0415
        from batcher.app.world import World  # noqa: PLC0415

        has_name = checkpoint is not None or manifest != "-"
        checking = Checking(
            manifest=None if manifest == "-" else Path(manifest),
            workflow=workflow,
            endpoint=endpoint_of(endpoint, region),
            bucket=bucket,
            inputs=parse_inputs(inputs or ()),
            checkpoint=beside(manifest, checkpoint, ".checkpoint", "--checkpoint") if has_name else None,
            bad_rows=bad_rows,
            format=format_,
            choice=choice_of(storage_class, keep_placeholders=keep_placeholders),
            policy=Policy(retry_rejected, allow_duplicates),
            preflight=not no_preflight,
            timeout=timeout,
            allow_http=allow_http,
            verify_tls=not no_verify_tls,
            credentials=credentials,
        )
        calm_collector()
        checked = check_manifest(checking, World())
    except JobError as error:
        complain(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(ExitCode.SIGINT)
    if as_json:
        print(json.dumps(_document(manifest, checked)))
    else:
        for line in _lines(manifest, checked):
            print(printable(line))
    say(_verdict(checked))
    sys.exit(ExitCode.MANIFEST if checked.bad else ExitCode.OK)


def _verdict(checked: Checked) -> str:
    if checked.bad:
        return f"{checked.bad:,} rows are bad. A run records them as invalid and starts the others."
    return "All rows are sound. Nothing was started."


def _document(manifest: str, checked: Checked) -> Mapping[str, Json]:
    workflow, forecast = checked.workflow, checked.forecast
    return {
        "manifest": manifest,
        "format": checked.format,
        "endpoint": checked.card.endpoint,
        "workflow": checked.card.workflow,
        "credentials": checked.credentials,
        "parameters": None if workflow is None else [_parameter(each) for each in workflow.parameters.values()],
        "triggers": None if workflow is None else list(workflow.triggers),
        "rows": checked.rows,
        "bad": checked.bad,
        "bad_rows": [described(row) for row in checked.first_bad],
        "repeated": forecast.repeated,
        "repeated_rows": [repeat._asdict() for repeat in forecast.repeats],
        "skipped": dict(checked.skipped),
        "buckets": dict(checked.buckets.most_common()),
        "forecast": {name: forecast.states[state] for name, (state, _) in FORECAST.items()},
        "warnings": checked.warnings,
    }


def _parameter(parameter: Parameter) -> Mapping[str, Json]:
    return {
        "name": parameter.name,
        "type": parameter.type,
        "required": not parameter.has_value,
        "constraints": parameter.constraints,
    }


def _service_lines(manifest: str, checked: Checked) -> Iterator[str]:
    yield f"{manifest}: {checked.format}, for workflow {checked.card.workflow} at {checked.card.endpoint}"
    if checked.credentials is not None:
        yield f"credentials: {checked.credentials}"
    for parameter in checked.workflow.parameters.values() if checked.workflow else ():
        needed = "has a default" if parameter.has_value else "must be given"
        yield f"parameter {parameter.name}: {parameter.type or 'of any type'}, {needed}"


def _lines(manifest: str, checked: Checked) -> Iterator[str]:
    yield from _service_lines(manifest, checked)
    yield _count(checked.rows, "rows")
    yield _count(checked.bad, "bad")
    yield _count(checked.forecast.repeated, "of the same content as an earlier row")
    for name, (state, words) in FORECAST.items():
        if checked.forecast.states[state] or name == "to_start":
            yield _count(checked.forecast.states[state], words)
    for bucket, count in checked.buckets.most_common(SHOWN_BUCKETS):
        yield _count(count, f"in bucket {bucket}")
    if len(checked.buckets) > SHOWN_BUCKETS:
        yield f"and {len(checked.buckets) - SHOWN_BUCKETS:,} more buckets"
    for row in checked.first_bad:
        yield f"bad: {row.reason}"
    if checked.bad > len(checked.first_bad):
        yield f"bad: and {checked.bad - len(checked.first_bad):,} more: --bad-rows FILE has them all"
    for line, first_line in checked.forecast.repeats:
        yield f"repeated: line {line} is line {first_line} again"
    if checked.forecast.repeated > len(checked.forecast.repeats):
        yield f"repeated: and {checked.forecast.repeated - len(checked.forecast.repeats):,} more"


def _count(count: int, words: str) -> str:
    return f"{count:>14,}  {words}"
