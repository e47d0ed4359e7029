"""Steers a running job from another process, through the job's socket."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from batcher.edges.control import ask
from batcher.errors import UsageError
from batcher.model import Json


def steer(checkpoint: Path, question: Mapping[str, Json]) -> str:
    """Send a request to the run that holds the checkpoint, and return its answer. Raises UsageError without a run."""
    answer = ask(checkpoint, question)
    if answer is None:
        raise UsageError(f"{checkpoint}: no job is running with this checkpoint", "batcher status shows how it ended.")
    if "error" in answer:
        raise UsageError(f"{checkpoint}: {answer['error']}")
    return str(answer["said"])
