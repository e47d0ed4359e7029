"""`batcher explain`: shows the history of one row, from the checkpoint and from all of its records."""

from __future__ import annotations

from batcher.errors import ExitCode
from batcher.options.verbs import ExplainOptions

OPTIONS = ExplainOptions

HELP = """Show the history of one row: attempts, answers, request IDs, times, how a doubt was settled, current state.

\b
Examples:
  batcher explain objects.csv.checkpoint 17
  batcher explain objects.csv.checkpoint my-videos/in/clip.mp4

ROW is the number of the row in the manifest. KEY is an object key, or BUCKET/KEY. All matching rows are shown; exit
code 1 means that none matches. The command changes nothing and can be used during a run.
"""


def explain(options: ExplainOptions) -> ExitCode:
    """Print the history of every row that matches."""
    from batcher.app.ends import executions_named
    from batcher.app.explain import matching_lives
    from batcher.app.run_folder import pasts
    from batcher.app.voice import say, show
    from batcher.rules.report.explain import sentences

    lives = [life for past in pasts(options.checkpoint) for life in matching_lives(past, options.row)]
    found = sorted(lives, key=lambda life: life.number)
    if not found:
        say(
            f"{options.checkpoint}: no row matches {options.row!r}. A row that was never sent can be found by its"
            " number only."
        )
        return ExitCode.ROWS_REJECTED
    names = [life.standing.execution for life in found if life.standing and life.standing.execution]
    followed = executions_named(options.checkpoint, names)
    for life in found:
        execution = followed.get(life.standing.execution) if life.standing else None
        for line in sentences(life, execution):
            show(line)
    return ExitCode.OK
