"""`batcher report`: a page about a job, for people; also what `batcher run --report` writes at its end."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from batcher.app.report import write_report
from batcher.app.voice import complain
from batcher.errors import JobError

HELP = """Write a page about a job: totals, rate and latencies over time, what went wrong, and what may come next.

\b
Examples:
  batcher report objects.csv.checkpoint -o report.html

One HTML file that needs no network and runs no script. Changes nothing, also while a run goes on.
"""


def report(
    checkpoint: Annotated[Path, typer.Argument(help="The job's checkpoint file.", metavar="CHECKPOINT")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The page.", metavar="FILE")],
) -> None:
    """Write the page."""
    try:
        write_report(checkpoint, output)
    except JobError as error:
        complain(error)
        sys.exit(error.exit_code)
