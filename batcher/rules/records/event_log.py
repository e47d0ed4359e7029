"""The log's vocabulary: every event that a log may hold, its level, its fields, and how its line is written. Pure.

Rule 1: an event is in the table or it is not logged, and it has just the fields that the table gives it.
Rule 2: a start that succeeds is worth a line at DEBUG only, however many there are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from msgspec import structs

from batcher.model import Answer, BadRow, Json, Record, Row, Status, Verdict
from batcher.rules.choices import Level, LogFormat
from batcher.rules.rate.decisions import Event, Kind
from batcher.rules.text import printable


class Entry(NamedTuple):
    """What the table says of an event."""

    level: Level
    fields: str


_ROW = "row bucket object"
_ANSWER = "http_status code message request_id latency_ms"

VOCABULARY: dict[str, Entry] = {
    # The run as a whole. It fails where it cannot begin or go on; else it ends.
    "run_begun": Entry(Level.INFO, "version workflow endpoint manifest output checkpoint concurrency"),
    "run_ended": Entry(Level.INFO, "exit_code seconds rows started rejected invalid duplicates in_doubt retries"),
    "run_failed": Entry(Level.ERROR, "exit_code error"),
    "drain_begun": Entry(Level.INFO, "reason"),
    "steered": Entry(Level.INFO, "said"),
    "warned": Entry(Level.WARNING, "text"),
    # Rows that have their end, once it is on the disk.
    "row_started": Entry(Level.DEBUG, f"{_ROW} attempts execution http_status request_id latency_ms"),
    "row_rejected": Entry(Level.WARNING, f"{_ROW} attempts {_ANSWER}"),
    "row_invalid": Entry(Level.WARNING, f"{_ROW} message"),
    "row_duplicate": Entry(Level.DEBUG, _ROW),
    # Attempts that did not end their row, or not well, as soon as that is known.
    "attempt_unsent": Entry(Level.INFO, f"{_ROW} attempt {_ANSWER}"),
    "attempt_refused": Entry(Level.INFO, f"{_ROW} attempt {_ANSWER}"),
    "attempt_in_doubt": Entry(Level.WARNING, f"{_ROW} attempt {_ANSWER}"),
    "attempt_fatal": Entry(Level.ERROR, f"{_ROW} attempt {_ANSWER}"),
    # The rate and the service's health.
    "rate_changed": Entry(Level.INFO, "before after cause"),
    "sending_held": Entry(Level.INFO, "seconds cause"),
    "outage_begun": Entry(Level.WARNING, "cause"),
    "outage_ended": Entry(Level.INFO, "seconds"),
    # Rows in doubt that the service's execution list was asked about.
    "row_adopted": Entry(Level.INFO, f"{_ROW} execution"),
    "row_released": Entry(Level.INFO, _ROW),
    "row_held": Entry(Level.WARNING, _ROW),
    "reconciled": Entry(Level.INFO, "adopted released held elsewhere reason"),
    # The log itself: events that came faster than the disk took them.
    "events_lost": Entry(Level.WARNING, "count"),
}


class Line(NamedTuple):
    """One event and what is known of it."""

    event: str
    fields: Mapping[str, Json]

    @property
    def level(self) -> Level:
        """How much it matters."""
        return VOCABULARY[self.event].level


def of_attempt(row: Row | BadRow, attempt: int, verdict: Verdict, answer: Answer, latency: float) -> Line | None:
    """Tell of an attempt; `attempt` counts from 1, `latency` is in seconds. None where its record will tell all."""
    event = f"attempt_{verdict.value}"
    if event not in VOCABULARY:
        return None
    return Line(
        event,
        {
            **_row(row.number, row.bucket, row.object),
            "attempt": attempt,
            "http_status": answer.status or None,
            "code": answer.code,
            "message": answer.message,
            "request_id": answer.request_id,
            "latency_ms": round(latency * 1000, 1),
        },
    )


def of_record(record: Record) -> Line | None:
    """Tell of a row that has its record. None for one in doubt: its attempt has been told."""
    if record.status is Status.IN_DOUBT:
        return None
    event = f"row_{record.status.value}"
    error = record.error or {"code": "", "message": ""}
    known: dict[str, Json] = {**structs.asdict(record), **error, "execution": record.execution_name}
    return Line(event, {name: known[name] for name in VOCABULARY[event].fields.split()})


def of_decision(event: Event) -> Line:
    """Tell what was decided about the rate, or what was found out about the service's health."""
    match event.kind:
        case Kind.RATE:
            fields = {"before": round(event.before, 2), "after": round(event.after, 2), "cause": event.cause}
            return Line("rate_changed", fields)
        case Kind.HELD:
            return Line("sending_held", {"seconds": round(event.after, 1), "cause": event.cause})
        case Kind.OUTAGE:
            return Line("outage_begun", {"cause": event.cause})
        case Kind.RECOVERED:
            return Line("outage_ended", {"seconds": round(event.before, 1)})


def of_row(event: str, number: int, bucket: str, key: str, **more: Json) -> Line:
    """Tell what was found out about a row in doubt."""
    return Line(event, _row(number, bucket, key) | more)


def written(format_: LogFormat, line: Line, at: str, run: str) -> str:
    """Write a line without its end; `at` is a timestamp, `run` names the run."""
    return _as_json(line, at, run) if format_ is LogFormat.JSON else _as_text(line, at, run)


def _as_json(line: Line, at: str, run: str) -> str:
    """Write a line for programs: ASCII only, so that nothing within it looks like a line's end to anybody."""
    head = {"at": at, "level": line.level.value, "event": line.event, "run": run}
    return json.dumps(head | dict(line.fields))


def _as_text(line: Line, at: str, run: str) -> str:
    """Write a line for people, like `2026-11-24T08:30:00.123Z WARNING row_invalid run=8c1f row=7 object="a b.mp4"`."""
    told = [f"{name}={_word(value)}" for name, value in line.fields.items() if value not in {None, ""}]
    return " ".join([at, line.level.name, line.event, f"run={run}", *told])


def _row(number: int, bucket: str, key: str) -> dict[str, Json]:
    return {"row": number, "bucket": bucket, "object": key}


def _word(value: Json) -> str:
    """Write a value as one word: quoted, and with escapes, where it would be more or could not be seen."""
    text = str(value)
    if text.isprintable() and not set(text) & set(' "=\\'):
        return text
    return printable(json.dumps(text, ensure_ascii=False))
