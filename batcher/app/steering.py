"""What the verbs that steer a running job have in common: they ask it through its socket, and print what it says."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from batcher.app.job_identity import job_of
from batcher.app.voice import complain, say
from batcher.edges.checkpoint import reading
from batcher.errors import UsageError
from batcher.model import Json
from batcher.rules.report import next_commands

Checkpoint = Annotated[Path, typer.Argument(help="The job's checkpoint file.", metavar="CHECKPOINT")]

NEXT = {"rate": "status", "pause": "resume", "resume": "status", "drain": "status"}
"""The verb that may come next, by what was asked for."""


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
        say(f"next: {shlex.join(['batcher', NEXT[str(question['do'])], str(checkpoint)])}")
        if question["do"] == "drain":
            with reading(checkpoint) as kept:
                say(f"once this run has ended: {next_commands.run(job_of(kept.card, checkpoint))}")
        return
    complain(error)
    sys.exit(error.exit_code)
