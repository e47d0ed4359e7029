"""`batcher report`: writes an HTML page about a job, as `batcher run --report` does at its end."""

from __future__ import annotations

from batcher.errors import ExitCode
from batcher.options.verbs import ReportOptions

OPTIONS = ReportOptions

HELP = """Write an HTML report about a job: totals, rate and latency over time, failures, and next steps.

\b
Examples:
  batcher report objects.csv.checkpoint -o report.html

The report is one HTML file that needs no network and runs no script. The command changes nothing else and can be used
during a run.
"""


def report(options: ReportOptions) -> ExitCode:
    """Write the report."""
    from batcher.app.report import write_report

    write_report(options.checkpoint, options.output)
    return ExitCode.OK
