"""`batcher reconcile`: settle a job's rows in doubt by the service's execution list, without starting anything."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from batcher.app.process import fast_loop
from batcher.app.voice import complain
from batcher.cli.flags import SETTLE_TIME, TIMEOUT, CredentialsPlace, NoVerifyTls, SettleTime, Timeout
from batcher.errors import JobError

HELP = """Ask the service's execution list about a job's rows in doubt, and settle those that it tells about.

\b
Examples:
  batcher reconcile objects.csv.checkpoint
  batcher reconcile objects.csv.checkpoint --settle-time 120

A row that is found started gets its record. A row that was never started is free to be sent: the job's own command
sends it. Nothing is started here. Exit code 3 says that rows are still in doubt.
"""


def reconcile(
    checkpoint: Annotated[Path, typer.Argument(help="The job's checkpoint file.", metavar="CHECKPOINT")],
    settle_time: SettleTime = SETTLE_TIME,
    timeout: Timeout = TIMEOUT,
    no_verify_tls: NoVerifyTls = False,
    credentials: CredentialsPlace = None,
) -> None:
    """Settle the rows in doubt, and end the process with the exit code that tells the truth."""
    try:
        # Imported late, so that the help does not wait for the HTTP client.
        from batcher.app.reconcile import Settling, settle  # noqa: PLC0415
        from batcher.app.world import World  # noqa: PLC0415

        settling = Settling(checkpoint, settle_time, timeout, verify_tls=not no_verify_tls, credentials=credentials)
        with asyncio.Runner(loop_factory=fast_loop()) as runner:
            code = runner.run(settle(settling, World()))
    except JobError as error:
        complain(error)
        code = error.exit_code
    sys.exit(code)
