"""Steering: another process's run is asked to do something through its socket."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from batcher.edges.control import ask
from batcher.errors import UsageError
from batcher.model import Json


def steer(checkpoint: Path, question: Mapping[str, Json]) -> str:
    """Ask the run that holds the checkpoint, and give its answer. Raises UsageError where there is no such run."""
    answer = ask(checkpoint, question)
    if answer is None:
        raise UsageError(f"{checkpoint}: no run is going on with this checkpoint", "batcher status shows how it ended.")
    if "error" in answer:
        raise UsageError(f"{checkpoint}: {answer['error']}")
    return str(answer["said"])
