"""What the verbs have in common that steer a running job: they ask it through its socket, and print what it says."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from batcher.app.voice import complain, say
from batcher.errors import UsageError
from batcher.model import Json

Checkpoint = Annotated[Path, typer.Argument(help="The job's checkpoint file.", metavar="CHECKPOINT")]

NEXT = {
    "rate": "batcher status {}",
    "pause": "batcher resume {}",
    "resume": "batcher status {}",
    "drain": "the job's own command again goes on, once this run has ended; batcher status {}",
}
"""The next command, by what was asked for."""


def steer(checkpoint: Path, question: Mapping[str, Json]) -> None:
    """Ask the run that holds the checkpoint, and print its answer. Ends the process with 2 where there is none."""
    # Imported late, so that the help does not wait for asyncio.
    from batcher.edges.control import ask  # noqa: PLC0415

    answer = ask(checkpoint, question)
    if answer is None:
        error = UsageError(
            f"{checkpoint}: no run is going on with this checkpoint", "batcher status shows how it ended."
        )
    elif "error" in answer:
        error = UsageError(f"{checkpoint}: {answer['error']}")
    else:
        print(answer["said"])
        say(f"next: {NEXT[str(question['do'])].format(checkpoint)}")
        return
    complain(error)
    sys.exit(error.exit_code)
