"""`batcher export`: one line for each row of a job, with the last truth about it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from batcher.app.export import export_rows
from batcher.app.voice import complain, say
from batcher.errors import JobError

HELP = """Write one line for each row of a job: how it stands now, and what its last record says.

\b
Examples:
  batcher export objects.csv.checkpoint -o rows.csv
  batcher export objects.csv.checkpoint -o rows.parquet

JSON Lines, CSV or Parquet by the suffix of FILE; Parquet needs pip install 'batcher[parquet]'. The fields are those of
a record; status may also be pending (not started yet) or sending (on the wire or about to be, while a run is going
on). A row that has never had a record is known by its number only. Changes nothing, also while a run goes on.
"""


def export(
    checkpoint: Annotated[Path, typer.Argument(help="The job's checkpoint file.", metavar="CHECKPOINT")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The file: .jsonl, .csv or .parquet.", metavar="FILE")],
) -> None:
    """Write the rows, and say how many they are."""
    try:
        rows = export_rows(checkpoint, output)
    except JobError as error:
        complain(error)
        sys.exit(error.exit_code)
    say(f"{output}: {rows:,} rows")
