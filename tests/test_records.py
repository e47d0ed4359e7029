"""What a record says, and how an output that was cut short is read again."""

import csv
import io
import json

import pytest

from batcher.model import Admitted, Answer, BadRow, Execution, Fault, Outcome, Record, Row, Status, Unsettled
from batcher.rules.records.codec import (
    COLUMNS,
    CSV,
    JSON_LINES,
    SPREADSHEET,
    read_tail,
    record_of,
    record_of_unsettled,
    timestamp,
)

ROW = Row(17, 18, "videos", 'a "b",\nc \u7247\U0001f600.mp4', b"", b"k" * 16)
NOW = 1795509000.25  # 2026-11-24T08:30:00.250Z


def _outcome(status, row=ROW, **fields):
    return Outcome(Admitted(3, row, Status.SENDING), status, **fields)


def test_a_started_row_has_its_execution_and_no_error():
    outcome = _outcome(
        Status.STARTED,
        answer=Answer(status=200, request_id="R1"),
        execution=Execution("e1", "urn:e1", "2026-11-24T08:30:00.123Z"),
        attempts=2,
        latency=0.01234,
    )
    assert record_of(outcome, timestamp(NOW)) == Record(
        row=17,
        bucket="videos",
        object=ROW.object,
        status=Status.STARTED,
        execution_name="e1",
        execution_urn="urn:e1",
        started_at="2026-11-24T08:30:00.123Z",
        request_id="R1",
        attempts=2,
        http_status=200,
        error=None,
        latency_ms=12.3,
        recorded_at="2026-11-24T08:30:00.250Z",
    )


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(status=404, code="SYS.0015", message="no object"), {"code": "SYS.0015", "message": "no object"}),
        (Answer(status=502, message=""), {"code": "HTTP 502", "message": ""}),
        (Answer(fault=Fault.LOST, message="reset"), {"code": "lost", "message": "reset"}),
    ],
)
def test_a_row_that_is_not_started_says_why(answer, error):
    assert record_of(_outcome(Status.REJECTED, answer=answer), timestamp(NOW)).error == error


def test_an_invalid_row_says_its_reason():
    bad = BadRow(4, 5, "", "", "the key is empty", b"x" * 16)
    record = record_of(_outcome(Status.INVALID, row=bad), timestamp(NOW))
    assert (record.row, record.error) == (4, {"code": "InvalidRow", "message": "the key is empty"})


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (Status.IN_DOUBT, "Interrupted"),
        (Status.INVALID, "InvalidRow"),
        (Status.DUPLICATE, None),
    ],
)
def test_a_row_that_an_interruption_left_open_is_written_down(status, error):
    row = Unsettled(1, Status.SENDING, 9, "b", "o", b"", "a reason", NOW)
    record = record_of_unsettled(row, status, NOW)
    assert (record.row, record.status, record.error and record.error["code"]) == (9, status, error)


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "'=1", "''", "plain", "a=b"])
def test_no_cell_of_a_file_for_spreadsheets_begins_a_formula_and_each_is_read_back(name):
    record = Record(
        1, "b", name, Status.REJECTED, error={"code": "C", "message": f"{name}!"}, recorded_at=timestamp(NOW)
    )
    data = SPREADSHEET.header + SPREADSHEET.encode([record])
    (row,) = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""))
    assert (row["object"][0], row["error_message"][0]) == ((name[0],) * 2 if name in {"plain", "a=b"} else ("'", "'"))
    assert read_tail(SPREADSHEET, data).records == [record]


RECORDS = [
    Record(1, "b", "plain", Status.STARTED, "e1", recorded_at=timestamp(NOW)),
    Record(2, "b", ROW.object, Status.REJECTED, error={"code": "C", "message": 'a "quote"\r\nand more'}),
    Record(3, "b", "in\rner", Status.IN_DOUBT),
]


def test_jsonl_lines_parse_and_keep_every_field():
    lines = JSON_LINES.encode(RECORDS).splitlines()
    assert [json.loads(line)["object"] for line in lines] == [record.object for record in RECORDS]
    assert list(json.loads(lines[0])) == list(Record.__struct_fields__[:-1])


def test_only_a_reconciled_record_says_so():
    record = Record(1, "b", "o", Status.STARTED, "e1", reconciled=True)
    assert json.loads(JSON_LINES.encode([record]))["reconciled"] is True
    (row,) = csv.DictReader(io.StringIO((CSV.header + CSV.encode([record])).decode(), newline=""))
    assert row["reconciled"] == "true"


def test_csv_lines_parse_and_keep_every_field():
    text = (CSV.header + CSV.encode(RECORDS)).decode()
    rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    assert [row["object"] for row in rows] == [record.object for record in RECORDS]
    assert list(rows[0]) == list(COLUMNS)
    assert (rows[1]["error_code"], rows[1]["error_message"]) == ("C", 'a "quote"\r\nand more')


@pytest.mark.parametrize(
    ("blocks", "codec"),
    [
        ([JSON_LINES.encode([record]) for record in RECORDS], JSON_LINES),
        ([CSV.header, *(CSV.encode([record]) for record in RECORDS)], CSV),
    ],
    ids=["jsonl", "csv"],
)
def test_an_output_cut_at_any_byte_gives_its_whole_records_and_their_length(blocks, codec):
    data = b"".join(blocks)
    ends = [sum(map(len, blocks[: n + 1])) for n in range(len(blocks))]
    header = len(blocks) - len(RECORDS)
    for cut in range(len(data) + 1):
        whole = sum(end <= cut for end in ends)
        tail = read_tail(codec, data[:cut])
        assert tail.length == ([0, *ends][whole]), cut
        assert tail.records == RECORDS[: max(0, whole - header)], cut


@pytest.mark.parametrize("rubbish", [b"\x00" * 40 + b"\n", b"[1]\n", b"{}\n", b'{"row": 1}\n', b"\xff\n"])
def test_what_follows_a_damaged_line_is_not_believed(rubbish):
    good = JSON_LINES.encode(RECORDS[:1])
    assert read_tail(JSON_LINES, good + rubbish + good) == (RECORDS[:1], len(good))
