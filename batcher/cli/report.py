"""`batcher report`: an HTML page about a job; also what `batcher run --report` writes at its end."""

from __future__ import annotations

from batcher.errors import ExitCode
from batcher.options.verbs import ReportOptions

OPTIONS = ReportOptions

HELP = """Write an HTML report about a job: totals, rate and latencies over time, what failed, and what to do next.

\b
Examples:
  batcher report objects.csv.checkpoint -o report.html

One HTML file that needs no network and runs no script. Changes nothing, also while a run goes on.
"""


def report(options: ReportOptions) -> ExitCode:
    """Write the page."""
    from batcher.app.report import write_report

    write_report(options.checkpoint, options.output)
    return ExitCode.OK
