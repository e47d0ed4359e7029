"""What a ledger of rows, which many jobs share, has of a row, and what a job does with a row that it finds there. Pure.

Rule: a job sends a row only while its own claim of the row is in the ledger, and the ledger has no start of it and no
claim of another job. How a row stands in the checkpoint of its job decides what the ledger has of it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import NamedTuple

from batcher.model import Answer, Execution, Status, Unsettled
from batcher.rules.job.card import Card


class Entry(enum.Enum):
    """What a ledger has of a row."""

    NONE = "none"
    """The row was not started, as far as is known."""
    CLAIMED = "claimed"
    """A job is about to send it, has it on the wire, or has it in doubt."""
    STARTED = "started"


class Fate(enum.Enum):
    """What a job does with a row that it would send."""

    SEND = "send"
    DUPLICATE = "duplicate"
    """It is recorded as a duplicate, with the execution."""
    HOLD = "hold"
    """It is in doubt here, since another job may have started it."""


class Target(NamedTuple):
    """What rows are started with. The same row of another target is another row."""

    dialect: str
    endpoint: str
    project: str
    workflow: str


class Holder(NamedTuple):
    """The entry that a ledger has of a row, and the job that made it. `execution` is the name of a start."""

    entry: Entry
    job: str = ""
    """The path of the job's checkpoint."""
    execution: str = ""
    is_own: bool = False
    """Whether it is the job that asks."""


UNKNOWN_ROW = Holder(Entry.NONE)

ENTRIES: Mapping[Status, Entry] = {
    Status.PENDING: Entry.NONE,
    Status.SENDING: Entry.CLAIMED,
    Status.STARTED: Entry.STARTED,
    Status.REFUSED: Entry.NONE,
    Status.REJECTED: Entry.NONE,
    Status.INVALID: Entry.NONE,
    Status.DUPLICATE: Entry.NONE,
    Status.DISMISSED: Entry.NONE,
    Status.IN_DOUBT: Entry.CLAIMED,
}
"""What the ledger has of a row, by the row's status in the checkpoint of its job.

It holds when a row is settled, when a checkpoint is imported, and when a job repairs what a crash has left.
"""

FATES: Mapping[tuple[Entry, bool], Fate] = {
    (Entry.NONE, False): Fate.SEND,
    (Entry.CLAIMED, False): Fate.HOLD,
    (Entry.STARTED, False): Fate.DUPLICATE,
    # The job's own claim: a crash came before the intent, or the row is another copy of the same content.
    (Entry.CLAIMED, True): Fate.SEND,
    # The job's own start of a row that its checkpoint does not know as started: the checkpoint is an older copy.
    (Entry.STARTED, True): Fate.DUPLICATE,
}
"""What a job does with a row that it would send, by the ledger's entry and whether the entry is its own."""


def fate(holder: Holder, *, again: bool = False, allow_duplicates: bool = False) -> Fate:
    """Decide about a row that a job would send. With `again`, other jobs do not matter.

    With `allow_duplicates`, the job itself may have started the same content as another copy.
    """
    if again and not holder.is_own:
        return Fate.SEND
    if allow_duplicates and holder.is_own:
        return Fate.SEND
    return FATES[holder.entry, holder.is_own]


def entry_of(status: Status | None, *, is_held: bool = False, is_newest: bool = True) -> Entry:
    """Return what the ledger has of a row with this status in its job's checkpoint, None if that does not know it.

    `is_held`: the job holds the row for another job, and has never sent it. `is_newest` is whether the checkpoint is
    proven to be the newest of its job: otherwise the job may have sent a row that it does not know.
    """
    if status is None:
        return Entry.NONE if is_newest else Entry.CLAIMED
    return Entry.NONE if is_held else ENTRIES[status]


HELD_ELSEWHERE = -2.0
"""The time of the intent of a row that another job has started or claimed: this job has never sent it."""
STARTED_ELSEWHERE = "StartedByAnotherJob"
"""The error code in the record of a duplicate that another job has started."""
CLAIMED_ELSEWHERE = "HeldByAnotherJob"
"""The error code in the record of a row that another job has on the wire or in doubt."""
REASON = "other jobs of the ledger have these rows on the wire or in doubt"


def is_held_elsewhere(row: Unsettled) -> bool:
    """Return whether a row in doubt was never sent by this job, and waits for another one."""
    return row.intent_at == HELD_ELSEWHERE


def target_of(card: Card) -> Target:
    """Return what the rows of a job are started with."""
    return Target(card.dialect, card.endpoint, card.project, card.workflow)


def answer_of(holder: Holder) -> Answer:
    """Return what the record of a row says that was not sent because of another job."""
    if holder.entry is Entry.STARTED:
        by = "an earlier run of this job, which its checkpoint does not know," if holder.is_own else f"job {holder.job}"
        return Answer(code=STARTED_ELSEWHERE, message=f"{by} has started this row as execution {holder.execution}")
    message = f"job {holder.job} has this row on the wire or in doubt; the row was not sent"
    return Answer(code=CLAIMED_ELSEWHERE, message=message)


def execution_of(holder: Holder) -> Execution | None:
    """Return the execution that a duplicate names, None if it is not known."""
    return Execution(holder.execution) if holder.execution else None
