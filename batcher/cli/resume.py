"""`batcher resume`: resume a paused job."""

from __future__ import annotations

from batcher.errors import ExitCode
from batcher.options.verbs import SteerOptions

OPTIONS = SteerOptions

HELP = """Resume a job that was paused by batcher pause.

\b
Examples:
  batcher resume objects.csv.checkpoint

To resume a job that has ended, run the command that started it again.
"""


def resume(options: SteerOptions) -> ExitCode:
    """Ask the paused job to resume."""
    from batcher.app.steering import steer
    from batcher.app.voice import say, show
    from batcher.rules.report.next_commands import about

    for line in steer(options.checkpoint, {"do": "resume"}):
        show(line)
    say(f"next: {about('status', options.checkpoint)}")
    return ExitCode.OK
