"""The history of rows: records read back as they were written, and joined to the rows that they tell of."""

import csv
import io

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from batcher.model import Record, Status, Unsettled
from batcher.rules.records.codec import COLUMNS, csv_header, to_csv, to_jsonl
from batcher.rules.records.standing import (
    Standing,
    Status,
    Truth,
    fate,
    fates,
    last_record,
    record_from_csv,
    record_from_jsonl,
    truths_as_csv,
    truths_as_jsonl,
)
from batcher.rules.rows.identity import content_key

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
filled = texts.filter(bool)
written = st.builds(
    Record,
    row=st.integers(1, 2**40),
    bucket=texts,
    object=texts,
    status=st.sampled_from(Status),
    execution_name=st.none() | filled,
    execution_urn=st.none() | filled,
    started_at=st.none() | filled,
    request_id=st.none() | filled,
    attempts=st.integers(0, 99),
    http_status=st.none() | st.integers(100, 599),
    error=st.none() | st.fixed_dictionaries({"code": filled, "message": texts}),
    latency_ms=st.none() | st.integers(0, 10**6).map(lambda tenths: tenths / 10),
    recorded_at=filled,
    reconciled=st.sampled_from([True, UNSET]),
)


@given(written)
def test_a_record_is_read_back_as_it_was_written(record):
    assert record_from_jsonl(to_jsonl([record])) == record
    assert record_from_csv(to_csv([record])) == record


def test_the_header_of_a_csv_output_is_no_record():
    assert record_from_csv(csv_header()) is None


@pytest.mark.parametrize("line", [b"{}\n", b"[]\n", b'{"row":1}\n', b"null\n", b'{"status":"gone"}\n', b"\xff\n"])
def test_what_is_no_record_is_not_taken_for_one(line):
    with pytest.raises((ValueError, TypeError, KeyError)):
        record_from_jsonl(line)
    with pytest.raises((ValueError, csv.Error)):
        record_from_csv(line)


def record(status, key="a", row=1, execution=None):
    return Record(row, "b", key, status, execution)


def standing(state, key="a", execution="", row=1, inputs=b""):
    return Standing(content_key("b", key, inputs), row, state, execution)


IN_DOUBT, REJECTED, STARTED = record(Status.IN_DOUBT), record(Status.REJECTED), record(Status.STARTED, execution="x")
UNSETTLED = Unsettled(1, Status.IN_DOUBT, 1, "b", "a", b"", "", 0.0)


@pytest.mark.parametrize(
    ("row", "records", "index"),
    [
        (standing(Status.STARTED, execution="x"), [IN_DOUBT, STARTED], 1),
        (standing(Status.STARTED, execution="y"), [IN_DOUBT, STARTED], None),
        (standing(Status.STARTED, execution="x"), [STARTED, record(Status.STARTED, execution="y")], 0),
        (standing(Status.PENDING), [IN_DOUBT], 0),
        (standing(Status.PENDING), [REJECTED, IN_DOUBT], 1),
        (standing(Status.PENDING), [], None),
        (standing(Status.REJECTED), [REJECTED, REJECTED, IN_DOUBT], 1),
        # two rows of one number: the one that is meant, by its content, else the last that may be it
        (standing(Status.REJECTED, "a"), [record(Status.REJECTED, "a"), record(Status.REJECTED, "b")], 0),
        (standing(Status.REJECTED, "b"), [record(Status.REJECTED, "a"), record(Status.REJECTED, "b")], 1),
        (standing(Status.REJECTED, "a", inputs=b"{}"), [record(Status.REJECTED, "a"), record(Status.REJECTED, "b")], 1),
        (Standing(b"", 1, Status.IN_DOUBT, "", UNSETTLED), [IN_DOUBT, record(Status.IN_DOUBT, "b")], 0),
        # what is on record of an earlier attempt says nothing of the one on the wire
        (Standing(b"", 1, Status.SENDING, "", UNSETTLED), [IN_DOUBT, REJECTED], None),
        (standing(Status.DUPLICATE), [REJECTED, record(Status.DUPLICATE)], 1),
        (standing(Status.INVALID), [record(Status.INVALID)], 0),
    ],
)
def test_the_last_record_that_agrees_with_the_checkpoint_tells_of_a_row(row, records, index):
    assert last_record(row, records, b"") == index


def test_an_intent_is_in_flight_while_a_run_goes_on_and_in_doubt_after_it():
    assert fate(Status.SENDING, running=True) is Status.SENDING
    assert fate(Status.SENDING, running=False) is Status.IN_DOUBT
    states = {Status.SENDING: 3, Status.IN_DOUBT: 2, Status.STARTED: 5}
    assert fates(states, running=True)[Status.IN_DOUBT] == 2
    assert fates(states, running=False)[Status.IN_DOUBT] == 5
    assert sum(fates(states, running=True).values()) == sum(fates(states, running=False).values()) == 10


def test_a_row_is_exported_as_it_stands_with_what_its_record_says():
    error = {"code": "SlowDown", "message": 'busy, "really"\nbusy'}
    last = Record(1, "b", "a\r\nb", Status.REJECTED, attempts=6, error=error, recorded_at="t")
    truths = [
        Truth(standing(Status.PENDING), Status.PENDING, last),
        Truth(standing(Status.PENDING, row=2), Status.PENDING, None),
        Truth(Standing(b"", 3, Status.SENDING, "", UNSETTLED), Status.IN_DOUBT, None),
        Truth(standing(Status.STARTED, execution="x", row=4), Status.STARTED, None),
    ]
    lines = [orjson.loads(line) for line in truths_as_jsonl(truths).splitlines()]
    assert [(line["row"], line["status"], line["bucket"], line["object"]) for line in lines] == [
        (1, "pending", "b", "a\r\nb"),
        (2, "pending", None, None),
        (3, "in_doubt", "b", "a"),
        (4, "started", None, None),
    ]
    assert lines[0]["error"] == error
    assert lines[3]["execution_name"] == "x"
    table = list(csv.DictReader(io.StringIO(truths_as_csv(truths).decode(), newline=""), COLUMNS))
    assert [row["status"] for row in table] == ["pending", "pending", "in_doubt", "started"]
    assert (table[0]["object"], table[0]["error_code"], table[0]["error_message"]) == ("a\r\nb", *error.values())
    assert (table[1]["object"], table[3]["execution_name"]) == ("", "x")
