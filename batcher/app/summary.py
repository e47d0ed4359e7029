"""The end of a run: its summary, the commands that finish the job, and the exit code."""

from __future__ import annotations

from collections import Counter

from batcher.app.job import Run
from batcher.app.job_identity import job_of
from batcher.edges.checkpoint.facts import ELSEWHERE, READ_WHOLE, SLOWED
from batcher.edges.manifest import Share
from batcher.errors import ExitCode, JobError, ManifestError
from batcher.model import Status
from batcher.rules.job.card import STANDARD_INPUT
from batcher.rules.rate.bottleneck import Slowed, encoded
from batcher.rules.records.standing import current_counts
from batcher.rules.report import summary
from batcher.rules.report.next_commands import UNSENT, Left, about, left_of, next_steps
from batcher.rules.text import counted

_ENDED = frozenset({ExitCode.ROWS_REJECTED, ExitCode.ROWS_IN_DOUBT})
"""The exit codes of a run that read its whole manifest and still left something to do."""


async def report_end(run: Run) -> ExitCode:
    """Report how the run went, and return its exit code. Raises ManifestError if the manifest had no rows."""
    options, tally, monitor, voice = run.options, run.tally, run.monitor, run.world.voice
    for warning in run.manifest.warnings:
        monitor.telemetry.warn(warning)
    for warning, count in (run.screen.warnings if run.screen else Counter[str]()).items():
        monitor.telemetry.warn(f"{counted(count, 'row')}: {warning}")
    of_others = {ELSEWHERE: run.manifest.elsewhere} if isinstance(run.manifest, Share) else {}
    if tally.read_whole and tally.rows == 0 and not any(of_others.values()):
        raise ManifestError(f"{options.manifest or 'standard input'}: the manifest has no rows")
    turns, seconds = monitor.turns, monitor.slowness.seconds(run.world.monotonic())
    slowed = Slowed(turns.throttle.chance, seconds, turns.flight.at_once)
    facts = {SLOWED: encoded(slowed), **(run.files.new_length(monitor.length) if monitor.length else {})}
    if tally.read_whole and not run.files.is_side:
        facts |= {READ_WHOLE: 1, **of_others}
    await run.files.checkpoint.remember(facts)
    if tally.read_whole and not run.files.is_side:
        # Every row has been compared with the executions that the checkpoint does not know.
        await run.files.prove()
    in_doubt = (await run.files.checkpoint.count_unsettled())[Status.IN_DOUBT]
    files = summary.Files(str(options.output), str(options.checkpoint))
    for line in summary.summary(tally, monitor.length, in_doubt, monitor.seconds, files):
        voice.say(line)
    for line in summary.slowness(monitor.found.limit, slowed):
        voice.say(line)
    for line in summary.doubts(await run.files.checkpoint.unsettled({Status.IN_DOUBT}, summary.SHOWN), in_doubt):
        voice.say(line)
    return await _report_next(run, in_doubt)


async def _report_next(run: Run, in_doubt: int) -> ExitCode:
    """Report what is left and the commands that finish it. Return the exit code."""
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
    elif code is ExitCode.OK and run.files.card.shard:
        voice.say(summary.SHARD_DONE)
        voice.say(f"next: {about('status', run.options.run_dir)}")
    else:
        voice.say(summary.NEXT[code])
    for step in next_steps(job_of(run.files.card, run.options.checkpoint), left):
        voice.say(f"next: {step.command}")
    return code


async def _left(run: Run, code: ExitCode, in_doubt: int) -> Left:
    """Return what is left of the job after a run that ends with `code`."""
    files, tally = run.files, run.tally
    if files.is_side or (code is ExitCode.OK and files.card.manifest == STANDARD_INPUT):
        # This manifest need not show every row of the job, so the checkpoint is asked. Standard input has no name by
        # which it could be known to be the same list again.
        counts = current_counts(await files.checkpoint.count(), running=False)
        return left_of(counts, read_whole=bool(await files.checkpoint.recall(READ_WHOLE)))
    if code in {ExitCode.OK, ExitCode.TAKEN_OVER}:
        return Left(rows=False, in_doubt=False, failed=False)
    if code in _ENDED:
        found = await files.checkpoint.settled_statuses()
        return Left(bool(found & UNSENT), bool(in_doubt), bool(found & {Status.REJECTED, Status.INVALID}))
    return Left(rows=True, in_doubt=bool(in_doubt), failed=bool(tally.rejected or tally.invalid))
