"""The life of one row: what each of its records says, how its doubts were settled, and how it stands now. Pure.

A row is known by its number and its name here, since its records bear no more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from batcher.model import Record, Status
from batcher.rules.records.codec import timestamp
from batcher.rules.records.standing import Standing, current, last_record
from batcher.rules.text import printable

_NOW = {
    Status.SENDING: "on the wire, or about to be: a run is going on",
    Status.PENDING: "not started: the job's own command sends it",
    Status.STARTED: "",
    Status.REFUSED: "the service was too busy, it is not started: the job's own command sends it again",
    Status.REJECTED: "sent again only with --retry-rejected",
    Status.INVALID: "it cannot be sent as it stands",
    Status.DUPLICATE: "of the same content as an earlier row: never sent without --allow-duplicates",
    Status.DISMISSED: "it was rejected or invalid, and is not sent again since batcher failures --dismiss",
    Status.IN_DOUBT: "it may have been started; batcher reconcile asks the service",
}
_RELEASED = "not in the execution list (or --on-doubt resend asked for it): free to be sent again"
_ADOPTED = "found in the execution list: it is started"


class Life(NamedTuple):
    """A row with all of its records. `standing` is None where the checkpoint has its content under another number."""

    number: int
    bucket: str
    object: str
    status: Status | None
    standing: Standing | None
    records: list[Record]


def lives(
    standings: Sequence[Standing], records: Sequence[Record], static_inputs: bytes, *, running: bool
) -> list[Life]:
    """Join rows of the checkpoint to all records that bear their numbers, in the order of their writing."""
    named: dict[tuple[int, str, str], list[Record]] = {}
    for record in records:
        named.setdefault((record.row, record.bucket, record.object), []).append(record)
    told = []
    claimed = set()
    for standing in standings:
        ours = [record for record in records if record.row == standing.number]
        index = last_record(standing, ours, static_inputs)
        known = standing.unsettled if index is None else ours[index]
        name = (standing.number, known.bucket, known.object) if known else (standing.number, "", "")
        claimed.add(name)
        told.append(Life(*name, current(standing.status, running=running), standing, named.get(name, [])))
    told += [Life(*name, None, None, theirs) for name, theirs in named.items() if name not in claimed]
    return sorted(told, key=lambda life: life.number)


def sentences(life: Life) -> Iterator[str]:
    """Tell a life, a line for each thing that happened."""
    name = printable(f"{life.bucket}/{life.object}") if life.object else "no name is known of it"
    yield f"row {life.number}: {name}"
    previous: Record | None = None
    for record in life.records:
        if previous is not None and previous.status is Status.IN_DOUBT:
            yield f"  the doubt was settled: {_ADOPTED if record.reconciled else _RELEASED}"
        yield f"  {record.recorded_at}  {record.status.words}: {', '.join(_said(record))}"
        previous = record
    if previous is not None and previous.status is Status.IN_DOUBT and life.status is Status.PENDING:
        yield f"  the doubt was settled: {_RELEASED}"
    yield f"  now {_now(life)}"


def _said(record: Record) -> Iterator[str]:
    if record.http_status is not None:
        yield f"HTTP {record.http_status}"
    if record.error is not None:
        yield printable(f"{record.error['code']} ({record.error['message']})")
    if record.execution_name is not None:
        begun = f" of {record.started_at}" if record.started_at else ""
        yield printable(f"execution {record.execution_name}{begun}")
    if record.attempts:
        yield "1 attempt" if record.attempts == 1 else f"{record.attempts:,} attempts"
    if record.latency_ms is not None:
        yield f"the last took {record.latency_ms:,.1f} ms" if record.attempts > 1 else f"{record.latency_ms:,.1f} ms"
    if record.request_id is not None:
        yield printable(f"request id {record.request_id}")
    if record.reconciled:
        yield "by the execution list"


def _now(life: Life) -> str:
    if life.status is None or life.standing is None:
        return (
            "under another number: the row was read again from another order of the manifest; ask for it by its object"
        )
    about = _NOW[life.status]
    now = life.status.words + (f": {about}" if about else "")
    row = life.standing.unsettled
    if life.standing.execution:
        now += f", as execution {printable(life.standing.execution)}"
    if row is not None and row.intent_at:
        after = f" and not after {timestamp(row.doubt_at)}" if row.doubt_at is not None else ""
        now += f"; not sent before {timestamp(row.intent_at)}{after}, by the service's clock"
    return now
