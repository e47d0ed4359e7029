"""The record: what one line of the output says, how it is written, and how a file that was cut short is read again.

Pure. A torn last line is normal after a crash and is cut off; every whole line before it is believed.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import orjson
from msgspec import UNSET, json, structs

from batcher.model import Answer, BadRow, Execution, Json, Outcome, Record, Row, Status, Unsettled

COLUMNS = (
    *(name for name in Record.__struct_fields__ if name not in {"error", "reconciled"}),
    "error_code",
    "error_message",
    "reconciled",
)
"""The columns of a CSV output; `error` becomes two of them."""

CRASHED = "Interrupted"
"""The error code of a row whose run ended between its intent and its verdict."""

STARTED = Status.STARTED
_NO_EXECUTION = Execution("")

_TO_JSON = json.Encoder()
"""Writes a Struct as it is, in a third of the time that it takes by way of a dictionary."""


class Written(NamedTuple):
    """What a record that was found in the output says: enough to settle its row."""

    row: int
    status: Status
    execution_name: str


class Tail(NamedTuple):
    """The readable part of the output beyond a known length: its records, and how many bytes they take."""

    records: list[Written]
    length: int


def timestamp(now: float) -> str:
    """Give a POSIX time in seconds as ISO 8601 UTC with milliseconds."""
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def record_of(outcome: Outcome, status: Status, recorded_at: str) -> Record:
    """Write down how a row ended. `recorded_at` is a `timestamp`: the records of a block share it."""
    row, answer, latency = outcome.admitted.row, outcome.answer, outcome.latency
    execution = outcome.execution or _NO_EXECUTION
    return Record(
        row.number,
        row.bucket,
        row.object,
        status,
        execution.name or None,
        execution.urn or None,
        execution.started_at or None,
        answer.request_id or None,
        outcome.attempts,
        answer.status or None,
        None if status is STARTED else _error(row, status, answer),
        # To a tenth of a millisecond; `round` takes several times as long.
        None if latency is None else int(latency * 10_000 + 0.5) / 10,
        recorded_at,
    )


def record_of_adopted(row: Unsettled, execution: Execution, now: float) -> Record:
    """Write down a row in doubt that the service's execution list has shown to be started."""
    return Record(
        row=row.number,
        bucket=row.bucket,
        object=row.object,
        status=Status.STARTED,
        execution_name=execution.name,
        execution_urn=execution.urn or None,
        started_at=execution.started_at or None,
        recorded_at=timestamp(now),
        reconciled=True,
    )


def record_of_unsettled(row: Unsettled, status: Status, now: float) -> Record:
    """Write down a row that an earlier run left without a record."""
    error = None
    if status is Status.INVALID:
        error = {"code": "InvalidRow", "message": row.reason}
    elif status is Status.IN_DOUBT:
        error = {"code": CRASHED, "message": "the run ended after this row may have been sent and before its answer"}
    return Record(row.number, row.bucket, row.object, status, error=error, recorded_at=timestamp(now))


def described(row: BadRow) -> dict[str, Json]:
    """Describe a bad row that is not recorded."""
    return {"row": row.number, "line": row.line, "bucket": row.bucket, "object": row.object, "reason": row.reason}


def _error(row: Row | BadRow, status: Status, answer: Answer) -> dict[str, str] | None:
    if isinstance(row, BadRow):
        return {"code": "InvalidRow", "message": row.reason}
    if status is Status.DUPLICATE:
        return None
    code = answer.code or (answer.fault.value if answer.fault else f"HTTP {answer.status}")
    return {"code": code, "message": answer.message}


def to_jsonl(records: Iterable[Record]) -> bytes:
    """Write records as JSON Lines."""
    return _TO_JSON.encode_lines(records)


def fields(record: Record) -> dict[str, Json]:
    """Give a record's fields by name, as a line of JSON Lines has them."""
    return {name: value for name, value in structs.asdict(record).items() if value is not UNSET}


def to_csv(records: Iterable[Record]) -> bytes:
    """Write records as CSV lines without a header, as RFC 4180 has them (CRLF)."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(cells(fields(record)) for record in records)
    return text.getvalue().encode()


def csv_header() -> bytes:
    """Give the header line of a CSV output."""
    return (",".join(COLUMNS) + "\r\n").encode()


def cells(values: dict[str, Json]) -> list[Json]:
    """Put a record's fields in the order of COLUMNS; `values` is used up."""
    reconciled = values.pop("reconciled", None)
    error = values.pop("error") or {}
    return [*values.values(), error.get("code"), error.get("message"), "true" if reconciled else None]


def read_jsonl(tail: bytes) -> Tail:
    """Read the whole lines of a JSON Lines output from a point where a line begins."""
    return _read(_lines(tail), _from_json)


def read_csv(tail: bytes) -> Tail:
    """Read the whole lines of a CSV output from a point where a line begins; keys may hold quoted line breaks."""
    return _read(_csv_lines(tail), _from_csv)


def _read(lines: Iterable[bytes], parse: Callable[[bytes], Written | None]) -> Tail:
    records: list[Written] = []
    length = 0
    for line in lines:
        if not line.endswith(b"\n"):
            break
        try:
            written = parse(line)
        except (ValueError, KeyError, TypeError, IndexError, csv.Error):
            break
        length += len(line)
        if written is not None:
            records.append(written)
    return Tail(records, length)


def _lines(data: bytes) -> Iterator[bytes]:
    return iter(io.BytesIO(data))


def _csv_lines(data: bytes) -> Iterator[bytes]:
    line = b""
    for piece in _lines(data):
        line += piece
        if line.count(b'"') % 2 == 0:
            yield line
            line = b""
    yield line


def _from_json(line: bytes) -> Written:
    values = orjson.loads(line)
    return Written(int(values["row"]), Status(values["status"]), values["execution_name"] or "")


def _from_csv(line: bytes) -> Written | None:
    if line == csv_header():
        return None
    (cells,) = csv.reader([line.decode()], strict=True)
    if len(cells) != len(COLUMNS):
        raise ValueError("not all columns are there")
    values: dict[str, str] = dict(zip(COLUMNS, cells, strict=True))
    return Written(int(values["row"]), Status(values["status"]), values["execution_name"])


ENCODERS: dict[str, Callable[[Sequence[Record]], bytes]] = {"jsonl": to_jsonl, "csv": to_csv}
READERS: dict[str, Callable[[bytes], Tail]] = {"jsonl": read_jsonl, "csv": read_csv}
"""Both by the output's format."""
