"""`batcher resume`: let a paused job go on."""

from __future__ import annotations

from batcher.app.steering import Checkpoint, steer

HELP = """Let a job that was paused by batcher pause go on.

\b
Examples:
  batcher resume objects.csv.checkpoint

A job that has ended is resumed by its own command, given again.
"""


def resume(checkpoint: Checkpoint) -> None:
    """Ask the run to do it."""
    steer(checkpoint, {"do": "resume"})
