"""`batcher rate`: change the maximum rate of a running job."""

from __future__ import annotations

from batcher.errors import ExitCode
from batcher.options.verbs import RateOptions

OPTIONS = RateOptions

HELP = """Limit a running job to RATE starts per second, or let it find the service's limit again.

\b
Examples:
  batcher rate objects.csv.checkpoint 200
  batcher rate objects.csv.checkpoint auto

The limit applies until the run ends. It cannot exceed the --max-rate that the run was started with.
"""


def rate(options: RateOptions) -> ExitCode:
    """Ask the running job to change its rate."""
    from batcher.app.steering import steer
    from batcher.app.voice import say, show
    from batcher.rules.report.next_commands import about

    for line in steer(options.checkpoint, {"do": "rate", "value": options.rate}):
        show(line)
    say(f"next: {about('status', options.checkpoint)}")
    return ExitCode.OK
