"""The events of the log: the table of their levels and fields, and the format of a line. Pure.

Rule 1: only events in the table are logged, and each has exactly the fields listed there.
Rule 2: a successful start is logged at DEBUG only, because there are many.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from msgspec import structs

from batcher.model import Answer, BadRow, Json, Record, Row, Status, Verdict
from batcher.rules.choices import Level, LogFormat
from batcher.rules.progress.figures import FIGURES
from batcher.rules.rate.decisions import Event, Kind
from batcher.rules.text import printable


class Entry(NamedTuple):
    """The level of an event, and the names of its fields."""

    level: Level
    fields: str


_ROW = "row bucket object"
_ANSWER = "http_status code message request_id latency_ms"

VOCABULARY: dict[str, Entry] = {
    # The run as a whole. It fails if it cannot begin or continue; else it ends.
    "run_begun": Entry(Level.INFO, "version workflow endpoint manifest output checkpoint concurrency"),
    "run_ended": Entry(
        Level.INFO, " ".join(["exit_code", *(name for name, figure in FIGURES.items() if figure.is_final)])
    ),
    "run_failed": Entry(Level.ERROR, "exit_code error traceback"),
    "drain_begun": Entry(Level.INFO, "reason"),
    "steered": Entry(Level.INFO, "said"),
    "warned": Entry(Level.WARNING, "text"),
    # Rows that have ended, once their record is on disk.
    "row_started": Entry(Level.DEBUG, f"{_ROW} attempts execution http_status request_id latency_ms"),
    "row_refused": Entry(Level.WARNING, f"{_ROW} attempts {_ANSWER}"),
    "row_rejected": Entry(Level.WARNING, f"{_ROW} attempts {_ANSWER}"),
    "row_invalid": Entry(Level.WARNING, f"{_ROW} message"),
    "row_duplicate": Entry(Level.DEBUG, _ROW),
    # Failed attempts, logged at once.
    "attempt_unsent": Entry(Level.INFO, f"{_ROW} attempt {_ANSWER}"),
    "attempt_refused": Entry(Level.INFO, f"{_ROW} attempt {_ANSWER}"),
    "attempt_in_doubt": Entry(Level.WARNING, f"{_ROW} attempt {_ANSWER}"),
    "attempt_fatal": Entry(Level.ERROR, f"{_ROW} attempt {_ANSWER}"),
    # The rate and the service's health.
    "rate_changed": Entry(Level.INFO, "before after cause"),
    "sending_held": Entry(Level.INFO, "seconds cause"),
    "outage_begun": Entry(Level.WARNING, "cause"),
    "outage_ended": Entry(Level.INFO, "seconds"),
    # Rows in doubt that were looked for in the execution list.
    "row_adopted": Entry(Level.INFO, f"{_ROW} execution"),
    "row_released": Entry(Level.INFO, _ROW),
    "row_held": Entry(Level.WARNING, _ROW),
    "reconciled": Entry(Level.INFO, "adopted released held elsewhere reason"),
    # The log itself: events that were dropped because the disk was too slow.
    "events_lost": Entry(Level.WARNING, "count"),
}


class Line(NamedTuple):
    """One event and its fields."""

    event: str
    fields: Mapping[str, Json]

    @property
    def level(self) -> Level:
        """The level of the event."""
        return VOCABULARY[self.event].level


def of_attempt(row: Row | BadRow, attempt: int, verdict: Verdict, answer: Answer, latency: float) -> Line | None:
    """Return the event of an attempt, None if its record is enough. `attempt` is from 1, `latency` in seconds."""
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
    """Return the event of a row that was recorded. None for a row in doubt, because its attempt is logged."""
    if record.status is Status.IN_DOUBT:
        return None
    event = f"row_{record.status.value}"
    error = record.error or {"code": "", "message": ""}
    known: dict[str, Json] = {**structs.asdict(record), **error, "execution": record.execution_name}
    return Line(event, {name: known[name] for name in VOCABULARY[event].fields.split()})


def of_decision(event: Event) -> Line:
    """Return the event of a decision about the rate, or of a change in the service's health."""
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


def of_row(event: str, number: int, bucket: str, object_: str, **more: Json) -> Line:
    """Return an event about a row in doubt."""
    return Line(event, _row(number, bucket, object_) | more)


def written(format_: LogFormat, line: Line, at: str, run: str) -> str:
    """Format a line, without a line break. `at` is a timestamp, `run` identifies the run."""
    return _as_json(line, at, run) if format_ is LogFormat.JSON else _as_text(line, at, run)


def _as_json(line: Line, at: str, run: str) -> str:
    """Format a line for programs, in ASCII only, so that no character in it is read as a line break."""
    head = {"at": at, "level": line.level.value, "event": line.event, "run": run}
    return json.dumps(head | dict(line.fields))


def _as_text(line: Line, at: str, run: str) -> str:
    """Format a line for people, like `2026-11-24T08:30:00.123Z WARNING row_invalid run=8c1f row=7 object="a b.mp4"`."""
    known = [f"{name}={_word(value)}" for name, value in line.fields.items() if value not in {None, ""}]
    return " ".join([at, line.level.name, line.event, f"run={run}", *known])


def _row(number: int, bucket: str, object_: str) -> dict[str, Json]:
    return {"row": number, "bucket": bucket, "object": object_}


def _word(value: Json) -> str:
    """Format a value as one word: quoted and escaped if it has spaces or is not printable."""
    text = str(value)
    if text.isprintable() and not set(text) & set(' "=\\'):
        return text
    return printable(json.dumps(text, ensure_ascii=False))
