"""The history of rows: records read back whole, and joined to the rows of the checkpoint that they tell of. Pure.

Rule: the checkpoint says how a row stands; its last record only says more about it. A record bears its row's number,
which another order of the manifest may give to another row, so the join looks at what else both of them know.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

import orjson
from msgspec import UNSET

from batcher.model import Json, Record, State, Status, Unsettled
from batcher.rules.records.codec import COLUMNS, cells, csv_header, fields
from batcher.rules.rows.identity import content_key

_TOLD_BY: Mapping[State, frozenset[Status]] = {
    # Refused to its last attempt, or found to be absent from the execution list.
    State.PENDING: frozenset({Status.REJECTED, Status.IN_DOUBT}),
    State.INTENT: frozenset(),
    State.STARTED: frozenset({Status.STARTED}),
    State.REJECTED: frozenset({Status.REJECTED}),
    State.INVALID: frozenset({Status.INVALID}),
    State.DUPLICATE: frozenset({Status.DUPLICATE}),
    State.IN_DOUBT: frozenset({Status.IN_DOUBT}),
    State.DISMISSED: frozenset({Status.REJECTED, Status.INVALID}),
}
"""What the last record of a row may say, by the row's state."""


class Fate(StrEnum):
    """How a row stands, in a word for people and programs."""

    IN_FLIGHT = "in_flight"
    """On the wire of a run that goes on."""
    PENDING = "pending"
    """Surely not started, and free to be sent."""
    STARTED = "started"
    REJECTED = "rejected"
    INVALID = "invalid"
    DUPLICATE = "duplicate"
    IN_DOUBT = "in_doubt"
    DISMISSED = "dismissed"
    """Rejected or invalid, and settled by a person's word."""


class Standing(NamedTuple):
    """A row as the checkpoint knows it: `key` is that of its content, `unsettled` is what it keeps of such a row."""

    key: bytes
    number: int
    state: State
    execution: str = ""
    unsettled: Unsettled | None = None


class Truth(NamedTuple):
    """A row with the last record that tells of it, None where no record does."""

    standing: Standing
    fate: Fate
    record: Record | None


def fate(state: State, *, running: bool) -> Fate:
    """Say how a row stands. Where no run goes on, nobody will ever read the answer to an intent."""
    if state is State.INTENT:
        return Fate.IN_FLIGHT if running else Fate.IN_DOUBT
    return Fate(state.name.lower())


def fates(states: Mapping[State, int], *, running: bool) -> dict[Fate, int]:
    """Count rows by how they stand, every fate in its order."""
    counts: Counter[Fate] = Counter()
    for state, count in states.items():
        counts[fate(state, running=running)] += count
    return {each: counts[each] for each in Fate}


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
    if record.status not in _TOLD_BY[standing.state]:
        return False
    if standing.state is State.STARTED:
        return record.execution_name == standing.execution
    row = standing.unsettled
    return row is None or (record.bucket, record.object) == (row.bucket, row.object)


def _content(record: Record, static_inputs: bytes) -> bytes:
    return content_key(record.bucket, record.object, static_inputs)


def record_from_jsonl(line: bytes) -> Record:
    """Read a line of a JSON Lines output. Raises ValueError or TypeError for what is no record."""
    values = orjson.loads(line)
    values["status"] = Status(values["status"])
    return Record(**values)


def record_from_csv(line: bytes) -> Record | None:
    """Read an entry of a CSV output, None for its header. Raises ValueError or csv.Error for what is no record."""
    if line == csv_header():
        return None
    (texts,) = csv.reader(io.StringIO(line.decode(), newline=""), strict=True)
    values = dict(zip(COLUMNS, texts, strict=True))
    code, message = values["error_code"], values["error_message"]
    return Record(
        row=int(values["row"]),
        bucket=values["bucket"],
        object=values["object"],
        status=Status(values["status"]),
        execution_name=values["execution_name"] or None,
        execution_urn=values["execution_urn"] or None,
        started_at=values["started_at"] or None,
        request_id=values["request_id"] or None,
        attempts=int(values["attempts"]),
        http_status=int(values["http_status"]) if values["http_status"] else None,
        error={"code": code, "message": message} if code else None,
        latency_ms=float(values["latency_ms"]) if values["latency_ms"] else None,
        recorded_at=values["recorded_at"],
        reconciled=bool(values["reconciled"]) or UNSET,
    )


PARSERS: Mapping[str, Callable[[bytes], Record | None]] = {"jsonl": record_from_jsonl, "csv": record_from_csv}
"""By the output's format."""


def truth_fields(truth: Truth) -> dict[str, Json]:
    """Give what is known of a row under the names of a record's fields; `status` is how the row stands now."""
    standing, fate_, record = truth
    row = standing.unsettled
    known = record or Record(standing.number, "", "", Status.IN_DOUBT, standing.execution or None)
    values = fields(known) | {"status": fate_}
    if record is None:
        values |= {"bucket": row.bucket, "object": row.object} if row else {"bucket": None, "object": None}
    return values


def truth_cells(truth: Truth) -> list[Json]:
    """Give what is known of a row in the order of a CSV output's columns."""
    return cells(truth_fields(truth))


def truths_as_jsonl(truths: Sequence[Truth]) -> bytes:
    """Write rows as JSON Lines."""
    return b"".join(orjson.dumps(truth_fields(truth), option=orjson.OPT_APPEND_NEWLINE) for truth in truths)


def truths_as_csv(truths: Sequence[Truth]) -> bytes:
    """Write rows as CSV lines without a header."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(map(truth_cells, truths))
    return text.getvalue().encode()
