"""`batcher watch`: follows the executions of a job to their end."""

from __future__ import annotations

from batcher.errors import ExitCode
from batcher.options.watching import WatchOptions

OPTIONS = WatchOptions

HELP = """Follow the executions that a job has started until none of them runs, and write how each one ended.

\b
Examples:
  batcher watch objects.csv.checkpoint
  batcher watch objects.csv.checkpoint --deadline 8h --details 100
  batcher watch objects.csv.run --interval 1m -o ends.csv

It reads the execution list, and starts nothing. It may be used while the job runs, and ends when no execution runs and
no run goes on. To continue after any interruption, run the same command again. Exit code 0 means that every execution
succeeded, 6 that some did not, and 7 that the deadline came first.
"""


def watch(options: WatchOptions) -> ExitCode:
    """Follow the executions and return the exit code."""
    import asyncio

    from batcher.app.process import fast_loop
    from batcher.app.watch import watch_job
    from batcher.app.world import World

    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        return runner.run(watch_job(options, World()))
