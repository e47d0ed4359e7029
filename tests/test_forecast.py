"""What a run would do with rows, by what the checkpoint knows of their content."""

import pytest

from batcher.model import NUMBERS, Status
from batcher.rules.rows.admission import Policy
from batcher.rules.rows.forecast import SHOWN, Forecast, Known, Repeat

NOTHING = Known({}, {})
A, B, C = b"a" * 16, b"b" * 16, b"c" * 16


def forecast(keys, known=(), policy=Policy()):  # noqa: B008 - a value
    made = Forecast(policy)
    made.add(keys, range(2, len(keys) + 2), Known(*known) if known else NOTHING)
    return {status: count for status, count in made.counts.items() if count}, made


def test_rows_that_nobody_knows_would_be_started_once():
    counts, made = forecast([A, B, A, A])
    assert counts == {Status.PENDING: 2, Status.DUPLICATE: 2}
    assert (made.repeated, made.repeats) == (2, [Repeat(4, 2), Repeat(5, 2)])


def test_repeated_rows_would_be_started_where_that_is_allowed_and_are_told_all_the_same():
    counts, made = forecast([A, B, A], policy=Policy(allow_duplicates=True))
    assert (counts, made.repeats) == ({Status.PENDING: 3}, [Repeat(4, 2)])


@pytest.mark.parametrize(
    ("status", "ends", "with_retries"),
    [
        (Status.PENDING, Status.PENDING, Status.PENDING),
        (Status.SENDING, Status.IN_DOUBT, Status.IN_DOUBT),
        (Status.STARTED, Status.STARTED, Status.STARTED),
        (Status.REFUSED, Status.PENDING, Status.PENDING),
        (Status.REJECTED, Status.REJECTED, Status.PENDING),
        (Status.INVALID, Status.INVALID, Status.PENDING),
        (Status.IN_DOUBT, Status.IN_DOUBT, Status.IN_DOUBT),
    ],
)
def test_a_row_that_is_known_ends_as_a_run_would_end_it(status, ends, with_retries):
    known = ({A: NUMBERS[status]}, {})
    assert forecast([A, B], known)[0] == forecast([B], known)[0] | (
        {ends: 1} if ends is not Status.PENDING else {Status.PENDING: 2}
    )
    counts, _ = forecast([A], known, Policy(retry_rejected=True))
    assert counts == {with_retries: 1}


def test_each_copy_is_looked_up_by_itself():
    known = ({A: NUMBERS[Status.STARTED], C: NUMBERS[Status.STARTED]}, {(A, 2): NUMBERS[Status.DUPLICATE]})
    assert forecast([A, A, A], known)[0] == {Status.STARTED: 1, Status.DUPLICATE: 2}
    assert forecast([A, A, A], known, Policy(allow_duplicates=True))[0] == {Status.STARTED: 1, Status.PENDING: 2}


def test_of_many_repeats_the_first_in_the_manifest_are_kept():
    made = Forecast(Policy())
    made.add([B] * 50, range(1000, 1050), NOTHING)
    made.add([A] * 50, range(1, 51), NOTHING)
    assert made.repeated == 98
    assert made.repeats == [Repeat(line, 1) for line in range(2, SHOWN + 2)]


def test_the_same_line_of_two_files_is_a_repeat_too():
    made = Forecast(Policy())
    made.add([A, A], [3, 3], NOTHING)
    assert made.repeats == [Repeat(3, 3)]
