"""`batcher drain`: end a running job in good order."""

from __future__ import annotations

from batcher.app.steering import Checkpoint, steer

HELP = """Let a running job send nothing new, finish what is on the wire, and end with exit code 5.

\b
Examples:
  batcher drain objects.csv.checkpoint

The job's own command, given again, goes on from there.
"""


def drain(checkpoint: Checkpoint) -> None:
    """Ask the run to do it."""
    steer(checkpoint, {"do": "drain"})
