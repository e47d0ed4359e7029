"""The dismissal: a person declares the failed rows of a job settled."""

from __future__ import annotations

from pathlib import Path

from batcher.app.attempt import open_short
from batcher.app.job_files import Files, open_files
from batcher.app.job_identity import is_own_manifest, job_of
from batcher.app.world import World
from batcher.edges.checkpoint.facts import PREFIX, READ_WHOLE
from batcher.errors import UsageError
from batcher.flow.drain import Drain
from batcher.rules.records.standing import current_counts
from batcher.rules.report.next_commands import left_of, next_steps
from batcher.rules.rows.settled_prefix import decoded, dismissed, encoded
from batcher.rules.text import counted


async def dismiss(manifest: Path, checkpoint: Path, world: World) -> None:
    """Dismiss every row of a job that is rejected or invalid, and report how many there are.

    It holds the job's files as a run does. Raises UsageError where the manifest is not the job's own, and what opening
    the files raises.
    """
    async with (
        open_short(checkpoint, world, Drain()) as attempt,
        open_files(checkpoint, None, None, world, attempt=attempt) as files,
    ):
        job = job_of(files.card, checkpoint)
        if not is_own_manifest(manifest, job):
            raise UsageError(
                f"{manifest}: the job's own manifest is {job.card.manifest}",
                "Give that one: all failed rows of a job are dismissed together.",
            )
        # A failed dismissal must not leave a prefix that counts these rows as failed, so both are one transaction.
        count = await files.checkpoint.dismiss(await _renewed_prefix(files))
        counts = current_counts(await files.checkpoint.count(), running=False)
        read_whole = bool(await files.checkpoint.recall(READ_WHOLE))
    if count:
        world.voice.say(f"{counted(count, 'row')} dismissed: never sent again, and no longer counted as left")
    else:
        world.voice.say("no row is rejected or invalid: nothing to dismiss")
    for step in next_steps(job, left_of(counts, read_whole=read_whole)):
        world.voice.say(f"next: {step.command}")


async def _renewed_prefix(files: Files) -> dict[str, str | int]:
    kept = await files.checkpoint.recall(PREFIX)
    return {PREFIX: encoded(dismissed(decoded(str(kept))))} if kept else {}
