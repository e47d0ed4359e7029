"""How rows stand now: what the checkpoint says of each, joined to the record that tells more about it. Pure.

Rule: the checkpoint says how a row stands; its last record only adds to that. A record bears its row's number, which
another order of the manifest may give to another row, so the join compares what else both of them know.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from batcher.model import Record, Status, Unsettled
from batcher.rules.rows.identity import content_key

_TOLD_BY: Mapping[Status, frozenset[Status]] = {
    # Found to be absent from the execution list, or sent again and given back. Earlier versions wrote `rejected` of a
    # row that was refused.
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
"""What the last record of a row may say, by how the row stands."""


class Standing(NamedTuple):
    """A row as the checkpoint knows it: `key` is that of its content, `unsettled` is what it keeps of such a row."""

    key: bytes
    number: int
    status: Status
    execution: str = ""
    unsettled: Unsettled | None = None


class Truth(NamedTuple):
    """A row as it stands now, with the last record that tells of it, None where no record does."""

    standing: Standing
    status: Status
    record: Record | None


def current(status: Status, *, running: bool) -> Status:
    """Say how a row stands now. Where no run goes on, the answer to a row that was being sent will never be read."""
    return Status.IN_DOUBT if status is Status.SENDING and not running else status


def current_counts(counts: Mapping[Status, int], *, running: bool) -> dict[Status, int]:
    """Count rows by how they stand now: every status, in its order."""
    now: Counter[Status] = Counter()
    for status, count in counts.items():
        now[current(status, running=running)] += count
    return {each: now[each] for each in Status}


def last_record(standing: Standing, records: Sequence[Record], static_inputs: bytes) -> int | None:
    """Choose the record that tells how a row stands from those that bear its number; give its index, None for none.

    `records` are in the order of their writing, `static_inputs` are those of the job, canonical.
    """
    fitting = [index for index in reversed(range(len(records))) if _may_tell(standing, records[index])]
    if len(fitting) < 2:  # noqa: PLR2004 - nothing to choose between
        return fitting[0] if fitting else None
    # Where the row has inputs of its own no record shows its content: then it is the last.
    ours = (index for index in fitting if _content(records[index], static_inputs) == standing.key)
    return next(ours, fitting[0])


def _may_tell(standing: Standing, record: Record) -> bool:
    if record.status not in _TOLD_BY[standing.status]:
        return False
    if standing.status is Status.STARTED:
        return record.execution_name == standing.execution
    row = standing.unsettled
    return row is None or (record.bucket, record.object) == (row.bucket, row.object)


def _content(record: Record, static_inputs: bytes) -> bytes:
    return content_key(record.bucket, record.object, static_inputs)
