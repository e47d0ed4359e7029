"""`batcher doctor`: starts one execution to learn how a service behaves, and writes the settings that follow."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from batcher.errors import ExitCode, JobError, UsageError
from batcher.model import Json
from batcher.options.verbs import DoctorOptions
from batcher.rules.doctor.advice import points_of, untried_of
from batcher.rules.doctor.points import Finding
from batcher.rules.rows.identity import bucket_fault, object_fault
from batcher.rules.text import printable

if TYPE_CHECKING:
    from batcher.app.doctor import Examined

OPTIONS = DoctorOptions

HELP = """Start ONE execution of a workflow, and check what the service's documentation does not specify.

\b
Examples:
  batcher doctor -w transcode --region cn-north-4 -b my-videos \\
      --object "in/clip 01.mp4"
  batcher doctor -w transcode --region cn-north-4 -b my-videos \\
      --object "in/clip 01.mp4" --i-accept-one-start

Without --i-accept-one-start, the command shows what it would do and exits with code 64. With it, the command starts
one execution, which runs and is billed like any other. It sends the start only once, whatever the answer. Then it
searches the execution list for the execution and its inputs, and reports for each point whether it is confirmed,
differs, or was not seen. It writes the resulting settings (settle-time, on-doubt, trust-503) to batcher.toml, where
batcher run finds them. It keeps the settings that you wrote there.

With the checkpoint of a job, the start is kept there, but not as a row. It shows batcher run and batcher reconcile
whether the execution list can settle the rows in doubt of a job none of whose starts was ever answered.

An object key with a space, a % and a non-ASCII letter shows the most, as do inputs of several types.

Exit codes: 0 started and found, 1 rejected, 3 in doubt, 64 not accepted, otherwise as for batcher run.
"""

NEXT: Mapping[ExitCode, str] = {
    ExitCode.OK: "next: batcher run MANIFEST with the same --workflow and endpoint, in this directory",
    ExitCode.ROWS_REJECTED: "The service refused this start: fix the object, the inputs or the workflow.",
    ExitCode.ROWS_IN_DOUBT: "The execution may have been started, but the execution list does not show it. Look for it"
    " in the console before you try again.",
}


class UnacceptedError(JobError):
    """The user has not accepted the one start."""

    exit_code = ExitCode.UNACCEPTED


def doctor(options: DoctorOptions) -> ExitCode:
    """Check the options, start one execution if the user accepts it, and return the exit code."""
    url = _url(options)
    _check(options.workflow, options.bucket, options.object)
    if not options.is_accepted:
        raise UnacceptedError(
            f"batcher doctor would start ONE execution of {options.workflow} for"
            f" {options.bucket}/{printable(options.object)} at {url}, and send about ten requests about it"
            f"{_kept(options)}",
            "The execution runs, writes its output and is billed like any other; batcher cannot undo it. Nothing was"
            " sent. To accept this, add --i-accept-one-start.",
        )
    import asyncio

    from batcher.app.doctor import examine
    from batcher.app.process import fast_loop
    from batcher.app.voice import say
    from batcher.app.world import World
    from batcher.rules.report.next_commands import about

    with asyncio.Runner(loop_factory=fast_loop(tls=url.startswith("https:"))) as runner:
        code = runner.run(examine(options, World(), lambda examined: _show(options, examined)))
    if code is ExitCode.OK and options.checkpoint is not None:
        say(f"next: {about('reconcile', options.checkpoint)}")
    elif code in NEXT:
        say(NEXT[code])
    return code


def _kept(options: DoctorOptions) -> str:
    return "" if options.checkpoint is None else f", and keep it in {options.checkpoint}"


def _url(options: DoctorOptions) -> str:
    from batcher.rules.service.names import endpoint

    return endpoint(options.endpoint, allow_http=options.allow_http).url


def _check(workflow: str, bucket: str, key: str) -> None:
    from batcher.rules.service.names import workflow_fault

    faults = {
        f"--workflow {workflow}": workflow_fault(workflow),
        f"--bucket {bucket}": bucket_fault(bucket),
        f"--object {printable(key)}": object_fault(key),
    }
    for where, fault in faults.items():
        if fault is not None:
            raise UsageError(f"{where}: {fault}")


def _show(options: DoctorOptions, examined: Examined) -> None:
    """Print the result: one JSON object, or one line for each point."""
    if options.as_json:
        print(json.dumps(_document(options, examined)))
    else:
        from batcher.app.voice import show

        for line in _lines(options, examined):
            show(line)


def _document(options: DoctorOptions, examined: Examined) -> dict[str, Json]:
    seen, file, points = examined.seen, examined.file, points_of(examined.api)
    findings = {point.name: point.tell(seen) for point in points}
    return {
        "endpoint": _url(options),
        "workflow": options.workflow,
        "bucket": options.bucket,
        "object": options.object,
        "execution_name": None if seen.execution is None else seen.execution.name,
        "points": [
            {
                "point": point.name,
                "assumed": point.assumed,
                "finding": findings[point.name].finding,
                "seen": findings[point.name].seen,
            }
            for point in points
        ],
        "untried": list(untried_of(examined.api)),
        "settings": {key: setting._asdict() for key, setting in examined.settings.items()},
        "kept": dict(file.kept),
        "file": str(options.write) if examined.settings else None,
    }


def _lines(options: DoctorOptions, examined: Examined) -> Iterator[str]:
    seen, kept = examined.seen, examined.file.kept
    if seen.execution is not None:
        yield f"execution {seen.execution.name}"
    for point in points_of(examined.api):
        finding, what = point.tell(seen)
        but = f", not that {point.assumed}" if finding is Finding.DIFFERS else ""
        yield f"{finding:<10} {point.name:<17} {printable(what)}{but}"
    for what in untried_of(examined.api):
        yield f"{'untried':<28} {what}"
    if examined.settings:
        yield from ("", f"{options.write}:")
    for key, setting in examined.settings.items():
        value = json.dumps(setting.value)
        if key in kept:
            yield f"  {key} = {json.dumps(kept[key])}, kept as you wrote it; this check suggests {value}"
        else:
            yield f"  {key} = {value}, because {setting.why}"
