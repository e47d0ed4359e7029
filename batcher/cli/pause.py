"""`batcher pause`: pause a running job."""

from __future__ import annotations

from batcher.errors import ExitCode
from batcher.options.verbs import SteerOptions

OPTIONS = SteerOptions

HELP = """Pause a running job: it sends nothing new until batcher resume. Requests on the wire finish.

\b
Examples:
  batcher pause objects.csv.checkpoint

The process keeps running and keeps its files locked. To end it, use batcher drain.
"""


def pause(options: SteerOptions) -> ExitCode:
    """Ask the running job to pause."""
    from batcher.app.steering import steer
    from batcher.app.voice import say, show
    from batcher.rules.report.next_commands import about

    for line in steer(options.checkpoint, {"do": "pause"}):
        show(line)
    say(f"next: {about('resume', options.checkpoint)}")
    return ExitCode.OK
