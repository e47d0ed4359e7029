"""The resume: what an interrupted run left between an intent and a verdict is settled before anything new is sent.

A record that reached the output is believed. A row that may have been sent and has no record is in doubt, and named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from batcher.model import Record, Settlement, State, Status, Unsettled
from batcher.rules.records.codec import Written, record_of_unsettled

LEFT_OPEN = frozenset({State.INTENT, State.INVALID, State.DUPLICATE, State.IN_DOUBT})
"""The states in which an unsettled row waits for a record: its first, or the one that says how its doubt has ended."""

_BELIEVED = {
    Status.STARTED: State.STARTED,
    # The record does not say whether the service would never start the row or was only busy. It was not started:
    # sending it again is safe, and tells.
    Status.REJECTED: State.PENDING,
    Status.INVALID: State.INVALID,
    Status.DUPLICATE: State.DUPLICATE,
    Status.IN_DOUBT: State.IN_DOUBT,
}

_UNWRITTEN = {
    State.INTENT: (State.IN_DOUBT, Status.IN_DOUBT),
    State.INVALID: (State.INVALID, Status.INVALID),
    State.DUPLICATE: (State.DUPLICATE, Status.DUPLICATE),
}


@dataclass(frozen=True, slots=True)
class Repair:
    """What an interruption asks for: records to be written, then settlements to be made."""

    records: list[Record]
    settlements: list[Settlement]


def repair_of(left: Sequence[Unsettled], written: Sequence[Written], now: float) -> Repair:
    """Decide on the rows left open, given the records that are in the output beyond what the checkpoint knows."""
    by_number = {record.row: record for record in written}
    # Rows taken in from two orders of a manifest may bear one number; a record of it could be either's.
    bearers = Counter(row.number for row in left)
    repair = Repair([], [])
    for row in left:
        record = by_number.get(row.number) if bearers[row.number] == 1 else None
        if record is not None:
            repair.settlements.append(Settlement(row.id, _BELIEVED[record.status], record.execution_name))
        elif row.state is not State.IN_DOUBT:
            state, status = _UNWRITTEN[row.state]
            repair.records.append(record_of_unsettled(row, status, now))
            repair.settlements.append(Settlement(row.id, state))
    return repair


async def resume(
    left: Sequence[Unsettled],
    written: Sequence[Written],
    settle: Callable[[Sequence[Settlement], Sequence[Record]], Awaitable[None]],
    now: float,
) -> None:
    """Settle what an interrupted run left open. `settle` puts the records on the disk before the verdicts."""
    repair = repair_of(left, written, now)
    await settle(repair.settlements, repair.records)
