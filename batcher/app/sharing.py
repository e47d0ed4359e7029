"""A job among the jobs that share its ledger: joins it, claims rows before their intents, and holds what is another's.

What the ledger has of a row follows from its status in the checkpoint of its job, see `batcher.rules.rows.sharing`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import islice
from pathlib import Path

from msgspec import structs

from batcher.edges.checkpoint import Checkpoint, reading
from batcher.edges.row_ledger import Claim, Known, Ledger, Member, Noted, Store, open_ledger
from batcher.edges.same_file import SameFile
from batcher.model import Admitted, Found, Outcome, Row, Settlement, Status, Unsettled
from batcher.rules.rows.admission import Policy
from batcher.rules.rows.identity import content_key
from batcher.rules.rows.sharing import (
    HELD_ELSEWHERE,
    Entry,
    Fate,
    Holder,
    answer_of,
    entry_of,
    execution_of,
    fate,
    is_held_elsewhere,
)

BATCH = 10_000
"""The maximum number of rows that are added in one transaction, for which other jobs wait."""
UNSETTLED = frozenset({Status.SENDING, Status.IN_DOUBT})

Admit = Callable[[Sequence[Admitted], float], Awaitable[None]]
Decide = Callable[[Found], Admitted | None]
Fire = Callable[[Admitted], Awaitable[Outcome]]


class Sharing:
    """The part of one run in a ledger. `policy` says what other jobs matter for."""

    def __init__(self, ledger: Ledger, policy: Policy) -> None:
        self.ledger = ledger
        self._file = SameFile(ledger.path, "ledger")
        self._decide = partial(fate, again=policy.again, allow_duplicates=policy.allow_duplicates)
        self._holders: dict[int, Holder] = {}
        """What keeps rows from being sent that have no record yet, by their ids."""

    async def join(
        self, member: Member, checkpoint: Checkpoint, *, is_member: bool, is_newest: bool, is_heir: bool
    ) -> None:
        """Enter the ledger as `member`, and make its entries those of the checkpoint.

        A job that is no member yet brings all that it has started. For others only the claims are compared that a crash
        may have left: those of rows that are not open in the checkpoint. A row that the checkpoint does not know was
        never sent if it `is_newest`. A checkpoint that was rebuilt `is_heir` of the claims of the former one.
        """
        await self.ledger.do(lambda store: store.enter(member))
        if is_heir:
            await self.ledger.do(lambda store: store.take_over(member.path))
        await enter_rows(
            self.ledger,
            member.path,
            await checkpoint.unsettled(UNSETTLED),
            brings_all=not is_member,
            is_newest=is_newest,
        )

    async def look(self, found: Sequence[Found]) -> None:
        """Look up rows of the manifest, so that `deciding` knows those that another job has started."""
        rows = [each for each in found if isinstance(each.row, Row)]
        holders = await self.ledger.holders([each.row.key for each in rows], self._decide) if rows else []
        for each, holder in zip(rows, holders, strict=True):
            if holder.entry is Entry.STARTED:
                self._holders[each.id] = holder

    def deciding(self, decide: Decide) -> Decide:
        """Return `decide`, but for the rows that another job has started: they are duplicates."""

        def decide_or_leave(found: Found) -> Admitted | None:
            admitted = decide(found)
            if admitted is not None and admitted.status is Status.SENDING and admitted.id in self._holders:
                return structs.replace(admitted, status=Status.DUPLICATE)
            return admitted

        return decide_or_leave

    async def admit(self, rows: Sequence[Admitted], now: float, admit: Admit, hold: Admit) -> None:
        """Claim rows, then admit the free ones with `admit`. The others are held with an intent of their own.

        It says that they are never sent. After a crash the next run asks the ledger for them again.
        """
        self._file.need()
        sending = [Claim(each.id, each.row.key) for each in rows if each.status is Status.SENDING]
        if sending:
            self._holders |= await self.ledger.claim(sending, self._decide)
        held = [structs.replace(each, status=Status.SENDING) for each in rows if each.id in self._holders]
        free = [each for each in rows if each.id not in self._holders]
        if held:
            await hold(held, HELD_ELSEWHERE)
        if free:
            await admit(free, now)

    def firing(self, fire: Fire) -> Fire:
        """Return `fire` for the rows that this job may send. For the others, return how they end."""

        def fire_or_hold(admitted: Admitted) -> Awaitable[Outcome]:
            return _at_once(self.unsent(admitted)) if admitted.id in self._holders else fire(admitted)

        return fire_or_hold

    def unsent(self, admitted: Admitted) -> Outcome:
        """Return how a row ends that is not sent: because of another job, or by its own status."""
        holder = self._holders.pop(admitted.id, None)
        if holder is None:
            return Outcome(admitted, admitted.status)
        is_started = self._decide(holder) is Fate.DUPLICATE
        status = Status.DUPLICATE if is_started else Status.IN_DOUBT
        return Outcome(admitted, status, answer_of(holder), execution_of(holder))

    async def asked(self, rows: Sequence[Unsettled]) -> list[tuple[Unsettled, Holder, Fate]]:
        """Ask the ledger again for rows that are held for other jobs."""
        holders = await self.ledger.holders([key_of(row) for row in rows], self._decide)
        return [(row, holder, self._decide(holder)) for row, holder in zip(rows, holders, strict=True)]

    def settled(self, settlements: Sequence[Settlement]) -> None:
        """Note how rows stand, after this was committed to the checkpoint."""
        self.ledger.note([Noted(each.id, entry_of(each.status), each.execution) for each in settlements])


async def _at_once(outcome: Outcome) -> Outcome:
    return outcome


@asynccontextmanager
async def open_sharing(path: Path | None, policy: Policy) -> AsyncIterator[Sharing | None]:
    """Open the ledger of a run. Without a path there is none, and nothing is done."""
    if path is None:
        yield None
        return
    async with open_ledger(path) as ledger:
        yield Sharing(ledger, policy)


def key_of(row: Unsettled) -> bytes:
    """Return the identity of an unsettled row's content."""
    return content_key(row.bucket, row.object, row.inputs)


async def enter_rows(  # noqa: PLR0913 - a checkpoint, and what it may change
    ledger: Ledger,
    checkpoint: Path,
    unsettled: Sequence[Unsettled],
    *,
    brings_all: bool,
    is_newest: bool,
    may_drop: bool = True,
) -> None:
    """Add what a checkpoint knows to the entries of the job that has entered the ledger.

    Stale claims are dropped if nothing else may write claims of this job now.
    """
    claimed = [
        Known(row.id, key_of(row), Entry.CLAIMED)
        for row in unsettled
        if entry_of(row.status, is_held=is_held_elsewhere(row)) is Entry.CLAIMED
    ]
    stale = set(await ledger.do(lambda store: store.claims())) - {Claim(each.row, each.key) for each in claimed}
    wanted = None if brings_all else {claim.key for claim in stale}
    seen = {key_of(row) for row in unsettled}
    if wanted is None or wanted:
        entries = _starts(checkpoint, wanted, seen)
        while batch := await asyncio.to_thread(lambda: list(islice(entries, BATCH))):
            await ledger.do(partial(_add, batch))
    unknown = entry_of(None, is_newest=is_newest)
    dropped = [claim.row for claim in stale if may_drop and (claim.key in seen or unknown is Entry.NONE)]
    await ledger.do(lambda store: store.renew(dropped, claimed))


def _add(batch: Sequence[Known], store: Store) -> None:
    store.add(batch)


def _starts(checkpoint: Path, wanted: Collection[bytes] | None, seen: set[bytes]) -> Iterator[Known]:
    """Yield the started rows of a checkpoint, all or those with these contents, and note in `seen` which it knows."""
    with reading(checkpoint) as kept:
        for standing in kept.standings():
            if standing.key and (wanted is None or standing.key in wanted):
                if wanted is not None:
                    seen.add(standing.key)
                if entry_of(standing.status) is Entry.STARTED:
                    yield Known(0, standing.key, Entry.STARTED, standing.execution)
