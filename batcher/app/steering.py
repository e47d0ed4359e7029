"""Steers a running job from another process, through the job's socket."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from batcher.app.run_folder import job_at
from batcher.edges.control import ask
from batcher.edges.run_folder import checkpoints_in, is_run_folder
from batcher.errors import UsageError
from batcher.model import Json
from batcher.rules.report import next_commands
from batcher.rules.shards.plan import RUN


def steer(path: Path, question: Mapping[str, Json]) -> list[str]:
    """Send a request to the run that holds the checkpoint, or to the command or the shards that run in a run folder.

    Returns the answer of each. A rate is that of all shards together. Raises UsageError without a
    run.
    """
    if not is_run_folder(path):
        return [_steered(path, question)]
    if ask(path / RUN, {"do": ""}) is not None:
        return [_steered(path / RUN, question)]
    running = [each for each in checkpoints_in(path) if ask(each, {"do": "look"}) is not None]
    if not running:
        raise UsageError(f"{path}: no shard of this job is running", "batcher status shows how they ended.")
    rate = question.get("value")
    if isinstance(rate, int | float):
        question = {**question, "value": rate / len(running)}
    return [f"{each.stem}: {_steered(each, question)}" for each in running]


def _steered(checkpoint: Path, question: Mapping[str, Json]) -> str:
    answer = ask(checkpoint, question)
    if answer is None:
        raise UsageError(f"{checkpoint}: no job is running with this checkpoint", "batcher status shows how it ended.")
    if "error" in answer:
        raise UsageError(f"{checkpoint}: {answer['error']}")
    return str(answer["said"])


def resume_commands(path: Path) -> list[str]:
    """Return the commands that resume the job. Raises what opening a checkpoint raises."""
    return next_commands.runs(job_at(path))
