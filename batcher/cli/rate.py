"""`batcher rate`: change how fast a running job may send."""

from __future__ import annotations

from typing import Annotated

import typer

from batcher.app.steering import Checkpoint, steer
from batcher.app.voice import complain
from batcher.errors import UsageError

HELP = """Let a running job start at most RATE rows a second, or find the service's limit by itself again.

\b
Examples:
  batcher rate objects.csv.checkpoint 200
  batcher rate objects.csv.checkpoint auto

It holds until the run ends, and never goes above the --max-rate that the run was started with.
"""


def rate(
    checkpoint: Checkpoint,
    most: Annotated[
        str, typer.Argument(help="Starts a second, or auto.", metavar="RATE", autocompletion=lambda: ["auto"])
    ],
) -> None:
    """Ask the run to do it."""
    try:
        value = None if most == "auto" else _number(most)
    except UsageError as error:
        complain(error)
        raise typer.Exit(error.exit_code) from None
    steer(checkpoint, {"do": "rate", "value": value})


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.001 <= value <= 1e6:  # noqa: PLR2004 - as --max-rate has it, and more than any service takes
        raise UsageError(f"{text}: not a rate", "Give a number of starts a second, such as 200 or 0.5, or auto.")
    return value
