"""What `batcher reconcile` does: opens a job's files without the job, and settles its rows in doubt."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from batcher.app.doubts import Doubts
from batcher.app.job_files import open_files
from batcher.app.options import OnDoubt
from batcher.app.process import draining_on_signals
from batcher.app.service import open_keys
from batcher.app.voice import say, warn
from batcher.edges.credentials import Place
from batcher.edges.service import ObsV2
from batcher.edges.transport import connect
from batcher.errors import ExitCode, JobError
from batcher.flow.drain import Drain
from batcher.flow.reconcile import ASKERS
from batcher.model import Status


class Settling(NamedTuple):
    """What `batcher reconcile` was asked for; times are in seconds."""

    checkpoint: Path
    settle_time: float
    timeout: float
    verify_tls: bool
    credentials: Place | None


async def settle(settling: Settling, environment: Mapping[str, str]) -> ExitCode:
    """Settle the rows in doubt of a checkpoint, and say how many are left. Raises JobError where that cannot be."""
    drain = Drain()
    with draining_on_signals(drain.begin):
        async with (
            open_keys(settling.credentials, environment, drain, warn) as keys,
            open_files(settling.checkpoint, None, None) as files,
        ):
            header = await files.checkpoint.header()
            async with connect(
                header.endpoint, connections=ASKERS, timeout=settling.timeout, verify_tls=settling.verify_tls
            ) as transport:
                service = ObsV2(transport.send, keys.use, header.workflow, warn)
                doubts = Doubts(files, service, drain, OnDoubt.RECONCILE, settling.settle_time)
                findings = await doubts.settle(patient=True)
            left = (await files.checkpoint.count_unsettled())[Status.IN_DOUBT]
    if isinstance(drain.reason, JobError):
        raise drain.reason
    if drain.reason is not None:
        return drain.reason
    if left:
        say(f"rows still in doubt: {left:,}. Run this again later.")
        return ExitCode.ROWS_IN_DOUBT
    again = " Run the job's own command to send the rows that were never started." if findings.released else ""
    say(f"No row is in doubt.{again}")
    return ExitCode.OK
