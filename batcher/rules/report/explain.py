"""The history of one row: its records, how its doubts were resolved, and its current state. Pure.

A row is identified by its number and its name here, because its records have no more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from batcher.model import Record, Status
from batcher.rules.ends.ending import words_of
from batcher.rules.ends.followed import Known
from batcher.rules.records.codec import timestamp
from batcher.rules.records.standing import Standing, current, last_record
from batcher.rules.rows.sharing import CLAIMED_ELSEWHERE, is_held_elsewhere
from batcher.rules.text import counted, printable

_NOW = {
    Status.SENDING: "a run has sent it or is about to send it",
    Status.PENDING: "not started; run the job's command again to send it",
    Status.STARTED: "",
    Status.REFUSED: "not started because the service was too busy; run the job's command again to send it",
    Status.REJECTED: "sent again only with --retry-rejected",
    Status.INVALID: "cannot be sent unless it is changed",
    Status.DUPLICATE: "same content as an earlier row; sent only with --allow-duplicates",
    Status.DISMISSED: "it was rejected or invalid; batcher failures --dismiss excluded it from further runs",
    Status.IN_DOUBT: "it may have been started; batcher reconcile asks the service",
}
_OF_ANOTHER = "another job has started it; sent only with --again"
_ELSEWHERE = "another job has it on the wire or in doubt; run the job's command again when that job has settled it"
_RELEASED = "doubt resolved: not in the execution list (or --on-doubt resend was given), so it can be sent again"
_ADOPTED = "doubt resolved: found in the execution list, so it is started"


class Life(NamedTuple):
    """A row with all of its records. `standing` is None if the checkpoint has its content under another number."""

    number: int
    bucket: str
    object: str
    status: Status | None
    standing: Standing | None
    records: list[Record]


def lives(
    standings: Sequence[Standing], records: Sequence[Record], static_inputs: bytes, *, running: bool
) -> list[Life]:
    """Join rows of the checkpoint to all records with their numbers. `records` are in the order of writing."""
    named: dict[tuple[int, str, str], list[Record]] = {}
    for record in records:
        named.setdefault((record.row, record.bucket, record.object), []).append(record)
    found = []
    claimed = set()
    for standing in standings:
        ours = [record for record in records if record.row == standing.number]
        index = last_record(standing, ours, static_inputs)
        known = standing.unsettled if index is None else ours[index]
        name = (standing.number, known.bucket, known.object) if known else (standing.number, "", "")
        claimed.add(name)
        found.append(Life(*name, current(standing.status, running=running), standing, named.get(name, [])))
    found += [Life(*name, None, None, theirs) for name, theirs in named.items() if name not in claimed]
    return sorted(found, key=lambda life: life.number)


def sentences(life: Life, execution: Known | None = None) -> Iterator[str]:
    """Yield the history of a row, one line per event. `execution` is its own, if a watch follows it."""
    name = printable(f"{life.bucket}/{life.object}") if life.object else "name unknown"
    yield f"row {life.number}: {name}"
    previous: Record | None = None
    for record in life.records:
        if previous is not None and previous.status is Status.IN_DOUBT:
            yield f"  {_resolved(previous, record)}"
        yield f"  {record.recorded_at}  {record.status.words}: {', '.join(_said(record))}"
        previous = record
    if previous is not None and previous.status is Status.IN_DOUBT and life.status is Status.PENDING:
        yield f"  {_resolved(previous, None)}"
    if execution is not None:
        if execution.redrives:
            yield f"  {_redriven(execution)}"
        yield f"  {_ended(execution)}"
    yield f"  now: {_now(life)}"


def _resolved(doubt: Record, record: Record | None) -> str:
    """Say how a doubt ended. `record` is the one that followed, None if none did yet."""
    if record is not None and record.reconciled:
        return _ADOPTED
    if record is not None and record.status is Status.DUPLICATE:
        return "doubt resolved: another job of the ledger has started it"
    if doubt.error is not None and doubt.error["code"] == CLAIMED_ELSEWHERE:
        return "doubt resolved: no other job of the ledger has it any more (or --again was given), so it can be sent"
    return _RELEASED


def _redriven(execution: Known) -> str:
    often = "once" if execution.redrives == 1 else f"{execution.redrives} times"
    when = f"{timestamp(execution.redriven_at)}  " if execution.redriven_at else ""
    before = f", after it had ended: {words_of(execution.former)}" if execution.former else ""
    return printable(f"{when}the execution was restored {often}{before}")


def _ended(execution: Known) -> str:
    if execution.end is None:
        return "the execution runs, as far as batcher watch has seen"
    when = f"{execution.ended_at}  " if execution.ended_at else ""
    why = (
        f" in state {execution.state or '?'}: {execution.message or 'no message'}"
        if execution.state is not None
        else ""
    )
    return printable(f"{when}the execution ended: {words_of(execution.end)}{why}")


def _said(record: Record) -> Iterator[str]:
    if record.status is Status.DUPLICATE and record.error is None:
        yield "same content as an earlier row"
    if record.http_status is not None:
        yield f"HTTP {record.http_status}"
    if record.error is not None:
        yield printable(f"{record.error['code']} ({record.error['message']})")
    if record.execution_name is not None:
        begun = f" started at {record.started_at}" if record.started_at else ""
        yield printable(f"execution {record.execution_name}{begun}")
    if record.attempts:
        yield counted(record.attempts, "attempt")
    if record.latency_ms is not None:
        yield f"the last in {record.latency_ms:,.1f} ms" if record.attempts > 1 else f"{record.latency_ms:,.1f} ms"
    if record.request_id is not None:
        yield printable(f"request id {record.request_id}")
    if record.reconciled:
        yield "from the execution list"


def _now(life: Life) -> str:
    if life.status is None or life.standing is None:
        return (
            "under another number, because the order of the manifest has changed; give its object instead of its number"
        )
    row = life.standing.unsettled
    about = _NOW[life.status]
    if row is not None and is_held_elsewhere(row):
        about = _ELSEWHERE
    elif life.status is Status.DUPLICATE and life.records and life.records[-1].error is not None:
        about = _OF_ANOTHER
    now = life.status.words + (f" ({about})" if about else "")
    if life.standing.execution:
        now += f", as execution {printable(life.standing.execution)}"
    if row is not None and row.intent_at > 0:
        after = f" or after {timestamp(row.doubt_at)}" if row.doubt_at is not None else ""
        now += f"; not sent before {timestamp(row.intent_at)}{after}, by the service's clock"
    return now
