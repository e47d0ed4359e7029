"""The record: one line of the output about a row, and the reading and writing of such lines in both formats. Pure.

After a crash the last line may be torn. It is cut off, and every complete line before it is valid.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from msgspec import UNSET, json, structs

from batcher.model import RECORDED, Answer, BadRow, Execution, Json, Outcome, Record, Row, Status, Unsettled
from batcher.rules.records.standing import Truth
from batcher.rules.rows.sharing import Holder, answer_of

Line = TypeVar("Line")
"""What a line of a file is about: a `Record`, or an `EndRecord`."""

Fields: TypeAlias = dict[str, Json]
"""A record's fields by name, as in a line of JSON Lines."""

COLUMNS = (
    *(name for name in Record.__struct_fields__ if name not in {"error", "reconciled"}),
    "error_code",
    "error_message",
    "reconciled",
)
"""The columns of a CSV output. The field `error` has two of them."""

MARK = b"\xef\xbb\xbf"
"""The first bytes of a CSV file for spreadsheets, a byte order mark: they read it as UTF-8, a run knows it again."""
PREFIX = "'"
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", PREFIX)
"""What a cell begins with that gets the prefix in a file for spreadsheets: what they may take for a formula, see
https://owasp.org/www-community/attacks/CSV_Injection, and the prefix itself, so that it can be taken off again."""

CRASHED = "Interrupted"
"""The error code of a row whose run ended between its intent and its verdict."""

STARTED = Status.STARTED
_NO_EXECUTION = Execution("")

_TO_JSON = json.Encoder()
"""Encodes a Struct directly, in a third of the time that it takes through a dictionary."""
_FROM_JSON = json.Decoder(Record)


def timestamp(now: float) -> str:
    """Format a POSIX time in seconds as ISO 8601 UTC with milliseconds."""
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def record_of(outcome: Outcome, recorded_at: str) -> Record:
    """Return the record of a row's outcome. `recorded_at` is a `timestamp`, shared by the records of a block."""
    row, status, answer, latency = outcome.admitted.row, outcome.status, outcome.answer, outcome.latency
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
        # Rounded to a tenth of a millisecond. `round` takes several times as long.
        None if latency is None else int(latency * 10_000 + 0.5) / 10,
        recorded_at,
    )


def record_of_adopted(row: Unsettled, execution: Execution, now: float) -> Record:
    """Return the record of a row in doubt that was found in the service's execution list. `now` is POSIX seconds."""
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


def record_of_duplicate(row: Unsettled, holder: Holder, now: float) -> Record:
    """Return the record of a row that another job of the ledger has started. `now` is POSIX seconds."""
    answer = answer_of(holder)
    return Record(
        row=row.number,
        bucket=row.bucket,
        object=row.object,
        status=Status.DUPLICATE,
        execution_name=holder.execution or None,
        error={"code": answer.code, "message": answer.message},
        recorded_at=timestamp(now),
    )


def record_of_unsettled(row: Unsettled, status: Status, now: float) -> Record:
    """Return the record of a row that an earlier run left without one. `now` is POSIX seconds."""
    error = None
    if status is Status.INVALID:
        error = {"code": "InvalidRow", "message": row.reason}
    elif status is Status.IN_DOUBT:
        error = {"code": CRASHED, "message": "the run ended before the answer to this row, which may have been sent"}
    return Record(row.number, row.bucket, row.object, status, error=error, recorded_at=timestamp(now))


def described(row: BadRow) -> Fields:
    """Return the fields that describe a bad row that is not recorded."""
    return {"row": row.number, "line": row.line, "bucket": row.bucket, "object": row.object, "reason": row.reason}


def exported(truth: Truth) -> Fields:
    """Return the final state of a row under the names of a record's fields. Unknown values are None."""
    standing, status, record = truth
    row = standing.unsettled
    known = record or Record(standing.number, "", "", status, standing.execution or None)
    values = fields(known) | {"status": status}
    if record is None:
        values |= {"bucket": row.bucket, "object": row.object} if row else {"bucket": None, "object": None}
    return values


def fields(record: Record) -> Fields:
    """Return a record's fields by name."""
    return {name: value for name, value in structs.asdict(record).items() if value is not UNSET}


def cells(values: Fields) -> list[Json]:
    """Return a record's fields in the order of COLUMNS."""
    error = values["error"] or {}
    known = values | {
        "error_code": error.get("code"),
        "error_message": error.get("message"),
        "reconciled": "true" if values.get("reconciled") else None,
    }
    return [known[name] for name in COLUMNS]


class Codec(NamedTuple, Generic[Line]):
    """One format of an output."""

    header: bytes
    """Written before the first record."""
    encode: Callable[[Iterable[Line | Fields]], bytes]
    """Encodes the lines of a file, or their fields."""
    entry: Callable[[Callable[[], bytes]], bytes]
    """Returns the next complete entry. Its argument returns the next line of a file, and b"" at the end."""
    parse: Callable[[bytes], Line | None]
    """Parses an entry. Returns None for the header. Raises ValueError if the entry is not a record."""


class Tail(NamedTuple, Generic[Line]):
    """The readable part of the output beyond a known length: its records, and their length in bytes."""

    records: list[Line]
    length: int


def read_tail(codec: Codec[Line], data: bytes) -> Tail[Line]:
    """Read complete records from the beginning of an entry, up to the first entry that is torn or not a record."""
    records: list[Line] = []
    length = 0
    next_line = io.BytesIO(data).readline
    while (entry := codec.entry(next_line)).endswith(b"\n"):
        try:
            record = codec.parse(entry)
        except ValueError:
            break
        length += len(entry)
        if record is not None:
            records.append(record)
    return Tail(records, length)


def _error(row: Row | BadRow, status: Status, answer: Answer) -> dict[str, str] | None:
    if isinstance(row, BadRow):
        return {"code": "InvalidRow", "message": row.reason}
    if status is Status.DUPLICATE and not answer.code:
        return None
    code = answer.code or (answer.fault.value if answer.fault else f"HTTP {answer.status}")
    return {"code": code, "message": answer.message}


def _jsonl_entry(next_line: Callable[[], bytes]) -> bytes:
    return next_line()


def _parse_jsonl(entry: bytes) -> Record:
    return _recorded(_FROM_JSON.decode(entry))


def _cells_of(record: Record | Fields) -> list[Json]:
    return cells(fields(record) if isinstance(record, Record) else record)


def _csv_rows(rows: Iterable[list[Json]]) -> bytes:
    """Encode cells as RFC 4180 requires, with CRLF."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _prefixed(cell: Json) -> Json:
    return f"{PREFIX}{cell}" if isinstance(cell, str) and cell.startswith(FORMULAS) else cell


def _csv_entry(next_line: Callable[[], bytes]) -> bytes:
    entry = line = next_line()
    # The name of an object may contain line breaks, within quotes.
    while line and entry.count(b'"') % 2:
        line = next_line()
        entry += line
    return entry


def _csv_cells(entry: bytes) -> list[str]:
    try:
        (texts,) = csv.reader(io.StringIO(entry.decode(), newline=""), strict=True)
    except csv.Error as error:
        raise ValueError(str(error)) from error
    return texts


def _record_of(texts: list[str]) -> Record:
    values = dict(zip(COLUMNS, texts, strict=True))
    code, message = values["error_code"], values["error_message"]
    return _recorded(
        Record(
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
    )


def _recorded(record: Record) -> Record:
    if record.status not in RECORDED:
        raise ValueError(f"a record cannot have the status {record.status}")
    return record


def codecs_of(
    columns: Sequence[str],
    parse: Callable[[bytes], Line],
    cells_of: Callable[[Line | Fields], list[Json]],
    line_of: Callable[[list[str]], Line],
) -> Mapping[str, Codec[Line]]:
    """Return the codecs of a kind of file, by the names of their formats.

    `parse` reads a line of JSON Lines. `cells_of` and `line_of` make the cells of a CSV line, and read them; both have
    the order of `columns`.
    """
    header = (",".join(columns) + "\r\n").encode()

    def parse_csv(entry: bytes) -> Line | None:
        return None if entry == header else line_of(_csv_cells(entry))

    def parse_spreadsheet(entry: bytes) -> Line | None:
        if entry == MARK + header:
            return None
        return line_of([text.removeprefix(PREFIX) for text in _csv_cells(entry)])

    def encode_csv(lines: Iterable[Line | Fields]) -> bytes:
        return _csv_rows(map(cells_of, lines))

    def encode_spreadsheet(lines: Iterable[Line | Fields]) -> bytes:
        return _csv_rows([_prefixed(cell) for cell in cells_of(each)] for each in lines)

    return {
        "jsonl": Codec(b"", _TO_JSON.encode_lines, _jsonl_entry, parse),
        "csv": Codec(header, encode_csv, _csv_entry, parse_csv),
        "spreadsheet": Codec(MARK + header, encode_spreadsheet, _csv_entry, parse_spreadsheet),
    }


CODECS = codecs_of(COLUMNS, _parse_jsonl, _cells_of, _record_of)
"""The codecs of records by the name of the output's format."""
JSON_LINES, CSV, SPREADSHEET = CODECS["jsonl"], CODECS["csv"], CODECS["spreadsheet"]
