"""Notes in the checkpoint when a run begins and how it ends, for the report."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from batcher.app.job_files import Files
from batcher.edges.checkpoint.facts import RUNS
from batcher.errors import ExitCode, JobError
from batcher.rules.job.runs import begun, decoded, encoded, ended

T = TypeVar("T")


async def noted(files: Files, clock: Callable[[], float], run: Callable[[], Awaitable[T]], *, is_first: bool) -> T:
    """Run, and note when that begins and with which exit code it ends.

    A result that is no exit code is no end, and what is not the first part of a run goes on with the former one. Raises
    what the run raises.
    """
    former = decoded(await files.checkpoint.recall(RUNS))
    runs = begun(former, clock()) if is_first or former is None else former
    await files.checkpoint.remember({RUNS: encoded(runs)})
    try:
        outcome = await run()
    except JobError as error:
        # The disk may be what is wrong.
        with suppress(JobError):
            await files.checkpoint.remember({RUNS: encoded(ended(runs, clock(), error.exit_code))})
        raise
    if isinstance(outcome, ExitCode):
        await files.checkpoint.remember({RUNS: encoded(ended(runs, clock(), outcome))})
    return outcome
