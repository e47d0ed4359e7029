"""`batcher explain`: the history of one row, from the checkpoint and from every record of it."""

from __future__ import annotations

from batcher.errors import ExitCode
from batcher.options.verbs import ExplainOptions

OPTIONS = ExplainOptions

HELP = """Show the history of one row: attempts, answers, request ids, times, how a doubt was settled, its state now.

\b
Examples:
  batcher explain objects.csv.checkpoint 17
  batcher explain objects.csv.checkpoint my-videos/in/clip.mp4

ROW is the row's number in the manifest; KEY is an object key, with or without its bucket and a slash before it. All
matching rows are shown. Exit code 1 means that there are none. Changes nothing, also while a run goes on.
"""


def explain(options: ExplainOptions) -> ExitCode:
    """Print every row that matches."""
    from batcher.app.explain import matching_lives
    from batcher.app.history import open_past
    from batcher.app.voice import say
    from batcher.rules.report.explain import sentences

    with open_past(options.checkpoint) as past:
        found = matching_lives(past, options.row)
    if not found:
        say(
            f"{options.checkpoint}: no row matches {options.row!r}. A row that was never sent has no name here: use its"
            " number."
        )
        return ExitCode.ROWS_REJECTED
    for life in found:
        for line in sentences(life):
            print(line)
    return ExitCode.OK
