"""When a run may end: from the rows that are left and the rate that it is held to."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from batcher.rules.progress.eta import Range, Speed, eta, in_words, length, part_done
from batcher.rules.progress.extent import Length


def seconds(left, *pace):
    return tuple(round(end, 3) for end in eta(left, Speed(*pace)))


def test_at_a_steady_rate_the_range_is_a_tenth_to_either_side():
    # 1,000 rows in 10 s are 100 a second: 1,100 rows take 10 s at 110 a second, 12.222 s at 90
    assert seconds(1100, 1000, 10.0, None) == (10.0, 12.222)


@pytest.mark.parametrize(
    ("held_to", "expected"),
    [(100.0, (10.0, 12.222)), (200.0, (5.0, 12.222)), (50.0, (10.0, 24.444))],
    ids=["as fast as it is", "it may go faster", "it has been slowed"],
)
def test_the_rate_that_the_run_is_held_to_widens_the_range(held_to, expected):
    assert seconds(1100, 1000, 10.0, held_to) == expected


def test_few_rows_tell_a_rate_within_one_of_them():
    # 4 rows in 10 s: from 3 to 5
    assert seconds(100, 4, 10.0, None) == (200.0, 333.333)


def test_what_is_done_takes_no_time():
    assert eta(0.0, Speed(0, 0.0, None)) == Range(0.0, 0.0)
    assert eta(-3.0, Speed(100, 10.0, 50.0)) == Range(0.0, 0.0)


@pytest.mark.parametrize("ended", [0, 1])
def test_it_is_unknown_while_no_row_has_told_the_rate(ended):
    assert eta(100.0, Speed(ended, 10.0, 50.0)) is None


def test_it_is_unknown_where_the_rows_are():
    assert eta(None, Speed(1000, 10.0, None)) is None


@given(
    left=some.floats(-1e9, 1e9),
    ended=some.integers(0, 10**9),
    spent=some.floats(0, 1e6),
    held_to=some.none() | some.floats(0.001, 1e6),
)
def test_it_is_never_negative_and_its_ends_are_in_order(left, ended, spent, held_to):
    found = eta(left, Speed(ended, spent, held_to))
    assert found is None or 0.0 <= found.least <= found.most


def test_the_rows_are_counted_once_all_are_parsed():
    assert length(7, 9, 4, is_parsed=True) == (7, True)
    assert length(7, 9, None, is_parsed=True) == (7, True)


def test_before_that_they_are_told_by_the_lines():
    # a row a line; then records of two lines each; then a manifest that has grown
    assert length(1024, 1024, 10_000, is_parsed=False) == (10_000, False)
    assert length(500, 1000, 10_000, is_parsed=False) == (5000, False)
    assert length(500, 500, 400, is_parsed=False) == (500, False)


def test_where_the_lines_are_not_known_neither_are_the_rows():
    assert length(1024, 1025, None, is_parsed=False) is None
    assert length(0, 0, 100, is_parsed=False) is None
    assert length(0, -1, 100, is_parsed=False) is None


def test_the_part_that_is_done_is_never_more_than_all():
    assert part_done(250, Length(1000, is_exact=True)) == 0.25
    assert part_done(1001, Length(1000, is_exact=True)) == 1.0
    assert part_done(0, Length(0, is_exact=True)) is None


def test_of_an_estimated_number_of_rows_never_all_are_done():
    assert part_done(250, Length(1000, is_exact=False)) == 0.25
    assert part_done(1000, Length(1000, is_exact=False)) == 0.999


@pytest.mark.parametrize(
    ("range_", "words"),
    [
        ((0.0, 0.0), "0s"),
        ((0.2, 1.0), "1s"),
        ((41.0, 55.4), "41s to 56s"),
        ((119.0, 121.0), "2m to 2.1m"),
        ((60.0, 121.0), "1m to 2.1m"),
        ((700.0, 850.0), "12m to 15m"),
        ((700.0, 705.0), "12m"),
        ((7000.0, 7300.0), "2h to 2.1h"),
        ((6480.0, 10_800.0), "1.8h to 3h"),
        ((7200.0, 10_700.0), "2h to 3h"),
        ((9000.0, 40_000.0), "2.5h to 12h"),
        ((100_000.0, 172_800.0), "1.2d to 2d"),
        ((41.0, 10_800.0), "0.7m to 180m"),
        ((1e9, 1e10), "11,575d to 115,741d"),
    ],
)
def test_a_range_reads_in_units_that_have_digits_enough(range_, words):
    assert in_words(Range(*range_)) == words
