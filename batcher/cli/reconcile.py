"""`batcher reconcile`: settles the rows in doubt with the service's execution list, without starting anything."""

from __future__ import annotations

from batcher.errors import ExitCode
from batcher.options.verbs import ReconcileOptions

OPTIONS = ReconcileOptions

HELP = """Look up a job's rows in doubt in the service's execution list, and settle those that it can decide.

\b
Examples:
  batcher reconcile objects.csv.checkpoint
  batcher reconcile objects.csv.checkpoint --settle-time 120

A row that was started gets its record. A row that was never started will be retried when you run the job's own
command again. This command starts nothing. Exit code 3 means that some rows are still in doubt.
"""


def reconcile(options: ReconcileOptions) -> ExitCode:
    """Settle the rows in doubt and return the exit code."""
    import asyncio

    from batcher.app.process import fast_loop
    from batcher.app.reconcile import settle_all
    from batcher.app.world import World

    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        return runner.run(settle_all(options, World()))
