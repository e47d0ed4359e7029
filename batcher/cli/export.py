"""`batcher export`: one line for each row of a job, with the last truth about it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from batcher.cli.console import complain, say
from batcher.cli.past import batches, must_differ, open_past
from batcher.edges.parquet import parquet_table
from batcher.edges.whole import whole_file
from batcher.errors import JobError, UsageError
from batcher.rules.history import Truth, truth_cells, truths_as_csv, truths_as_jsonl
from batcher.rules.records import COLUMNS, csv_header

HELP = """Write one line for each row of a job: how it stands now, and what its last record says.

\b
Examples:
  batcher export objects.csv.checkpoint -o rows.csv
  batcher export objects.csv.checkpoint -o rows.parquet

JSON Lines, CSV or Parquet by the suffix of FILE; Parquet needs pip install 'batcher[parquet]'. The fields are those of
a record, and status may also be pending (surely not started, free to be sent) and in_flight (on the wire of a run that
goes on). A row that has never had a record is known by its number only. Changes nothing, also while a run goes on.
"""

FORMATS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet"}


def export(
    checkpoint: Annotated[Path, typer.Argument(help="The job's checkpoint file.", metavar="CHECKPOINT")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The file: .jsonl, .csv or .parquet.", metavar="FILE")],
) -> None:
    """Write the rows, and say how many they are."""
    try:
        rows = _export(checkpoint, output)
    except JobError as error:
        complain(error)
        sys.exit(error.exit_code)
    say(f"{output}: {rows:,} rows")


def _export(checkpoint: Path, output: Path) -> int:
    format_ = FORMATS.get(output.suffix.lower())
    if format_ is None:
        raise UsageError(f"{output}: its suffix does not tell its format", f"Name a file with {' '.join(FORMATS)}.")
    with open_past(checkpoint) as past:
        must_differ(output, *past.paths)
        with whole_file(output) as file:
            return _WRITERS[format_](file, batches(past.truths()))


def _as_text(header: bytes, encode: Callable[[list[Truth]], bytes]) -> Callable[[BinaryIO, Iterator[list[Truth]]], int]:
    def write(file: BinaryIO, rows: Iterator[list[Truth]]) -> int:
        count = 0
        file.write(header)
        for batch in rows:
            file.write(encode(batch))
            count += len(batch)
        return count

    return write


def _as_parquet(file: BinaryIO, rows: Iterator[list[Truth]]) -> int:
    count = 0
    with parquet_table(file, COLUMNS) as table:
        for batch in rows:
            table.add([truth_cells(truth) for truth in batch])
            count += len(batch)
    return count


_WRITERS = {
    "jsonl": _as_text(b"", truths_as_jsonl),
    "csv": _as_text(csv_header(), truths_as_csv),
    "parquet": _as_parquet,
}
"""Each writes the rows into a file, and counts them."""
