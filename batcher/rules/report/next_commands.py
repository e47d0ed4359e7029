"""The commands that a user may run next, ready for a shell, derived from the job card and what is left. Pure.

A job's own command contains everything in the card about the manifest and the selection from it. Options that only
change how a run works, such as its rate, are not part of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import orjson
from msgspec import structs

from batcher.model import Status
from batcher.rules.job.card import OBS_V2, STANDARD_INPUT, Card
from batcher.rules.shell import command_line

SHOWN = 8
"""The maximum number of shards whose commands are listed."""
UNSENT = frozenset({Status.PENDING, Status.REFUSED})
"""The statuses of rows that the job's own command sends."""


class Job(NamedTuple):
    """A job with the current paths of its files: its card with absolute paths, and the path of its checkpoint.

    For all shards of a job together, `checkpoint` is the run folder, and `unfinished` are the shards that have rows to
    send, as --shard takes them. It is None otherwise.
    """

    card: Card
    checkpoint: str
    unfinished: tuple[str, ...] | None = None

    @property
    def is_sharded(self) -> bool:
        """Whether it is a shard, or all shards of a job."""
        return bool(self.card.shard) or self.unfinished is not None

    @property
    def run_folder(self) -> str:
        """The run folder of a shard, or of all shards."""
        return self.checkpoint.rpartition("/")[0] if self.unfinished is None else self.checkpoint


class Left(NamedTuple):
    """What is left of a job: rows that its own command sends, rows in doubt, failed rows."""

    rows: bool
    in_doubt: bool
    failed: bool


class Command(NamedTuple):
    """A command that the user may run next, and what it does."""

    reason: str
    command: str


def left_of(counts: Mapping[Status, int], *, read_whole: bool) -> Left:
    """Return what is left, given the rows by status. `read_whole` is whether the job's own manifest was read fully."""
    failed = counts[Status.REJECTED] + counts[Status.INVALID]
    unsent = any(counts[status] for status in UNSENT)
    return Left(unsent or not read_whole, bool(counts[Status.IN_DOUBT]), bool(failed))


def next_steps(job: Job, left: Left, workers: Sequence[str] = ()) -> list[Command]:
    """Return the commands that finish what is left, in the order in which to run them. None if nothing is left.

    `workers` are the words by which one command runs all shards.
    """
    found = []
    if left.rows:
        found += [Command("Start the rows that are not started yet.", each) for each in runs(job, workers)]
    if left.in_doubt:
        found.append(Command("Ask the service about the rows in doubt.", reconcile(job)))
    if left.failed and job.card.manifest == STANDARD_INPUT:
        found.append(Command("Send the rejected rows again.", run(job, "--retry-rejected")))
    elif left.failed:
        file = "failed.jsonl" if _is_json(job.card) else "failed.csv"
        found.append(Command("Write the failed rows to a manifest, then fix it.", failures(job, file)))
        how = ", as a job of their own." if job.is_sharded else ". No row is started twice."
        found.append(Command(f"Run the fixed rows{how}", run_side(job, file, "--retry-rejected")))
    return found


def runs(job: Job, workers: Sequence[str] = ()) -> list[str]:
    """Return the commands that send what is left: one, or that of each shard, the first SHOWN of them.

    With `workers`, the words by which one command runs all shards, it is that one.
    """
    if job.unfinished is None:
        return [run(job)]
    if workers:
        return [command_line([*_own(job), *_run_dir(job), *workers])]
    shards = [Job(structs.replace(job.card, shard=each), f"{job.checkpoint}/") for each in job.unfinished[:SHOWN]]
    return [run(each) for each in shards]


def about(verb: str, checkpoint: object) -> str:
    """Write a command about a job that needs its checkpoint only."""
    return command_line(["batcher", verb, str(checkpoint)])


def run(job: Job, *more: str) -> str:
    """Return the job's own command."""
    card, words = job.card, _own(job)
    if card.shard:
        return command_line([*words, *_shard(job), *more])
    if job.checkpoint != f"{card.manifest}.checkpoint":
        words += ["--checkpoint", job.checkpoint]
    if card.output != f"{card.manifest}.executions.jsonl":
        words += ["--output", card.output]
    return command_line([*words, *more])


def run_side(job: Job, manifest: str, *more: str) -> str:
    """Return the command that runs a manifest with rows of the job, using the job's checkpoint."""
    card = job.card
    words = ["batcher", "run", manifest, *_identity(card)]
    words += [*_flags(card), *_ledger(card)]
    if not job.is_sharded:
        # A shard takes no other manifest: there the rows are a job of their own.
        words += ["--checkpoint", job.checkpoint, "--output", card.output]
    return command_line([*words, *(word for word in more if word not in words)])


def run_anew(job: Job, manifest: str, *more: str) -> str:
    """Return the command that starts rows of the job once more, as a job of their own."""
    again = ["--again"] if job.card.ledger else []
    words = ["batcher", "run", manifest, *_identity(job.card), *_flags(job.card), *_ledger(job.card), *again]
    return command_line([*words, *(word for word in more if word not in words)])


def reconcile(job: Job) -> str:
    """Return the command that resolves rows in doubt."""
    return command_line(["batcher", "reconcile", job.checkpoint])


def doctor(job: Job) -> str:
    """Return the command that makes one start and keeps it as a control of the job. The user chooses the object KEY."""
    card = job.card
    words = ["batcher", "doctor", "--checkpoint", job.checkpoint, *_identity(card)]
    return command_line([*words, *([] if card.bucket else ["--bucket", "BUCKET"]), "--object", "KEY"])


def failures(job: Job, file: str) -> str:
    """Return the command that writes the failed rows to a manifest."""
    card = job.card
    if job.is_sharded:
        return command_line(["batcher", "failures", job.run_folder, "-o", file])
    words = ["batcher", "failures", card.manifest, "-o", file]
    if job.checkpoint != f"{card.manifest}.checkpoint":
        words += ["--checkpoint", job.checkpoint]
    return command_line([*words, *_format(card)])


def export(job: Job, file: str) -> str:
    """Return the command that writes the final state of each row."""
    return command_line(["batcher", "export", job.checkpoint, "-o", file])


def explain(job: Job, row: int) -> str:
    """Return the command that shows the history of a row."""
    return command_line(["batcher", "explain", job.checkpoint, str(row)])


def _own(job: Job) -> list[str]:
    card = job.card
    return ["batcher", "run", card.manifest, *_identity(card), *_selection(card), *_ledger(card)]


def _identity(card: Card) -> Iterator[str]:
    yield from ("--workflow", card.workflow, "--endpoint", card.endpoint)
    if card.dialect != OBS_V2:
        yield from ("--api", card.dialect, "--project-id", card.project)
    if card.endpoint.startswith("http:"):
        yield "--allow-http"
    if card.bucket:
        yield from ("--bucket", card.bucket)
    for name, value in card.inputs.items():
        yield from ("--input", f"{name}:={orjson.dumps(value).decode()}")


def _selection(card: Card) -> Iterator[str]:
    yield from _format(card)
    for name in card.storage_classes:
        yield from ("--storage-class", name)
    yield from _flags(card)


def _format(card: Card) -> list[str]:
    return ["--format", card.format] if card.format else []


def _flags(card: Card) -> Iterator[str]:
    if card.keep_placeholders:
        yield "--keep-placeholders"
    if card.allow_duplicates:
        yield "--allow-duplicates"
    for name in card.ignore_columns:
        yield from ("--ignore-column", name)


def _ledger(card: Card) -> list[str]:
    return ["--ledger", card.ledger] if card.ledger else []


def _shard(job: Job) -> Iterator[str]:
    yield from ("--shard", job.card.shard)
    yield from _run_dir(job)


def _run_dir(job: Job) -> Iterator[str]:
    if job.run_folder != f"{job.card.manifest}.run":
        yield from ("--run-dir", job.run_folder)


def _is_json(card: Card) -> bool:
    by_name = card.manifest.lower().removesuffix(".gz").endswith((".jsonl", ".ndjson"))
    return card.format == "jsonl" if card.format else by_name
