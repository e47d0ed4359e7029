"""`batcher explain`: the life of one row, from the checkpoint and from every record of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from batcher.cli.console import complain, say
from batcher.cli.past import Past, open_past
from batcher.errors import ExitCode, JobError
from batcher.model import Record, Unsettled
from batcher.rules.identity import canonical
from batcher.rules.lives import Life, lives, sentences

HELP = """Tell the life of one row: attempts, answers, request ids, times, how a doubt was settled, how it stands now.

\b
Examples:
  batcher explain objects.csv.checkpoint 17
  batcher explain objects.csv.checkpoint my-videos/in/clip.mp4

ROW is the row's number in the manifest; KEY is an object key, with or without its bucket and a slash before it. All
rows that fit are told. Exit code 1 says that there are none. Changes nothing, also while a run goes on.
"""


def explain(
    checkpoint: Annotated[Path, typer.Argument(help="The job's checkpoint file.", metavar="CHECKPOINT")],
    row: Annotated[str, typer.Argument(help="The row's number, or its object key.", metavar="ROW|KEY")],
) -> None:
    """Tell every row that fits."""
    try:
        with open_past(checkpoint) as past:
            found = _found(past, row)
    except JobError as error:
        complain(error)
        sys.exit(error.exit_code)
    if not found:
        say(f"{checkpoint}: no row fits {row!r}. A row that was never sent has no name here: ask by its number.")
        sys.exit(ExitCode.ROWS_REJECTED)
    for life in found:
        for line in sentences(life):
            print(line)


def _found(past: Past, wanted: str) -> list[Life]:
    """Give the lives of the rows that fit, by their numbers in the order of the manifest."""
    number = int(wanted) if wanted.isdecimal() else None

    def is_named(each: Record | Life | Unsettled) -> bool:
        return wanted in {each.object, f"{each.bucket}/{each.object}"}

    numbers = {record.row for record in past.records() if record.row == number or is_named(record)}
    # A row that was never sent, or whose record is still to come, is known to the checkpoint alone.
    standings = [
        standing
        for standing in past.checkpoint.standings()
        if standing.number in numbers
        or standing.number == number
        or (standing.unsettled is not None and is_named(standing.unsettled))
    ]
    numbers |= {standing.number for standing in standings}
    records = [record for record in past.records() if record.row in numbers]
    static_inputs = canonical(past.job.inputs)
    told = lives(standings, records, static_inputs, running=past.checkpoint.running)
    return [life for life in told if life.number == number or is_named(life)]
