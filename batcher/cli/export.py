"""`batcher export`: the final state of each row of a job, one line per row."""

from __future__ import annotations

from batcher.errors import ExitCode
from batcher.options.verbs import ExportOptions
from batcher.rules.text import counted

OPTIONS = ExportOptions

HELP = """Write the final state of each row of a job, one line per row, with what its last record says.

\b
Examples:
  batcher export objects.csv.checkpoint -o rows.csv
  batcher export objects.csv.checkpoint -o rows.parquet

JSON Lines, CSV or Parquet by the suffix of FILE; Parquet needs pip install 'batcher[parquet]'. The fields are those of
a record; status may also be pending (not started yet) or sending (on the wire or about to be, while a run is going
on). A row that has never had a record is known by its number only. Changes nothing, also while a run goes on.
"""


def export(options: ExportOptions) -> ExitCode:
    """Write the rows, and say how many they are."""
    from batcher.app.export import export_rows
    from batcher.app.voice import say

    rows = export_rows(options.checkpoint, options.output)
    say(f"{options.output}: {counted(rows, 'row')}")
    return ExitCode.OK
