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
    from batcher.app.steering import resume_commands, steer
    from batcher.app.voice import say, show
    from batcher.rules.report.next_commands import about

    for line in steer(options.checkpoint, {"do": "drain"}):
        show(line)
    say(f"next: {about('status', options.checkpoint)}")
    for command in resume_commands(options.checkpoint):
        say(f"once this run has ended: {command}")
    return ExitCode.OK
