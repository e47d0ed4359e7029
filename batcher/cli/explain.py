"""`batcher explain`: the life of one row, from the checkpoint and from every record of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from batcher.app.explain import matching_lives
from batcher.app.history import open_past
from batcher.app.voice import complain, say
from batcher.errors import ExitCode, JobError
from batcher.rules.report.explain import sentences

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
            found = matching_lives(past, row)
    except JobError as error:
        complain(error)
        sys.exit(error.exit_code)
    if not found:
        say(f"{checkpoint}: no row fits {row!r}. A row that was never sent has no name here: ask by its number.")
        sys.exit(ExitCode.ROWS_REJECTED)
    for life in found:
        for line in sentences(life):
            print(line)
