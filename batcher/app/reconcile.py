"""What `batcher reconcile` does: opens a job's files without the job, and settles its rows in doubt."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from batcher.app.doubts import Doubts
from batcher.app.job_files import open_files
from batcher.app.job_identity import job_of
from batcher.app.options import OnDoubt
from batcher.app.service import open_keys
from batcher.app.world import World
from batcher.edges.credentials import Place
from batcher.edges.service import ObsV2
from batcher.errors import ExitCode, JobError
from batcher.flow.drain import Drain
from batcher.flow.reconcile import ASKERS
from batcher.model import State
from batcher.rules.report.next_commands import run


class Settling(NamedTuple):
    """What `batcher reconcile` was asked for; times are in seconds."""

    checkpoint: Path
    settle_time: float
    timeout: float
    verify_tls: bool
    credentials: Place | None


async def settle(settling: Settling, world: World) -> ExitCode:
    """Settle the rows in doubt of a checkpoint, and say how many are left. Raises JobError where that cannot be."""
    drain = Drain()
    with world.draining_on_signals(drain.begin, world.voice.say):
        async with (
            open_keys(settling.credentials, world, drain, world.voice.warn) as keys,
            open_files(settling.checkpoint, None, None, world) as files,
        ):
            card = files.card
            async with world.connect(
                card.endpoint, connections=ASKERS, timeout=settling.timeout, verify_tls=settling.verify_tls
            ) as transport:
                service = ObsV2(
                    transport.send,
                    keys.use,
                    card.workflow,
                    world.voice.warn,
                    clock=world.clock,
                    steady=world.steady,
                )
                doubts = Doubts(files, service, drain, world, OnDoubt.RECONCILE, settling.settle_time)
                findings = await doubts.settle(patient=True)
            left = (await files.checkpoint.count_unsettled())[State.IN_DOUBT]
    if isinstance(drain.reason, JobError):
        raise drain.reason
    if drain.reason is not None:
        return drain.reason
    if left:
        world.voice.say(f"rows still in doubt: {left:,}. Run this again later.")
        return ExitCode.ROWS_IN_DOUBT
    world.voice.say("No row is in doubt.")
    if findings.released:
        world.voice.say(f"to send the rows that were never started: {run(job_of(card, settling.checkpoint))}")
    return ExitCode.OK
