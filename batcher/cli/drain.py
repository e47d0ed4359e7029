"""`batcher drain`: stop a running job gracefully."""

from __future__ import annotations

import shlex

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
    from batcher.app.steering import resume_command, steer
    from batcher.app.voice import say

    print(steer(options.checkpoint, {"do": "drain"}))
    say(f"next: batcher status {shlex.quote(str(options.checkpoint))}")
    say(f"once this run has ended: {resume_command(options.checkpoint)}")
    return ExitCode.OK
