"""What `batcher reconcile` does: opens a job's files without its manifest, and settles its rows in doubt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from batcher.app.api import chosen_before
from batcher.app.attempt import Attempt, Terms, need_latest, open_attempt
from batcher.app.doubts import Doubts
from batcher.app.job_files import open_files
from batcher.app.job_identity import job_of
from batcher.app.membership import open_joined
from batcher.app.run_folder import checkpoints_of
from batcher.app.service import Site, open_credentials, open_service
from batcher.app.world import World
from batcher.edges.checkpoint import Glance, glance
from batcher.errors import BusyError, ExitCode, JobError
from batcher.flow.drain import Drain
from batcher.flow.reconcile import ASKERS
from batcher.model import Status
from batcher.options.verbs import ReconcileOptions
from batcher.rules.choices import OnDoubt
from batcher.rules.doubts.settle_time import condition
from batcher.rules.report.next_commands import run

_GOES_ON = frozenset({ExitCode.OK, ExitCode.ROWS_IN_DOUBT, ExitCode.BUSY})
"""How the work on one shard may end so that the next one is looked at."""


async def settle_all(options: ReconcileOptions, world: World) -> ExitCode:
    """Settle the rows in doubt of a job, in a run folder those of one shard after the other. Returns the worst end.

    A shard that is being run is left to its run. Raises what `settle` raises.
    """
    found = checkpoints_of(options.checkpoint)
    if found == [options.checkpoint]:
        return await settle(options, world)
    # The first look dates the rows that a crash has left. So the settle time of all shards passes at once.
    doubtful = [checkpoint for checkpoint in found if _has_doubts(glance(checkpoint))]
    if len(doubtful) > 1:
        world.voice.say(f"{len(doubtful)} shards have rows in doubt: a first look, before waiting for any of them")
        worst = await _settle_each(doubtful, options, world, patient=False)
        if worst not in _GOES_ON:
            return worst
    return await _settle_each(found, options, world, patient=True)


def _has_doubts(seen: Glance) -> bool:
    return bool(seen.unsettled) and not seen.running


async def _settle_each(
    checkpoints: Sequence[Path], options: ReconcileOptions, world: World, *, patient: bool
) -> ExitCode:
    """Settle one checkpoint after the other. Return the worst end, or at once one after which none goes on."""
    worst = ExitCode.OK
    for checkpoint in checkpoints:
        world.voice.say(f"{checkpoint}:")
        try:
            code = await settle(options.but(checkpoint=checkpoint), world, patient=patient)
        except BusyError as error:
            world.voice.complain(error)
            code = error.exit_code
        if code not in _GOES_ON:
            return code
        worst = max(worst, code)
    return worst


def _files(checkpoint: Path, attempt: Attempt | None) -> tuple[Path, None, Path | None]:
    """Return the checkpoint of any job, and its output: that of the last run, or that of an attempt at a shard."""
    return (checkpoint, None, None) if attempt is None else (attempt.checkpoint, None, attempt.output)


async def settle(options: ReconcileOptions, world: World, *, patient: bool = True) -> ExitCode:
    """Settle the rows in doubt of a checkpoint, and report how many are left. Raises JobError if that is impossible.

    Unless `patient`, rows that need more time are left in doubt for the next call.
    """
    drain = Drain()
    need_latest(options.checkpoint)
    terms = Terms(is_dead=options.predecessor_is_dead)
    with world.draining_on_signals(drain.begin, world.voice.say):
        async with (
            open_credentials(options.credentials, world, drain, world.voice.warn) as credentials,
            open_joined(options.checkpoint, world.voice) as sharing,
            open_attempt(options.checkpoint, world, drain, terms) as attempt,
            open_files(*_files(options.checkpoint, attempt), world, attempt=attempt, sharing=sharing) as files,
        ):
            card = files.card
            job = job_of(card, attempt.checkpoint if attempt else options.checkpoint)
            site = Site(card.endpoint, card.workflow, ASKERS, options.timeout, options.trust)
            async with open_service(site, credentials, world, drain, world.voice.warn, chosen_before(card)) as service:
                relies_on = condition(options.settle_time, options.timeout)
                if relies_on:
                    world.voice.say(relies_on)
                doubts = Doubts(files, service, drain, world, OnDoubt.RECONCILE, options.settle_time, job)
                findings = await doubts.settle(patient=patient)
            left = (await files.checkpoint.count_unsettled())[Status.IN_DOUBT]
    if isinstance(drain.reason, JobError):
        raise drain.reason
    if drain.reason is not None:
        return drain.reason
    if left and not patient:
        return ExitCode.ROWS_IN_DOUBT
    if left:
        world.voice.say(f"rows still in doubt: {left:,}. Run this again later.")
        return ExitCode.ROWS_IN_DOUBT
    world.voice.say("No row is in doubt.")
    if findings.released:
        world.voice.say(f"next: {run(job)}")
    return ExitCode.OK
