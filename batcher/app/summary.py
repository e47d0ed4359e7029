"""The end of a run: what is said of it, the commands that may come next, and the exit code that tells the truth."""

from __future__ import annotations

from collections import Counter

from batcher.app.job import Run
from batcher.app.job_identity import job_of
from batcher.edges.checkpoint.facts import READ_WHOLE
from batcher.errors import ExitCode, JobError, ManifestError
from batcher.model import Status
from batcher.rules.job.card import STANDARD_INPUT
from batcher.rules.records.standing import current_counts
from batcher.rules.report import summary
from batcher.rules.report.next_commands import UNSENT, Left, left_of, next_steps

_ENDED = frozenset({ExitCode.ROWS_REJECTED, ExitCode.ROWS_IN_DOUBT})
"""The codes of a run that has read its whole manifest, and after which something is left all the same."""


async def tell_end(run: Run) -> ExitCode:
    """Say how the run went, and give its exit code. Raises ManifestError where its manifest turned out to be empty."""
    options, tally, watch, voice = run.options, run.tally, run.watch, run.world.voice
    for warning in run.manifest.warnings:
        watch.telling.warn(warning)
    for warning, count in (run.screen.warnings if run.screen else Counter[str]()).items():
        watch.telling.warn(f"{count:,} rows: {warning}")
    if tally.read_whole and tally.rows == 0:
        raise ManifestError(f"{options.manifest or 'standard input'}: the manifest has no rows")
    if tally.read_whole and not run.files.is_side:
        await run.files.checkpoint.remember({READ_WHOLE: 1})
    in_doubt = (await run.files.checkpoint.count_unsettled())[Status.IN_DOUBT]
    files = summary.Files(str(options.output), str(options.checkpoint))
    for line in summary.summary(tally, in_doubt, watch.seconds, files):
        voice.say(line)
    for line in summary.slowness(watch.turns.throttle.limit, watch.slowness.seconds(run.world.monotonic())):
        voice.say(line)
    for line in summary.doubts(await run.files.checkpoint.unsettled({Status.IN_DOUBT}, summary.SHOWN), in_doubt):
        voice.say(line)
    return await _tell_next(run, in_doubt)


async def _tell_next(run: Run, in_doubt: int) -> ExitCode:
    """Say what is left and the commands that finish it, and give the exit code."""
    voice, reason = run.world.voice, run.drain.reason
    code = summary.exit_code(run.tally, in_doubt, reason)
    left = await _left(run, code, in_doubt)
    if isinstance(reason, JobError):
        voice.complain(reason)
    elif code is ExitCode.OK and (left.rows or left.failed):
        code = ExitCode.STOPPED
        voice.say(summary.OWN_LEFT)
    elif code is ExitCode.OK and run.tally.dismissed:
        voice.say(summary.DISMISSED)
    else:
        voice.say(summary.NEXT[code])
    for step in next_steps(job_of(run.files.card, run.options.checkpoint), left):
        voice.say(f"next: {step.command}")
    return code


async def _left(run: Run, code: ExitCode, in_doubt: int) -> Left:
    """Say what is left of the job after a run that ends with `code`."""
    files, tally = run.files, run.tally
    if files.is_side or (code is ExitCode.OK and files.card.manifest == STANDARD_INPUT):
        # This manifest need not show every row of the job, so the checkpoint is asked. Standard input has no name by
        # which it could be known to be the same list again.
        counts = current_counts(await files.checkpoint.count(), running=False)
        return left_of(counts, read_whole=bool(await files.checkpoint.recall(READ_WHOLE)))
    if code is ExitCode.OK:
        return Left(rows=False, in_doubt=False, failed=False)
    if code in _ENDED:
        found = await files.checkpoint.settled_statuses()
        return Left(bool(found & UNSENT), bool(in_doubt), bool(found & {Status.REJECTED, Status.INVALID}))
    return Left(rows=True, in_doubt=bool(in_doubt), failed=bool(tally.rejected or tally.invalid))
