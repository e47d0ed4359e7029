"""What `batcher forget` does: removes the witness of a job."""

from __future__ import annotations

from pathlib import Path

from batcher.app.world import World
from batcher.edges.checkpoint import reading
from batcher.edges.checkpoint.facts import JOB_ID
from batcher.edges.witness import remove_witness, witness_path
from batcher.errors import DiskError


def forget(checkpoint: Path, world: World) -> None:
    """Remove the witness of a checkpoint's job. Raises what reading the checkpoint raises, and DiskError."""
    with reading(checkpoint) as found:
        job_id = found.facts.get(JOB_ID)
    path = None if job_id is None else witness_path(str(job_id), world.environment)
    try:
        is_removed = remove_witness(path)
    except OSError as error:
        raise DiskError(f"{path}: cannot be removed: {error.strerror or error}", "Fix the permissions.") from error
    world.voice.say(f"removed: {path}" if is_removed else "this job has no witness here")
