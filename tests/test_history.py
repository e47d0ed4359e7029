"""The history of rows: records read back as they were written, and joined to the rows that they tell of."""

import csv
import io

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from batcher.model import RECORDED, Record, Status, Unsettled
from batcher.rules.records.codec import COLUMNS, CSV, JSON_LINES, exported
from batcher.rules.records.standing import Standing, Truth, current, current_counts, last_record
from batcher.rules.rows.identity import content_key

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
filled = texts.filter(bool)
written = st.builds(
    Record,
    row=st.integers(1, 2**40),
    bucket=texts,
    object=texts,
    status=st.sampled_from(sorted(RECORDED)),
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
    assert JSON_LINES.parse(JSON_LINES.encode([record])) == record
    assert CSV.parse(CSV.encode([record])) == record


def test_the_header_of_a_csv_output_is_no_record():
    assert CSV.parse(CSV.header) is None


@pytest.mark.parametrize("line", [b"{}\n", b"[]\n", b'{"row":1}\n', b"null\n", b'{"status":"gone"}\n', b"\xff\n"])
def test_what_is_no_record_is_not_taken_for_one(line):
    for codec in (JSON_LINES, CSV):
        with pytest.raises(ValueError):  # noqa: PT011 - each says something else
            codec.parse(line)


@pytest.mark.parametrize("codec", [JSON_LINES, CSV])
@pytest.mark.parametrize("status", sorted(set(Status) - RECORDED))
def test_what_only_the_checkpoint_knows_is_no_record(codec, status):
    with pytest.raises(ValueError, match=f"a record cannot have the status {status}"):
        codec.parse(codec.encode([record(status)]))


def record(status, key="a", row=1, execution=None):
    return Record(row, "b", key, status, execution)


def standing(status, key="a", execution="", row=1, inputs=b""):
    return Standing(content_key("b", key, inputs), row, status, execution)


IN_DOUBT, REJECTED, STARTED = record(Status.IN_DOUBT), record(Status.REJECTED), record(Status.STARTED, execution="x")
REFUSED = record(Status.REFUSED)
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
        # refused earlier, sent again, and given back
        (standing(Status.PENDING), [IN_DOUBT, REFUSED], 1),
        (standing(Status.REFUSED), [REFUSED, IN_DOUBT, REFUSED], 2),
        (standing(Status.REFUSED), [REJECTED], None),
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


def test_a_row_is_being_sent_while_a_run_goes_on_and_in_doubt_after_it():
    assert current(Status.SENDING, running=True) is Status.SENDING
    assert current(Status.SENDING, running=False) is Status.IN_DOUBT
    states = {Status.SENDING: 3, Status.IN_DOUBT: 2, Status.STARTED: 5}
    assert current_counts(states, running=True)[Status.IN_DOUBT] == 2
    assert current_counts(states, running=False)[Status.IN_DOUBT] == 5
    assert (
        sum(current_counts(states, running=True).values()) == sum(current_counts(states, running=False).values()) == 10
    )


def test_a_row_is_exported_as_it_stands_with_what_its_record_says():
    error = {"code": "SlowDown", "message": 'busy, "really"\nbusy'}
    last = Record(1, "b", "a\r\nb", Status.REJECTED, attempts=6, error=error, recorded_at="t")
    truths = [
        Truth(standing(Status.PENDING), Status.PENDING, last),
        Truth(standing(Status.PENDING, row=2), Status.PENDING, None),
        Truth(Standing(b"", 3, Status.SENDING, "", UNSETTLED), Status.IN_DOUBT, None),
        Truth(standing(Status.STARTED, execution="x", row=4), Status.STARTED, None),
    ]
    lines = [orjson.loads(line) for line in JSON_LINES.encode(map(exported, truths)).splitlines()]
    assert [(line["row"], line["status"], line["bucket"], line["object"]) for line in lines] == [
        (1, "pending", "b", "a\r\nb"),
        (2, "pending", None, None),
        (3, "in_doubt", "b", "a"),
        (4, "started", None, None),
    ]
    assert lines[0]["error"] == error
    assert lines[3]["execution_name"] == "x"
    table = list(csv.DictReader(io.StringIO(CSV.encode(map(exported, truths)).decode(), newline=""), COLUMNS))
    assert [row["status"] for row in table] == ["pending", "pending", "in_doubt", "started"]
    assert (table[0]["object"], table[0]["error_code"], table[0]["error_message"]) == ("a\r\nb", *error.values())
    assert (table[1]["object"], table[3]["execution_name"]) == ("", "x")
