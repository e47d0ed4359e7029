"""`batcher redrive`: restores executions that failed, from the step that failed."""

from __future__ import annotations

from batcher.errors import ExitCode
from batcher.options.redriving import RedriveOptions

OPTIONS = RedriveOptions

HELP = """Restore the executions of a job that failed, each from its failed step, and follow them to their end.

\b
Examples:
  batcher redrive objects.csv.checkpoint
  batcher redrive objects.csv.checkpoint --only timed_out --dry-run
  batcher redrive objects.csv.run --max-redrives 1

Each execution is restored once by each command, and no more than --max-redrives times in all. To continue after any
interruption, run the same command again. A restore whose answer was lost is settled by the state of its execution, and
is never repeated on a guess. The exit codes are those of batcher watch, and 3 if a restore is still in doubt.
"""


def redrive(options: RedriveOptions) -> ExitCode:
    """Restore and follow the executions, and return the exit code."""
    import asyncio

    from batcher.app.process import fast_loop
    from batcher.app.redrive import redrive_job
    from batcher.app.world import World

    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        return runner.run(redrive_job(options, World()))
