"""Notes in the checkpoint when a run begins and how it ends, for the report."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

from batcher.app.job_files import Files
from batcher.edges.checkpoint.facts import RUNS
from batcher.errors import ExitCode, JobError
from batcher.rules.job.runs import begun, decoded, encoded, ended


async def noted(files: Files, clock: Callable[[], float], run: Callable[[], Awaitable[ExitCode]]) -> ExitCode:
    """Run, and note when that begins and with which exit code it ends. Raises what it raises."""
    runs = begun(decoded(await files.checkpoint.recall(RUNS)), clock())
    await files.checkpoint.remember({RUNS: encoded(runs)})
    try:
        code = await run()
    except JobError as error:
        # The disk may be what is wrong.
        with suppress(JobError):
            await files.checkpoint.remember({RUNS: encoded(ended(runs, clock(), error.exit_code))})
        raise
    await files.checkpoint.remember({RUNS: encoded(ended(runs, clock(), code))})
    return code
