"""The repair: settles rows that an interrupted run left between intent and verdict, before anything new is sent.

A record in the output is trusted. A row that may have been sent and has no record is in doubt.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct

from batcher.model import Record, Settlement, Status, Unsettled
from batcher.rules.records.codec import record_of_unsettled

LEFT_OPEN = frozenset({Status.SENDING, Status.INVALID, Status.DUPLICATE, Status.IN_DOUBT})
"""The status of unsettled rows that wait for a record: their first, or the one that ends their doubt."""

_BELIEVED = {
    Status.STARTED: Status.STARTED,
    Status.REFUSED: Status.REFUSED,
    # Earlier versions wrote this for refused rows too. The row was not started, so it is safe to send it again.
    Status.REJECTED: Status.PENDING,
    Status.INVALID: Status.INVALID,
    Status.DUPLICATE: Status.DUPLICATE,
    Status.IN_DOUBT: Status.IN_DOUBT,
}
"""The status of an open row, by the status in its record."""

_UNWRITTEN = {
    Status.SENDING: Status.IN_DOUBT,
    Status.INVALID: Status.INVALID,
    Status.DUPLICATE: Status.DUPLICATE,
}
"""The status of an open row without a record, by its status in the checkpoint. It gets a record with this status."""


class Repair(Struct, frozen=True):
    """What to do after an interruption: records to write, then settlements to make."""

    records: list[Record]
    settlements: list[Settlement]


def repair_of(left: Sequence[Unsettled], written: Sequence[Record], now: float) -> Repair:
    """Decide about the open rows `left`. `written` are the records in the output that the checkpoint does not know.

    `now` is POSIX seconds.
    """
    by_number = {record.row: record for record in written}
    # If the order of the manifest has changed, two rows may have one number. A record could be of either row.
    bearers = Counter(row.number for row in left)
    repair = Repair([], [])
    for row in left:
        record = by_number.get(row.number) if bearers[row.number] == 1 else None
        if record is not None:
            # The execution that a duplicate names is not its own.
            name = record.execution_name if record.status is Status.STARTED else None
            repair.settlements.append(Settlement(row.id, _BELIEVED[record.status], name or ""))
        elif row.status is not Status.IN_DOUBT:
            status = _UNWRITTEN[row.status]
            repair.records.append(record_of_unsettled(row, status, now))
            repair.settlements.append(Settlement(row.id, status))
    return repair


def unexplained(left: Sequence[Unsettled], written: Sequence[Record]) -> Record | None:
    """Return the first of the records that the checkpoint does not know and that no crash can have left.

    A record is written only while its row is unsettled, and the next commit after it settles the row and stores the
    output's length. After a crash every record beyond that length is therefore of one of the rows `left`. Any other
    was written by a run whose commits this checkpoint does not have: the checkpoint is an older copy.
    """
    open_rows = {(row.number, row.bucket, row.object) for row in left}
    return next((each for each in written if (each.row, each.bucket, each.object) not in open_rows), None)


async def resume(
    left: Sequence[Unsettled],
    written: Sequence[Record],
    settle: Callable[[Sequence[Settlement], Sequence[Record]], Awaitable[None]],
    now: float,
) -> None:
    """Settle the rows that an interrupted run left open. `now` is POSIX seconds.

    `settle` makes the records durable before the verdicts.
    """
    repair = repair_of(left, written, now)
    await settle(repair.settlements, repair.records)
