"""The current state of rows: the checkpoint's entry of each, joined to the record that has its details. Pure.

Rule: the checkpoint determines the status of a row, and its last record only adds details. A record has its row's
number, which can belong to another row if the manifest was reordered. The join therefore compares more than the number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from batcher.model import Record, Status, Unsettled
from batcher.rules.rows.identity import content_key

_RECORDED_AS: Mapping[Status, frozenset[Status]] = {
    # Not found in the execution list, or admitted again and given back. Earlier versions wrote `rejected` for a row
    # that was refused.
    Status.PENDING: frozenset({Status.REFUSED, Status.REJECTED, Status.IN_DOUBT}),
    Status.SENDING: frozenset(),
    Status.REFUSED: frozenset({Status.REFUSED}),
    Status.STARTED: frozenset({Status.STARTED}),
    Status.REJECTED: frozenset({Status.REJECTED}),
    Status.INVALID: frozenset({Status.INVALID}),
    Status.DUPLICATE: frozenset({Status.DUPLICATE}),
    Status.DISMISSED: frozenset({Status.REJECTED, Status.INVALID}),
    Status.IN_DOUBT: frozenset({Status.IN_DOUBT}),
}
"""The statuses that the last record of a row can have, by the row's status in the checkpoint."""


class Standing(NamedTuple):
    """A row in the checkpoint. `key` is that of its content. `unsettled` is the entry of an unsettled row."""

    key: bytes
    number: int
    status: Status
    execution: str = ""
    unsettled: Unsettled | None = None


class Truth(NamedTuple):
    """The current state of a row, with its last record, None if it has none."""

    standing: Standing
    status: Status
    record: Record | None


def current(status: Status, *, running: bool) -> Status:
    """Return the current status of a row. A SENDING row is in doubt if no run is active: no answer will be read."""
    return Status.IN_DOUBT if status is Status.SENDING and not running else status


def current_counts(counts: Mapping[Status, int], *, running: bool) -> dict[Status, int]:
    """Count rows by their current status. Every status is present, in its order."""
    now: Counter[Status] = Counter()
    for status, count in counts.items():
        now[current(status, running=running)] += count
    return {each: now[each] for each in Status}


def last_record(standing: Standing, records: Sequence[Record], static_inputs: bytes) -> int | None:
    """Return the index of a row's last record among those with its number, None if there is none.

    `records` are in the order of writing. `static_inputs` are those of the job, in canonical form.
    """
    fitting = [index for index in reversed(range(len(records))) if _can_be_of(standing, records[index])]
    if len(fitting) < 2:  # noqa: PLR2004 - nothing to choose between
        return fitting[0] if fitting else None
    # If the row has its own inputs, no record shows its content: take the last one.
    ours = (index for index in fitting if _content(records[index], static_inputs) == standing.key)
    return next(ours, fitting[0])


def _can_be_of(standing: Standing, record: Record) -> bool:
    if record.status not in _RECORDED_AS[standing.status]:
        return False
    if standing.status is Status.STARTED:
        return record.execution_name == standing.execution
    row = standing.unsettled
    return row is None or (record.bucket, record.object) == (row.bucket, row.object)


def _content(record: Record, static_inputs: bytes) -> bytes:
    return content_key(record.bucket, record.object, static_inputs)
