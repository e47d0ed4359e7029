"""`batcher doctor`: what one start shows of a service, and the settings that follow from it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from batcher.app.dialect import DIALECT
from batcher.app.job_identity import endpoint_of
from batcher.app.process import fast_loop
from batcher.app.voice import complain
from batcher.cli.flags import (
    TIMEOUT,
    AllowHttp,
    CredentialsPlace,
    Endpoint,
    Inputs,
    NoVerifyTls,
    Region,
    Timeout,
    Workflow,
)
from batcher.edges.settings_file import NAME
from batcher.errors import ExitCode, JobError, UsageError
from batcher.rules.rows.values import parse_inputs
from batcher.rules.service import names
from batcher.rules.text import printable

HELP = """Start ONE execution of a workflow, and find out what the service's documents leave open.

\b
Examples:
  batcher doctor -w transcode --region cn-north-4 -b my-videos --object "in/clip 01.mp4"
  batcher doctor -w transcode --region cn-north-4 -b my-videos --object "in/clip 01.mp4" --i-accept-one-start

Without --i-accept-one-start it says what it would do and ends with 64. With it one execution is started, which runs
and is paid for like any other. It is sent once and never again, whatever the answer. Then the list is asked for it
and for what it was started with; each point is confirmed, differs or could not be seen. The settings that follow
(settle-time, on-doubt, trust-503) are written to batcher.toml, where batcher run finds them. What a person wrote there
stays as it is.

A key with a blank, a % and a letter outside of ASCII shows most, and so do inputs of several types.

\b
Exit codes: 0 started and found, 1 rejected, 3 in doubt, 64 not accepted, others as of batcher run.
"""

PATIENCE = 120.0
"""The default, in seconds."""


class UnacceptedError(JobError):
    """Nobody has said that the one start is accepted."""

    exit_code = ExitCode.UNACCEPTED


def doctor(  # noqa: PLR0913, PLR0917 - one argument for each option of the command
    workflow: Workflow,
    object_: Annotated[str, typer.Option("--object", help="The key of the object to start it for.", metavar="KEY")],
    bucket: Annotated[
        str, typer.Option("-b", "--bucket", help="The bucket of the object.", envvar="BATCHER_BUCKET", metavar="NAME")
    ],
    accepted: Annotated[
        bool, typer.Option("--i-accept-one-start", help="Start one execution, which is paid for like any other.")
    ] = False,
    endpoint: Endpoint = None,
    region: Region = None,
    inputs: Inputs = None,
    patience: Annotated[
        float, typer.Option(help="How long to look for the execution in the list.", min=0, metavar="SECONDS")
    ] = PATIENCE,
    write: Annotated[
        Path, typer.Option(help="Where the settings go that follow.", dir_okay=False, metavar="FILE")
    ] = Path(NAME),
    as_json: Annotated[bool, typer.Option("--json", help="For programs: one JSON object.")] = False,
    timeout: Timeout = TIMEOUT,
    allow_http: AllowHttp = False,
    no_verify_tls: NoVerifyTls = False,
    credentials: CredentialsPlace = None,
) -> None:
    """Check the options, start one execution if that is accepted, and end the process with the code that tells."""
    try:
        url = DIALECT.endpoint(endpoint_of(endpoint, region), allow_http=allow_http).url
        _check(workflow, bucket, object_)
        given = parse_inputs(inputs or ())
        if not accepted:
            raise UnacceptedError(
                f"batcher doctor would start ONE execution of {workflow} for {bucket}/{printable(object_)} at {url},"
                " and ask some ten questions about it",
                "The execution runs, writes what it writes and is paid for like any other; batcher cannot take it back."
                " Nothing was sent. If that is what you want, add --i-accept-one-start.",
            )
        # Imported late, so that the help does not wait for the HTTP client.
        from batcher.app.doctor import Examining, examine  # noqa: PLC0415
        from batcher.app.world import World  # noqa: PLC0415

        examining = Examining(
            url,
            workflow,
            bucket,
            object_,
            given,
            patience=patience,
            write=write,
            as_json=as_json,
            timeout=timeout,
            verify_tls=not no_verify_tls,
            credentials=credentials,
        )
        with asyncio.Runner(loop_factory=fast_loop(tls=url.startswith("https:"))) as runner:
            code = runner.run(examine(examining, World()))
    except JobError as error:
        complain(error)
        code = error.exit_code
    sys.exit(code)


def _check(workflow: str, bucket: str, key: str) -> None:
    faults = {
        f"--workflow {workflow}": DIALECT.workflow_fault(workflow),
        f"--bucket {bucket}": names.bucket_fault(bucket),
        f"--object {printable(key)}": names.object_fault(key),
    }
    for where, fault in faults.items():
        if fault is not None:
            raise UsageError(f"{where}: {fault}")
