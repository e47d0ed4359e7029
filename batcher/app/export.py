"""The export of a job: the final state of each row, one line per row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from batcher.app.history import batches, must_differ
from batcher.app.run_folder import pasts
from batcher.edges.ends import EndStore, database_of, reading_ends
from batcher.edges.parquet_export import parquet_table
from batcher.edges.whole_file import whole_file
from batcher.errors import UsageError
from batcher.rules.ends.exported import PLAIN, WITH_ENDS, Form, with_end
from batcher.rules.records.codec import Fields, exported
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
    write = _WRITERS["spreadsheet" if for_spreadsheets else format_]
    with whole_file(output) as file, reading_ends(database_of(checkpoint)) as ends:
        form = PLAIN if ends is None else WITH_ENDS
        return write(file, form, _rows(checkpoint, output, ends))


def _rows(checkpoint: Path, output: Path, ends: EndStore | None) -> Iterator[list[Fields]]:
    """Yield the rows in batches, with the ends of their executions if a watch has followed these."""
    for batch in batches(_truths(checkpoint, output)):
        if ends is None:
            yield [exported(truth) for truth in batch]
        else:
            names = [truth.standing.execution for truth in batch if truth.standing.execution]
            known = ends.find(names)
            yield [with_end(exported(truth), known.get(truth.standing.execution or "")) for truth in batch]


def _truths(checkpoint: Path, output: Path) -> Iterator[Truth]:
    """Yield the rows of a job, shard by shard. Raises UsageError if the output is one of its files."""
    for past in pasts(checkpoint):
        # Before the export replaces anything.
        must_differ(output, *past.paths)
        yield from past.truths()


def _as_text(format_: str) -> Callable[[BinaryIO, Form, Iterator[list[Fields]]], int]:
    def write(file: BinaryIO, form: Form, rows: Iterator[list[Fields]]) -> int:
        codec = form.codecs[format_]
        count = 0
        file.write(codec.header)
        for batch in rows:
            file.write(codec.encode(batch))
            count += len(batch)
        return count

    return write


def _as_parquet(file: BinaryIO, form: Form, rows: Iterator[list[Fields]]) -> int:
    count = 0
    with parquet_table(file, form.columns) as table:
        for batch in rows:
            table.add([form.cells(values) for values in batch])
            count += len(batch)
    return count


_WRITERS = {
    "jsonl": _as_text("jsonl"),
    "csv": _as_text("csv"),
    "spreadsheet": _as_text("spreadsheet"),
    "parquet": _as_parquet,
}
"""The writer of each format. It returns the number of rows."""
