"""`batcher check`: shows the service, the manifest and what a run would start, without starting anything."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from batcher.errors import ExitCode
from batcher.model import Json, Parameter, Status
from batcher.options.verbs import CheckOptions
from batcher.rules.bucket import heads
from batcher.rules.bucket.heads import Finding
from batcher.rules.records.codec import described
from batcher.rules.text import counted

if TYPE_CHECKING:
    from batcher.app.check import Checked

OPTIONS = CheckOptions

HELP = """Check MANIFEST and show what a run would start, without starting anything.

\b
Examples:
  batcher check objects.csv -w transcode --region cn-north-4 -b my-videos
  batcher check -w transcode --region cn-north-4 \\
      BucketInventory/my-videos/rule/2026-11-24T00-00Z/manifest.json
  batcher check objects.csv -w transcode --region cn-north-4 --json \\
      | jq .forecast

Give the same options as for the run. One signed request asks the service for the workflow: it verifies the endpoint,
the clock and the credentials, and shows the declared parameters. The command reads the whole manifest, and the
checkpoint if one exists, also during a run. It changes nothing.

Exit codes: 0 if all rows are valid, 65 if some rows are bad or the manifest is unusable, otherwise as for batcher run.
"""

SHOWN_BUCKETS = 10

FORECAST = {
    "to_start": (Status.PENDING, "would be started"),
    "started": (Status.STARTED, "already started"),
    "in_doubt": (Status.IN_DOUBT, "in doubt, or being sent by a running job"),
    "rejected": (Status.REJECTED, "rejected earlier"),
    "invalid": (Status.INVALID, "invalid earlier"),
    "duplicate": (Status.DUPLICATE, "duplicate, not started"),
    "dismissed": (Status.DISMISSED, "dismissed earlier"),
}
"""What a run would do with the valid rows: the name for programs, and the words for people."""


def check(options: CheckOptions) -> ExitCode:
    """Check, print the result and return the exit code."""
    from batcher.app.check import check_manifest
    from batcher.app.process import calm_collector
    from batcher.app.voice import say, show
    from batcher.app.world import World

    calm_collector()
    checked = check_manifest(options, World())
    manifest = str(options.manifest or "-")
    if options.as_json:
        print(json.dumps(_document(manifest, checked)))
    else:
        for line in _lines(manifest, checked):
            show(line)
    say(_verdict(checked))
    return ExitCode.MANIFEST if checked.bad or _missing(checked) else ExitCode.OK


def _missing(checked: Checked) -> int:
    return sum(each.finding is Finding.MISSING for each in checked.looked)


def _verdict(checked: Checked) -> str:
    missing = _missing(checked)
    if missing:
        return f"{counted(missing, 'object')} of {len(checked.looked):,} missing. A run with --head starts nothing."
    if not checked.bad:
        return "All rows are valid. Nothing was started."
    are, them = ("is", "it") if checked.bad == 1 else ("are", "them")
    return f"{counted(checked.bad, 'row')} {are} bad. A run records {them} as invalid and starts the others."


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
        "forecast": {name: forecast.counts[status] for name, (status, _) in FORECAST.items()},
        "looked_at": [each._asdict() for each in checked.looked],
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
        needed = "has a default" if parameter.has_value else "required"
        yield f"parameter {parameter.name}: {parameter.type or 'any type'}, {needed}"


def _lines(manifest: str, checked: Checked) -> Iterator[str]:
    yield from _service_lines(manifest, checked)
    yield _count(checked.rows, "row" if checked.rows == 1 else "rows")
    yield _count(checked.bad, "bad")
    yield _count(checked.forecast.repeated, "with the same content as an earlier row")
    for name, (status, words) in FORECAST.items():
        if checked.forecast.counts[status] or name == "to_start":
            yield _count(checked.forecast.counts[status], words)
    for bucket, count in checked.buckets.most_common(SHOWN_BUCKETS):
        yield _count(count, f"in bucket {bucket}")
    if len(checked.buckets) > SHOWN_BUCKETS:
        yield f"and {counted(len(checked.buckets) - SHOWN_BUCKETS, 'more bucket')}"
    if checked.looked:
        yield from heads.lines(checked.looked)
    for row in checked.first_bad:
        yield f"bad: {row.reason}"
    if checked.bad > len(checked.first_bad):
        yield f"bad: and {checked.bad - len(checked.first_bad):,} more; --bad-rows FILE writes all of them"
    for line, first_line in checked.forecast.repeats:
        yield f"repeated: line {line} repeats line {first_line}"
    if checked.forecast.repeated > len(checked.forecast.repeats):
        yield f"repeated: and {checked.forecast.repeated - len(checked.forecast.repeats):,} more"


def _count(count: int, words: str) -> str:
    return f"{count:>14,}  {words}"
