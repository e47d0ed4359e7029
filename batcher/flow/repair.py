"""The repair: settles what an interrupted run left between an intent and a verdict, before anything new is sent.

A record that reached the output is believed. A row that may have been sent and has no record is in doubt.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from batcher.model import Record, Settlement, Status, Unsettled
from batcher.rules.records.codec import record_of_unsettled

LEFT_OPEN = frozenset({Status.SENDING, Status.INVALID, Status.DUPLICATE, Status.IN_DOUBT})
"""Unsettled rows that wait for a record: their first, or the one that says how their doubt has ended."""

_BELIEVED = {
    Status.STARTED: Status.STARTED,
    Status.REFUSED: Status.REFUSED,
    # Earlier versions wrote this of refused rows too. The row was not started: it is safe to send it again.
    Status.REJECTED: Status.PENDING,
    Status.INVALID: Status.INVALID,
    Status.DUPLICATE: Status.DUPLICATE,
    Status.IN_DOUBT: Status.IN_DOUBT,
}
"""How a row stands that is left open, by its record."""

_UNWRITTEN = {
    Status.SENDING: Status.IN_DOUBT,
    Status.INVALID: Status.INVALID,
    Status.DUPLICATE: Status.DUPLICATE,
}
"""How a row stands that is left open without a record, by how it stood. It gets a record that says so."""


@dataclass(frozen=True, slots=True)
class Repair:
    """What to do after an interruption: records to be written, then settlements to be made."""

    records: list[Record]
    settlements: list[Settlement]


def repair_of(left: Sequence[Unsettled], written: Sequence[Record], now: float) -> Repair:
    """Decide on the rows left open, by the records in the output that the checkpoint does not know of.

    `now` is POSIX seconds.
    """
    by_number = {record.row: record for record in written}
    # Rows taken in from two orders of a manifest may bear one number; a record of it could be either's.
    bearers = Counter(row.number for row in left)
    repair = Repair([], [])
    for row in left:
        record = by_number.get(row.number) if bearers[row.number] == 1 else None
        if record is not None:
            repair.settlements.append(Settlement(row.id, _BELIEVED[record.status], record.execution_name or ""))
        elif row.status is not Status.IN_DOUBT:
            status = _UNWRITTEN[row.status]
            repair.records.append(record_of_unsettled(row, status, now))
            repair.settlements.append(Settlement(row.id, status))
    return repair


async def resume(
    left: Sequence[Unsettled],
    written: Sequence[Record],
    settle: Callable[[Sequence[Settlement], Sequence[Record]], Awaitable[None]],
    now: float,
) -> None:
    """Settle what an interrupted run left open; `now` is POSIX seconds.

    `settle` puts the records on the disk before the verdicts.
    """
    repair = repair_of(left, written, now)
    await settle(repair.settlements, repair.records)
