"""The export of a job: the final state of each row, one line per row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from batcher.app.history import batches, must_differ
from batcher.app.run_folder import pasts
from batcher.edges.parquet_export import parquet_table
from batcher.edges.whole_file import whole_file
from batcher.errors import UsageError
from batcher.model import Record
from batcher.rules.records.codec import CODECS, COLUMNS, Codec, cells, exported
from batcher.rules.records.standing import Truth

FORMATS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet"}


def export_rows(checkpoint: Path, output: Path, *, for_spreadsheets: bool = False) -> int:
    """Write the final state of each row of a job, and return the number of rows.

    Raises UsageError for a suffix that no format has, or one that spreadsheets do not open, and what opening the job
    raises.
    """
    format_ = FORMATS.get(output.suffix.lower())
    if format_ is None:
        raise UsageError(f"{output}: the suffix does not show the format", f"Name a file with {' '.join(FORMATS)}.")
    if for_spreadsheets and format_ != "csv":
        raise UsageError(f"--spreadsheet: {output} is not a CSV file", "Give an output with the suffix .csv.")
    with whole_file(output) as file:
        return _WRITERS["spreadsheet" if for_spreadsheets else format_](file, batches(_truths(checkpoint, output)))


def _truths(checkpoint: Path, output: Path) -> Iterator[Truth]:
    """Yield the rows of a job, shard by shard. Raises UsageError if the output is one of its files."""
    for past in pasts(checkpoint):
        # Before the export replaces anything.
        must_differ(output, *past.paths)
        yield from past.truths()


def _as_text(codec: Codec[Record]) -> Callable[[BinaryIO, Iterator[list[Truth]]], int]:
    def write(file: BinaryIO, rows: Iterator[list[Truth]]) -> int:
        count = 0
        file.write(codec.header)
        for batch in rows:
            file.write(codec.encode(map(exported, batch)))
            count += len(batch)
        return count

    return write


def _as_parquet(file: BinaryIO, rows: Iterator[list[Truth]]) -> int:
    count = 0
    with parquet_table(file, COLUMNS) as table:
        for batch in rows:
            table.add([cells(exported(truth)) for truth in batch])
            count += len(batch)
    return count


_WRITERS = {
    "jsonl": _as_text(CODECS["jsonl"]),
    "csv": _as_text(CODECS["csv"]),
    "spreadsheet": _as_text(CODECS["spreadsheet"]),
    "parquet": _as_parquet,
}
"""The writer of each format. It returns the number of rows."""
