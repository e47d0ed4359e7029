"""What `batcher reconcile` does: opens a job's files without the job, and settles its rows in doubt."""

from __future__ import annotations

from batcher.app.doubts import Doubts
from batcher.app.job_files import open_files
from batcher.app.service import open_keys
from batcher.app.world import World
from batcher.edges.service import ObsV2
from batcher.errors import ExitCode, JobError
from batcher.flow.drain import Drain
from batcher.flow.reconcile import ASKERS
from batcher.model import Status
from batcher.options.verbs import ReconcileOptions
from batcher.rules.choices import OnDoubt


async def settle(options: ReconcileOptions, world: World) -> ExitCode:
    """Settle the rows in doubt of a checkpoint, and say how many are left. Raises JobError where that cannot be."""
    drain = Drain()
    with world.draining_on_signals(drain.begin, world.voice.say):
        async with (
            open_keys(options.credentials, world, drain, world.voice.warn) as keys,
            open_files(options.checkpoint, None, None, world) as files,
        ):
            header = await files.checkpoint.header()
            async with world.connect(
                header.endpoint, connections=ASKERS, timeout=options.timeout, verify_tls=options.verify_tls
            ) as transport:
                service = ObsV2(
                    transport.send,
                    keys.use,
                    header.workflow,
                    world.voice.warn,
                    clock=world.clock,
                    steady=world.steady,
                )
                doubts = Doubts(files, service, drain, world, OnDoubt.RECONCILE, options.settle_time)
                findings = await doubts.settle(patient=True)
            left = (await files.checkpoint.count_unsettled())[Status.IN_DOUBT]
    if isinstance(drain.reason, JobError):
        raise drain.reason
    if drain.reason is not None:
        return drain.reason
    if left:
        world.voice.say(f"rows still in doubt: {left:,}. Run this again later.")
        return ExitCode.ROWS_IN_DOUBT
    again = " Run the job's own command to send the rows that were never started." if findings.released else ""
    world.voice.say(f"No row is in doubt.{again}")
    return ExitCode.OK
