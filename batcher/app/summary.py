"""The end of a run: what is said of it, and the exit code that tells the truth."""

from __future__ import annotations

from collections import Counter

from batcher.app.job import Run
from batcher.errors import ExitCode, JobError, ManifestError
from batcher.model import Status
from batcher.rules.report import summary


async def tell_end(run: Run) -> ExitCode:
    """Say how the run went, and give its exit code. Raises ManifestError where its manifest turned out to be empty."""
    options, tally, watch, voice = run.options, run.tally, run.watch, run.world.voice
    for warning in run.manifest.warnings:
        watch.telling.warn(warning)
    for warning, count in (run.screen.warnings if run.screen else Counter[str]()).items():
        watch.telling.warn(f"{count:,} rows: {warning}")
    if tally.read_whole and tally.rows == 0:
        raise ManifestError(f"{options.manifest or 'standard input'}: the manifest has no rows")
    in_doubt = (await run.files.checkpoint.count_unsettled())[Status.IN_DOUBT]
    files = summary.Files(str(options.output), str(options.checkpoint))
    for line in summary.summary(tally, in_doubt, watch.seconds, files):
        voice.say(line)
    for line in summary.slowness(watch.turns.throttle.limit, watch.slowness.seconds(run.world.monotonic())):
        voice.say(line)
    for line in summary.doubts(await run.files.checkpoint.unsettled({Status.IN_DOUBT}, summary.SHOWN), in_doubt):
        voice.say(line)
    code = summary.exit_code(tally, in_doubt, run.drain.reason)
    if isinstance(run.drain.reason, JobError):
        voice.complain(run.drain.reason)
    else:
        voice.say(summary.NEXT[code])
    return code
