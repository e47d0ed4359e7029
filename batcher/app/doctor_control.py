"""The start of a doctor as a control of a job, whose files are held for as long as the doctor works.

The start is no row of the job. Its execution is known to exist, so the list must show it before rows are released.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from batcher.app.api import Chosen
from batcher.app.attempt import open_short
from batcher.app.job_files import Files, open_files
from batcher.app.voice import Voice
from batcher.app.world import World
from batcher.edges.checkpoint.facts import SHARED_NAME
from batcher.errors import OtherJobError, UsageError
from batcher.flow.drain import Drain
from batcher.model import Answer, Row, Status
from batcher.options.verbs import DoctorOptions
from batcher.rules.doubts.control import control_of
from batcher.rules.doubts.likeness import is_key_alike
from batcher.rules.report.next_commands import about
from batcher.rules.service.clock import RESOLUTION, posix_of_header


@dataclass(frozen=True, slots=True)
class Keeper:
    """Keeps the start in a checkpoint."""

    files: Files
    path: Path
    voice: Voice

    async def keep(self, row: Row, answer: Answer, intent_at: float) -> None:
        """Keep an answered start of `row` as a control. `intent_at` is the service's time before it was sent."""
        execution, checkpoint = answer.execution, self.files.checkpoint
        if execution is None:
            self.voice.say(f"{self.path}: nothing is kept, since the answer names no execution")
            return
        await checkpoint.note_listed([execution])
        known = {each.name for each in await checkpoint.controls()}
        if execution.name in known or not await checkpoint.unowned():
            await checkpoint.remember({SHARED_NAME: execution.name})
            self.voice.warn(f"{self.path}: the answer names execution {execution.name}, which this job started before")
            return
        served = posix_of_header(answer.date)
        answered_at = None if served is None else served + RESOLUTION
        await checkpoint.keep_control(control_of(row, execution, intent_at, answered_at))
        self.voice.say(f"{self.path}: the start is kept; {about('reconcile', self.path)} uses it")


@asynccontextmanager
async def open_keeper(options: DoctorOptions, endpoint: str, world: World, api: Chosen) -> AsyncIterator[Keeper | None]:
    """Hold the files of the job whose checkpoint is given, None if there is none. Nothing is sent.

    Raises OtherJobError if the job has another service or workflow, UsageError if the object is that of a row in doubt,
    and what opening the files raises.
    """
    if options.checkpoint is None:
        yield None
        return
    async with (
        open_short(options.checkpoint, world, Drain()) as attempt,
        open_files(options.checkpoint, None, None, world, attempt=attempt) as files,
    ):
        _check_job(files, options, endpoint, api)
        await _check_object(files, options)
        yield Keeper(files, options.checkpoint, world.voice)


def _check_job(files: Files, options: DoctorOptions, endpoint: str, api: Chosen) -> None:
    card = files.card
    wanted = (api.dialect.name, api.project, endpoint, options.workflow)
    if (card.dialect, card.project, card.endpoint, card.workflow) != wanted:
        raise OtherJobError(
            f"{options.checkpoint}: this job starts workflow {card.workflow} at {card.endpoint}{_of(card.project)}, not"
            f" {options.workflow} at {endpoint}{_of(api.project)}; nothing was started",
            "Give the workflow and the endpoint of the job, or leave --checkpoint out.",
        )


def _of(project: str) -> str:
    return f" in project {project}" if project else ""


async def _check_object(files: Files, options: DoctorOptions) -> None:
    """Refuse an object that may be that of a row in doubt: if the answer was lost, the two could be taken for one."""
    for row in await files.checkpoint.unsettled({Status.IN_DOUBT}):
        if row.bucket == options.bucket and is_key_alike(row.object, options.object):
            raise UsageError(
                f"--object: row {row.number:,} of this job may have been started for this object already; nothing was"
                " started",
                "Choose another object, which may be processed once more.",
            )
