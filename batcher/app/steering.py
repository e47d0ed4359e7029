"""Steers a running job from another process, through the job's socket."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from batcher.app.job_identity import job_of
from batcher.edges.checkpoint import reading
from batcher.edges.control import ask
from batcher.errors import UsageError
from batcher.model import Json
from batcher.rules.report import next_commands


def steer(checkpoint: Path, question: Mapping[str, Json]) -> str:
    """Send a request to the run that holds the checkpoint, and return its answer. Raises UsageError without a run."""
    answer = ask(checkpoint, question)
    if answer is None:
        raise UsageError(f"{checkpoint}: no job is running with this checkpoint", "batcher status shows how it ended.")
    if "error" in answer:
        raise UsageError(f"{checkpoint}: {answer['error']}")
    return str(answer["said"])


def resume_command(checkpoint: Path) -> str:
    """Return the command that resumes the job. Raises what opening the checkpoint raises."""
    with reading(checkpoint) as kept:
        return next_commands.run(job_of(kept.card, checkpoint))
