"""The two files of a job together: records are on disk before the verdicts that rely on them are committed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from batcher.app.attempt import Attempt
from batcher.app.generation import Generation, Unproven
from batcher.app.job_identity import is_side_manifest
from batcher.app.output_place import Facts, Place, given_or_last
from batcher.app.world import World
from batcher.edges.checkpoint import Answered, Checkpoint
from batcher.edges.checkpoint.facts import (
    ASCENT,
    BUCKET_USED,
    CARD,
    INHERITED,
    LEDGER,
    LENGTH,
    LIMIT,
    LIST_LENGTH,
    OUTPUT,
    PREFIX,
    PROVEN,
    READ_WHOLE,
)
from batcher.edges.checkpoint.places import folder_of, is_there
from batcher.edges.manifest import AnyManifest
from batcher.edges.records import Output, open_output, tail_of
from batcher.edges.same_file import SameFile
from batcher.errors import JobError, OtherJobError, UsageError
from batcher.flow.repair import LEFT_OPEN, repair_of, resume, unexplained
from batcher.model import BEGINNING, Admitted, Record, Settlement, Status, Unsettled
from batcher.rules.job.card import Card, encoded, renewed
from batcher.rules.modes import open_to_others
from batcher.rules.progress import extent
from batcher.rules.progress.extent import Length
from batcher.rules.rate.remembered import Remembered
from batcher.rules.rows import settled_prefix
from batcher.rules.rows.settled_prefix import Frontier, Prefix
from batcher.rules.shards import merging
from batcher.rules.text import printable

if TYPE_CHECKING:
    from batcher.app.sharing import Sharing

PassOn = Callable[[Sequence[Record]], Awaitable[None]]


class Files:
    """An open checkpoint with its open output. `card` is that of the job. `is_side`: the run has a side manifest.

    `written_before` is the number of bytes in the other outputs of the job.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - all that makes a job's files
        self,
        checkpoint: Checkpoint,
        output: Output[Record],
        place: Place,
        card: Card,
        generation: Generation,
        held: Sequence[SameFile],
        *,
        written_before: int,
        is_side: bool,
        is_bucket_used: bool,
        pass_on: PassOn | None = None,
        attempt: Attempt | None = None,
        sharing: Sharing | None = None,
    ) -> None:
        self.checkpoint = checkpoint
        self.attempt = attempt
        """The attempt at a shard whose files these are, None for a job without shards."""
        self.sharing = sharing
        """The job's part in the ledger that it shares with others, None if it shares none."""
        self.latest = 0.0
        """The latest time that this run has noted, in POSIX seconds by the service's clock; 0 if none is known."""
        self.card = card
        self._generation = generation
        self._held = held
        self.is_side = is_side
        self.frontier = Frontier(Prefix(BEGINNING, {}, ""))
        """Follows the reading of the manifest."""
        self._manifest: AnyManifest | None = None
        self._output = output
        self._length_name = LENGTH + place.name
        self._written = written_before + output.length
        """The number of bytes in all outputs of the job that are committed."""
        self._written_before = written_before
        self._is_bucket_used = is_bucket_used
        self._pass_on = pass_on
        self._list_length: Length | None = None
        self._learned: Remembered | None = None
        """What was stored last about the service's rate. It changes a few times a second at most."""

    def follow(self, manifest: AnyManifest, prefix: Prefix) -> None:
        """Follow the reading of a manifest that begins after `prefix`."""
        self._manifest = manifest
        self.frontier = Frontier(prefix)

    async def admit(self, rows: Sequence[Admitted], now: float) -> None:
        """Admit rows. `now` is POSIX seconds by the service's clock. Only after this may one of them be sent."""
        self.latest = max(self.latest, now)
        first = None if self._is_bucket_used or self._manifest is None else self._manifest.first_unnamed
        if first is None or rows[-1].row.number < first:
            await self.checkpoint.admit(rows, now)
        else:
            await self.checkpoint.admit(rows, now, {BUCKET_USED: 1})
            self._is_bucket_used = True

    async def settle(  # noqa: PLR0913 - what is made durable together
        self,
        settlements: Sequence[Settlement],
        records: Sequence[Record] = (),
        *,
        doubt_at: float | None = None,
        learned: Remembered | None = None,
        length: Length | None = None,
        now: float = 0.0,
        recovered: Sequence[Record] = (),
    ) -> None:
        """Put records on disk, then commit how rows stand, then pass the records on.

        Rows in doubt were not sent after `doubt_at`, in POSIX seconds by the service's clock, if that is known.
        `learned` is what this run has learned about the service's rate, None if it has sent nothing. `length` is that
        of the job's own manifest. `now` is POSIX seconds by the service's clock, 0 if it is not known. `recovered` are
        records of these rows that are on disk already.
        """
        block = self._output.compose(records)
        size = self._output.length
        facts: dict[str, str | int] = {self._length_name: size}
        if learned is not None and learned != self._learned:
            facts |= _rates(learned)
            self._learned = learned
        if length is not None:
            facts |= self.new_length(length)
        if self.frontier.settled(settlements):
            facts |= _prefix(self.frontier.prefix)
        self.latest = max(self.latest, now)
        is_due = self._generation.is_due
        if is_due:
            facts |= self._generation.following(self.latest)
        append = partial(self.append, block) if block else None
        await self.checkpoint.settle(settlements, facts, doubt_at, append, Answered(recovered or records, now))
        if self.sharing is not None:
            self.sharing.settled(settlements)
        self._written = max(self._written, self._written_before + size)
        if is_due:
            await self.attest()
        if self._pass_on is not None and records:
            await self._pass_on(records)

    def append(self, block: bytes) -> None:
        """Append records. Raises DiskError, also if a file of the job is no longer where the next run looks for it."""
        for file in self._held:
            file.need()
        self._output.append(block)

    @property
    def unproven(self) -> Unproven | None:
        """Since when the checkpoint may lack starts, None if it is the newest of its job."""
        return self._generation.unproven

    async def prove(self) -> None:
        """Note that the checkpoint is the newest of its job, or that the rows that this concerns are held."""
        if self.unproven is not None:
            await self.checkpoint.remember(self._generation.proven())

    async def begin_generation(self) -> None:
        """Commit that a new generation has begun, and write it to the witness."""
        await self.checkpoint.remember(self._generation.following(self.latest))
        await self.attest()

    async def attest(self) -> None:
        """Merge the checkpoint's log, and write to the witness how far the job has come. It must be committed before.

        A copy of the checkpoint without its log is then at most as old as the generation.
        """
        await self.checkpoint.merge()
        await self._generation.attest(self._written)

    def new_length(self, length: Length) -> Mapping[str, str | int]:
        """Return the fact to store about the length of the manifest, nothing if it is no news."""
        if self.is_side or not length.is_news(self._list_length):
            return {}
        self._list_length = length
        return {LIST_LENGTH: extent.encoded(length)}

    async def remembered(self) -> Remembered:
        """Return what earlier runs learned about the service's rate."""
        return Remembered(rate_of(await self.checkpoint.recall(LIMIT)), rate_of(await self.checkpoint.recall(PROVEN)))

    async def fix_cell_types(self, types: Mapping[str, str]) -> None:
        """Store the types of cells on the card. Every run of the job converts cells by them."""
        self.card = structs.replace(self.card, cell_types=types)
        await self.checkpoint.remember({CARD: encoded(self.card)})

    async def repair(self, now: float, others: Sequence[Record] = ()) -> None:
        """Settle what an interrupted run left between an intent and a verdict; `now` is POSIX seconds.

        `others` are records that were found in another output.
        """
        left = await self.checkpoint.unsettled(LEFT_OPEN)
        written = [*others, *self._output.recovered]
        await resume(left, written, partial(self.settle, recovered=written), now)

    async def forget_inherited(self, ids: Sequence[int]) -> None:
        """Note that rows are sent again: what earlier attempts at the shard have done with them is the past."""
        kept = await self.checkpoint.recall(INHERITED) if ids and self.attempt is not None else None
        if kept:
            left = {number: known - {*ids} for number, known in merging.decoded(str(kept)).items()}
            await self.checkpoint.remember({INHERITED: merging.encoded(left)})

    async def take_late(self, folder: Path) -> int:
        """Settle rows in doubt by what former attempts at the shard have recorded since. Return how many there were.

        `folder` is that of the checkpoint.
        """
        count = 0
        for name, length in (await self.checkpoint.facts()).items():
            path = folder / name.removeprefix(LENGTH)
            if not name.startswith(LENGTH) or name == self._length_name or not path.exists():
                continue
            tail = tail_of(path, int(length))
            if tail.length:
                left = await self.checkpoint.unsettled({Status.IN_DOUBT})
                settlements = repair_of(left, tail.records, 0.0).settlements
                await self.settle(settlements, recovered=tail.records)
                await self.checkpoint.remember({name: int(length) + tail.length})
                self._written_before += tail.length
                count += len(settlements)
        return count


@asynccontextmanager
async def open_files(  # noqa: PLR0913 - what the files of a job depend on
    checkpoint_path: Path,
    card: Card | None,
    output_path: Path | None,
    world: World,
    pass_on: PassOn | None = None,
    *,
    for_spreadsheets: bool = False,
    attempt: Attempt | None = None,
    sharing: Sharing | None = None,
) -> AsyncIterator[Files]:
    """Lock a job's files for one run, and repair what an interrupted run left.

    `card` is that of the command, None if it works on whatever job is there. Without an output path, it is that of the
    last run, and a new one is `for_spreadsheets` or not. `pass_on` takes the records once they are on disk. With
    `sharing`, the job joins its ledger. Raises what opening either file raises, and OtherJobError for another ledger
    than the job's.
    """
    folder = folder_of(checkpoint_path)
    async with world.open_checkpoint(checkpoint_path, card) as checkpoint, AsyncExitStack() as held:
        facts = await checkpoint.facts()
        generation = held.enter_context(closing(Generation(checkpoint_path, facts, world.environment, world.steady)))
        job = await checkpoint.card()
        is_empty = await checkpoint.is_empty()
        is_side = card is not None and is_side_manifest(job, card, folder) and not is_empty
        if card is not None:
            if sharing is not None or LEDGER in facts:
                # Imported here, as below, since most jobs share no ledger.
                from batcher.app.membership import need_ledger  # noqa: PLC0415

                await need_ledger(sharing, checkpoint_path, job, facts)
            job = renewed(job, card, is_side=is_side)
        place = given_or_last(output_path, facts, folder)
        if place is None:
            raise UsageError(f"{checkpoint_path}: this checkpoint has no output yet", "Run the job first.")
        left = await checkpoint.unsettled(LEFT_OPEN)
        generation.compare(facts, left, await checkpoint.controls(), is_empty=is_empty)
        former, others = _former_tail(facts, place, folder, left)
        noted = {CARD: encoded(job), OUTPUT: place.name} | former
        if place.known is None:
            noted[LENGTH + place.name] = 0
        if card is not None and not is_side:
            noted[READ_WHOLE] = 0
        accept = partial(_need_newest, place.path, left)
        async with open_output(place.path, place.known, accept, for_spreadsheets=for_spreadsheets) as output:
            for path in (checkpoint_path, place.path):
                warning = open_to_others(path.stat().st_mode, str(path))
                if warning is not None:
                    world.voice.warn(warning)
            if sharing is not None:
                from batcher.app.membership import join  # noqa: PLC0415

                await join(sharing, checkpoint, checkpoint_path, job, facts, generation)
                noted[LEDGER] = sharing.ledger.id
            # Before the first record: a crash after that must not leave an output that the checkpoint does not know.
            await checkpoint.remember(noted | generation.following())
            files = Files(
                checkpoint,
                output,
                place,
                job,
                generation,
                (SameFile(checkpoint_path, "checkpoint"), SameFile(place.path, "output")),
                written_before=written(facts | noted, but=place.name),
                is_side=is_side,
                is_bucket_used=bool(facts.get(BUCKET_USED)),
                pass_on=pass_on,
                attempt=attempt,
                sharing=sharing,
            )
            await files.attest()
            await files.repair(world.clock(), () if attempt is None else others)
            try:
                yield files
            finally:
                # Also after an error: what was committed until now must not be lost on a copy. If the checkpoint is
                # what failed, it cannot be written, and the first error is the one to report.
                with suppress(JobError):
                    await files.begin_generation()


def rate_of(fact: str | int | None) -> float | None:
    """Return the rate of a stored fact, in starts per second. None if none was found."""
    return int(fact or 0) / 1000 or None


def written(facts: Facts, *, but: str = "") -> int:
    """Return the number of bytes in all outputs of a job, but the one with the name `but`."""
    return sum(int(length) for name, length in facts.items() if name.startswith(LENGTH) and name != LENGTH + but)


def _prefix(prefix: Prefix) -> dict[str, str | int]:
    found: dict[str, str | int] = {PREFIX: settled_prefix.encoded(prefix)}
    return found if prefix.ascended is None else found | {ASCENT: settled_prefix.encoded_ascent(prefix)}


def _rates(learned: Remembered) -> dict[str, str | int]:
    # A limit that is no longer found replaces the one that an earlier run has found.
    rates = {LIMIT: learned.limit or 0.0, PROVEN: learned.proven}
    return {name: round(rate * 1000) for name, rate in rates.items() if rate is not None}


def _former_tail(
    facts: Facts, place: Place, folder: Path, left: Sequence[Unsettled]
) -> tuple[dict[str, str | int], Sequence[Record]]:
    """Look at the last run's output, if this run has another one. Return its length, and the records that are news.

    Only the last run's output can have records that the checkpoint does not know. Once this is committed, it knows
    them. Raises as `_need_newest`.
    """
    former = given_or_last(None, facts, folder)
    if former is None or former.known is None or former.name == place.name or not is_there(former.path):
        return {}, ()
    if former.path.stat().st_size < former.known:
        return {}, ()
    tail = tail_of(former.path, former.known)
    _need_newest(former.path, left, tail.records)
    return {LENGTH + former.name: former.known + tail.length}, tail.records


def _need_newest(output: Path, left: Sequence[Unsettled], written: Sequence[Record]) -> None:
    """Raise OtherJobError if the output has records that the rows `left` by a crash do not explain."""
    found = unexplained(left, written)
    if found is not None:
        raise OtherJobError(
            f"{output}: the checkpoint is older than this output, which has a record of row {found.row:,}"
            f" ({found.bucket}/{printable(found.object)}) that the checkpoint does not know. Nothing was sent, and"
            " nothing was changed",
            "Rows would be started twice. Put the newest checkpoint of this job back, with its -wal file if there is"
            " one, then run the same command again. If it is lost, batcher recover, with MANIFEST and the options of"
            " the job, rebuilds the checkpoint from the output.",
        )
