"""Which ledger a job belongs to, and how it joins it.

A job that has joined a ledger stays in it: without it, it would start rows of other jobs, and they its rows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

from batcher.app.api import card_in
from batcher.app.generation import Generation
from batcher.app.job_identity import job_of
from batcher.app.sharing import Sharing, key_of, open_sharing
from batcher.app.voice import Voice
from batcher.edges.checkpoint import Checkpoint
from batcher.edges.checkpoint.facts import JOB_ID, LEDGER, RECOVERED
from batcher.edges.checkpoint.places import is_there
from batcher.edges.row_ledger import Member, Store
from batcher.errors import JobError, OtherJobError
from batcher.model import Unsettled
from batcher.rules.job.card import Card
from batcher.rules.rows.admission import Policy
from batcher.rules.rows.sharing import fate, is_held_elsewhere, target_of
from batcher.rules.text import printable

Facts = Mapping[str, str | int]

WAY_OUT = (
    "If that ledger is lost, batcher ledger import, with the checkpoints of all its jobs, makes a new one, which then"
    " replaces it."
)


async def need_ledger(sharing: Sharing | None, checkpoint: Path, job: Card, facts: Facts) -> None:
    """Raise OtherJobError if a job that has joined a ledger would be run without it, or with another one.

    Another ledger is accepted if the job was imported into it.
    """
    joined = facts.get(LEDGER)
    if joined is None or (sharing is not None and sharing.ledger.id == joined):
        return
    ledger = printable(job_of(job, checkpoint).card.ledger)
    if sharing is None:
        raise OtherJobError(
            f"{checkpoint}: this job shares the ledger {ledger} with other jobs, and this command gives no --ledger",
            f"Add --ledger {ledger}. {WAY_OUT}",
        )
    job_id = str(facts[JOB_ID])
    if not await sharing.ledger.do(lambda store: store.knows(job_id)):
        raise OtherJobError(
            f"{sharing.ledger.path}: another ledger than that of this job, {ledger}",
            f"Give --ledger {ledger}. {WAY_OUT}",
        )


async def join(  # noqa: PLR0913, PLR0917 - a job and its ledger meet here
    sharing: Sharing, checkpoint: Checkpoint, path: Path, job: Card, facts: Facts, generation: Generation
) -> None:
    """Join the ledger with the job of an open checkpoint. Its starts are in the ledger when this returns."""
    await sharing.join(
        Member(generation.job_id, path, target_of(job)),
        checkpoint,
        is_member=facts.get(LEDGER) == sharing.ledger.id,
        is_newest=generation.unproven is None,
        is_heir=bool(facts.get(RECOVERED)),
    )


def holders_of(checkpoint: Path, rows: Sequence[Unsettled]) -> Mapping[int, str]:
    """Return which other job holds each of the rows that wait for one, by their ids, as far as the ledger shows it."""
    waiting = [row for row in rows if is_held_elsewhere(row)]
    card = card_in(checkpoint) if waiting else None
    if card is None or not card.ledger:
        return {}
    with (
        suppress(JobError),
        closing(Store.open(Path(job_of(card, checkpoint).card.ledger), is_new_allowed=False)) as store,
    ):
        store.view("", target_of(card))
        holders = store.holders([key_of(row) for row in waiting], fate)
        return {row.id: holder.job for row, holder in zip(waiting, holders, strict=True) if holder.job}
    return {}


@asynccontextmanager
async def open_joined(checkpoint: Path, voice: Voice) -> AsyncIterator[Sharing | None]:
    """Open the ledger that the job of a checkpoint has joined, for a command that gives none.

    Without it, warn that the next run notes there what the command settles.
    """
    card = card_in(checkpoint)
    ledger = Path(job_of(card, checkpoint).card.ledger) if card is not None and card.ledger else None
    if ledger is not None and not is_there(ledger):
        voice.warn(f"{ledger}: the ledger of this job is not there; rows that are held for other jobs stay in doubt")
        ledger = None
    async with open_sharing(ledger, Policy()) as sharing:
        yield sharing
