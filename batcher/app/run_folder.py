"""The job of a run folder: its shards as one, for the verbs that look at a job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from msgspec import structs

from batcher.app.history import Past, open_past
from batcher.app.job_identity import job_of
from batcher.app.voice import TERMINAL, Voice
from batcher.edges.checkpoint import Glance, glance
from batcher.edges.run_folder import checkpoints_in, is_run_folder, plan_in
from batcher.errors import OtherJobError, UsageError
from batcher.model import Status
from batcher.rules.progress.extent import Length
from batcher.rules.records.standing import current, current_counts
from batcher.rules.report.next_commands import UNSENT, Job
from batcher.rules.shards.assignment import Shard, parsed
from batcher.rules.shards.attempts import is_named_for
from batcher.rules.shards.plan import Plan
from batcher.rules.shards.totals import Count, faults, total_of
from batcher.rules.text import counted


def checkpoints_of(path: Path) -> list[Path]:
    """Return the checkpoints of a job: the one at this path, or those of all shards in a run folder.

    Raises UsageError for a run folder in which no shard has begun.
    """
    if not is_run_folder(path):
        return [path]
    found = checkpoints_in(path)
    if not found:
        raise UsageError(f"{path}: no shard of this job has begun", "Run a shard first.")
    return found


def pasts(path: Path, voice: Voice = TERMINAL) -> Iterator[Past]:
    """Open the files of each shard of a job in turn, or those of a job without shards.

    Raises what opening raises, and OtherJobError for the checkpoint of another shard than its name says.
    """
    plan = plan_in(path) if is_run_folder(path) else None
    for checkpoint in checkpoints_of(path):
        with open_past(checkpoint, voice) as past:
            if plan is not None:
                _need_place(checkpoint, past.checkpoint.card.shard, plan)
            yield past


def warn_of_gaps(path: Path, voice: Voice = TERMINAL) -> None:
    """Warn if the shards of a run folder do not have each row of the list once. Raises what `shards_in` raises."""
    shards = shards_in(path)
    if shards is None:
        return
    if shards.missing:
        absent = counted(len(shards.missing), "shard")
        voice.warn(f"{path}: {absent} of {shards.plan.shards} not begun; their rows are left out")
    for fault in shards.faults:
        voice.warn(f"{path}: the totals do not add up: {fault}")


def files_of(path: Path) -> list[Path]:
    """Return the files of a job, of all shards. Raises what opening them raises."""
    return [file for past in pasts(path) for file in past.paths]


def job_at(path: Path) -> Job:
    """Return the job of a checkpoint or of a run folder. Raises what reading a checkpoint raises."""
    shards = shards_in(path)
    return job_of(glance(path).card, path) if shards is None else shards.job


class Shards(NamedTuple):
    """The shards of a run folder that have begun, by their numbers: their checkpoints, and what these show."""

    folder: Path
    plan: Plan
    checkpoints: Mapping[int, Path]
    seen: Mapping[int, Glance]

    @property
    def counts(self) -> Mapping[int, Mapping[Status, int]]:
        """How the rows of each shard stand."""
        return {number: current_counts(each.counts, running=each.running) for number, each in self.seen.items()}

    @property
    def _counted(self) -> Mapping[int, Count]:
        return {
            number: Count(each.counts.total(), each.elsewhere, each.read_whole) for number, each in self.seen.items()
        }

    @property
    def faults(self) -> list[str]:
        """What is wrong with the totals, and rows that were started by two attempts, in sentences."""
        return [f"the totals do not add up: {fault}" for fault in faults(self.plan.shards, self._counted)] + [
            f"shard {number}: {alarm}" for number, each in self.seen.items() for alarm in each.alarms
        ]

    @property
    def missing(self) -> list[int]:
        """The numbers of the shards that have not begun."""
        return [number for number in range(self.plan.shards) if number not in self.seen]

    @property
    def as_one(self) -> Glance:
        """The job as one checkpoint would show it. Rows that a shard was sending when it ended are in doubt."""
        shown = self.seen.values()
        total = total_of(self.plan.shards, self._counted)
        lengths = [each.length for each in shown]
        length = None if total is None else Length(total, is_exact=True)
        if length is None and not self.missing and None not in lengths:
            length = Length(sum(each.rows for each in lengths if each), is_exact=False)
        counts = sum((Counter(each) for each in self.counts.values()), Counter[Status]())
        return Glance(
            card=structs.replace(next(iter(shown)).card, shard=""),
            running=any(each.running for each in shown),
            read_whole=not self.missing and all(each.read_whole for each in shown),
            length=length,
            counts=counts,
            unsettled=[
                row._replace(status=current(row.status, running=each.running))
                for each in shown
                for row in each.unsettled
            ],
        )

    @property
    def job(self) -> Job:
        """The job with the current paths of its files, and the shards that have rows to send."""
        number, first = next(iter(self.checkpoints.items()))
        card = structs.replace(job_of(self.seen[number].card, first).card, shard="")
        of = self.plan.shards
        unfinished = [str(Shard(number, of)) for number in range(of) if self._has_rows_left(number)]
        return Job(card, str(self.folder.resolve()), tuple(unfinished))

    def _has_rows_left(self, number: int) -> bool:
        seen = self.seen.get(number)
        return seen is None or not seen.read_whole or any(self.counts[number][status] for status in UNSENT)


def shards_in(folder: Path) -> Shards | None:
    """Look at all shards of a run folder. None if the path is not one. Raises what reading a checkpoint raises."""
    return shards_of(folder, {path: glance(path) for path in checkpoints_of(folder)}) if is_run_folder(folder) else None


def shards_of(folder: Path, looks: Mapping[Path, Glance]) -> Shards | None:
    """Return the shards of a run folder, given what their checkpoints show. None if the path is not one.

    Raises OtherJobError for the checkpoint of another shard than its name says.
    """
    plan = plan_in(folder)
    if plan is None:
        return None
    for path, look in looks.items():
        _need_place(path, look.card.shard, plan)
    numbers = {parsed(look.card.shard).number: path for path, look in looks.items()}
    return Shards(folder, plan, numbers, {number: looks[path] for number, path in numbers.items()})


def _need_place(checkpoint: Path, written: str, plan: Plan) -> None:
    """Raise OtherJobError unless a checkpoint in a run folder is that of the shard `written` by its name."""
    if written and (shard := parsed(written)).of == plan.shards and is_named_for(checkpoint.name, shard):
        return
    whose = f"shard {written}" if written else "a job without shards"
    raise OtherJobError(
        f"{checkpoint}: the checkpoint of {whose}, which is not what its name says among {plan.shards:,} shards",
        "Its rows would be counted for another shard. Move it out of the run folder, or give it its name again.",
    )
