"""`batcher drain`: stop a running job gracefully."""

from __future__ import annotations

from batcher.errors import ExitCode
from batcher.options.verbs import SteerOptions

OPTIONS = SteerOptions

HELP = """Stop a running job gracefully: it sends nothing new, waits for requests on the wire, and exits with code 5.

\b
Examples:
  batcher drain objects.csv.checkpoint

To resume the job, run the command that started it again.
"""


def drain(options: SteerOptions) -> ExitCode:
    """Ask the running job to stop."""
    from batcher.app.steering import steer
    from batcher.app.voice import say

    print(steer(options.checkpoint, {"do": "drain"}))
    say(f"next: batcher status {options.checkpoint}")
    say("To resume, run the job's own command again after this run has ended.")
    return ExitCode.OK
