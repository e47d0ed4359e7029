"""`batcher pause`: let a running job send nothing for now."""

from __future__ import annotations

from batcher.app.steering import Checkpoint, steer

HELP = """Let a running job send nothing new until batcher resume. Requests on the wire come to their end.

\b
Examples:
  batcher pause objects.csv.checkpoint

The process goes on and keeps its files. To end it, use batcher drain.
"""


def pause(checkpoint: Checkpoint) -> None:
    """Ask the run to do it."""
    steer(checkpoint, {"do": "pause"})
