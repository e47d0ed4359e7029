"""What an interruption leaves between an intent and a verdict, and how it is settled."""

import pytest

from batcher.flow.repair import repair_of
from batcher.model import RECORDED, Record, Settlement, Status, Unsettled


def _left(id_, status, number):
    return Unsettled(id_, status, number, "b", f"o{number}", b"", "", 100.0)


def _record(number, status, execution=None):
    return Record(number, "b", f"o{number}", status, execution)


def test_a_record_that_reached_the_output_is_believed_and_not_written_again():
    repair = repair_of([_left(1, Status.SENDING, 10)], [_record(10, Status.STARTED, "e10")], 200.0)
    assert (repair.records, repair.settlements) == ([], [Settlement(1, Status.STARTED, "e10")])


def test_a_row_that_may_have_been_sent_and_has_no_record_is_in_doubt():
    repair = repair_of([_left(1, Status.SENDING, 10)], [_record(11, Status.STARTED, "e11")], 200.0)
    assert [(record.row, record.status) for record in repair.records] == [(10, Status.IN_DOUBT)]
    assert repair.settlements == [Settlement(1, Status.IN_DOUBT)]


def test_invalid_rows_and_duplicates_get_the_record_that_they_miss():
    left = [_left(1, Status.INVALID, 10), _left(2, Status.DUPLICATE, 11), _left(3, Status.DUPLICATE, 12)]
    repair = repair_of(left, [_record(12, Status.DUPLICATE)], 200.0)
    assert [(record.row, record.status) for record in repair.records] == [
        (10, Status.INVALID),
        (11, Status.DUPLICATE),
    ]
    assert {(s.id, s.status) for s in repair.settlements} == {
        (1, Status.INVALID),
        (2, Status.DUPLICATE),
        (3, Status.DUPLICATE),
    }


@pytest.mark.parametrize("status", sorted(RECORDED - {Status.REJECTED}))
def test_a_row_left_open_stands_as_its_record_says(status):
    repair = repair_of([_left(1, Status.SENDING, 10)], [_record(10, status)], 200.0)
    assert (repair.records, repair.settlements) == ([], [Settlement(1, status)])


def test_a_rejection_on_record_leaves_the_row_free_to_be_sent_since_earlier_versions_wrote_it_of_refused_rows_too():
    repair = repair_of([_left(1, Status.SENDING, 10)], [_record(10, Status.REJECTED)], 200.0)
    assert (repair.records, repair.settlements) == ([], [Settlement(1, Status.PENDING)])


def test_a_row_in_doubt_stays_so_unless_the_record_of_its_execution_has_reached_the_output():
    left = [_left(1, Status.IN_DOUBT, 10), _left(2, Status.IN_DOUBT, 11)]
    repair = repair_of(left, [_record(11, Status.STARTED, "e11")], 200.0)
    assert (repair.records, repair.settlements) == ([], [Settlement(2, Status.STARTED, "e11")])


def test_a_record_of_a_number_that_two_rows_bear_is_believed_for_neither():
    left = [_left(1, Status.IN_DOUBT, 10), _left(2, Status.SENDING, 10)]
    repair = repair_of(left, [_record(10, Status.STARTED, "e10")], 200.0)
    assert repair.settlements == [Settlement(2, Status.IN_DOUBT)]
