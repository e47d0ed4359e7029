"""`batcher report`: a page about a job, for people; also what `batcher run --report` writes at its end."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from batcher.cli.console import complain, say
from batcher.cli.files import LIMIT
from batcher.cli.past import must_differ, open_past
from batcher.edges.whole import whole_file
from batcher.errors import JobError
from batcher.model import State
from batcher.rules.digest import Digest
from batcher.rules.report import NAMED, Known, page

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


def write_report(checkpoint: Path, output: Path) -> None:
    """Write the page about a job, and say where it is. Raises JobError where a file stands in the way."""
    # Imported late: only this needs it.
    from batcher.edges.report import render  # noqa: PLC0415

    digest = Digest()
    with open_past(checkpoint) as past:
        must_differ(output, *past.paths)
        for record in past.records():
            digest.add(record)
        kept = past.checkpoint
        doubtful = {State.IN_DOUBT} if kept.running else {State.IN_DOUBT, State.INTENT}
        limit = kept.facts.get(LIMIT)
        known = Known(
            job=past.job,
            running=kept.running,
            states=kept.count(),
            in_doubt=kept.unsettled(doubtful, NAMED),
            limit=None if limit is None else int(limit) / 1000,
            at=time.time(),
        )
    with whole_file(output) as file:
        file.write(render(page(known, digest)))
    say(f"report:     {output}")
