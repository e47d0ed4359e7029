"""`batcher drain`: stop a running job gracefully."""

from __future__ import annotations

from batcher.errors import ExitCode
from batcher.options.verbs import SteerOptions

OPTIONS = SteerOptions

HELP = """Stop a running job gracefully: it sends nothing new, waits for requests on the wire, and exits with code 5.

\b
Examples:
  batcher drain objects.csv.checkpoint

To resume the job, run its own command again.
"""


def drain(options: SteerOptions) -> ExitCode:
    """Ask the run to do it."""
    from batcher.app.steering import steer
    from batcher.app.voice import say

    print(steer(options.checkpoint, {"do": "drain"}))
    say(f"next: to resume, run the job's own command after this run has ended; batcher status {options.checkpoint}")
    return ExitCode.OK
