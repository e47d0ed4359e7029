"""`batcher export`: writes the final state of each row of a job, one line per row."""

from __future__ import annotations

from batcher.errors import ExitCode
from batcher.options.verbs import ExportOptions
from batcher.rules.text import counted

OPTIONS = ExportOptions

HELP = """Write the final state of each row of a job, one line per row, with the data of its last record.

\b
Examples:
  batcher export objects.csv.checkpoint -o rows.csv
  batcher export objects.csv.checkpoint -o rows.parquet

The suffix of FILE selects JSON Lines, CSV or Parquet; Parquet needs pip install 'obs-batcher[parquet]'. The fields are
those of a record. With --spreadsheet, text that a spreadsheet may take for a formula begins with '. The status may also
be pending (not started yet) or sending (being sent by a running job). A row that has no record yet has only its number.
The command changes nothing else and can be used during a run.
"""


def export(options: ExportOptions) -> ExitCode:
    """Write the rows and print their number."""
    from batcher.app.export import export_rows
    from batcher.app.run_folder import warn_of_gaps
    from batcher.app.voice import say

    rows = export_rows(options.checkpoint, options.output, for_spreadsheets=options.spreadsheet)
    warn_of_gaps(options.checkpoint)
    say(f"{options.output}: {counted(rows, 'row')}")
    return ExitCode.OK
