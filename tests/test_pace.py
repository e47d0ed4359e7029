"""The pace: evenly spaced turns at a rate that may change."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batcher.rules.rate.pace import Pace

always = settings(deadline=None, derandomize=True)

RATES = st.floats(0.5, 10_000)


def take(pace, now):
    """Take the next turn: its wait is told with it."""
    number, wait = pace.turn(now)
    assert wait == pytest.approx(pace.wait(number, now), abs=1e-6)
    return number


def ready_at(pace, turn, now):
    """Wait for a turn as a caller does; give the time when it comes."""
    while (wait := pace.wait(turn, now)) > 0:
        now += wait
    return now


def test_turns_come_at_an_even_pace_without_a_burst():
    pace = Pace(4.0)
    turns = [take(pace, 10.0) for _ in range(4)]
    assert [ready_at(pace, turn, 10.0) for turn in turns] == pytest.approx([10.0, 10.25, 10.5, 10.75])


def test_a_pause_saves_no_turns_up():
    pace = Pace(4.0)
    take(pace, 10.0)
    turns = [take(pace, 15.0), take(pace, 15.0)]
    assert [ready_at(pace, turn, 15.0) for turn in turns] == pytest.approx([15.0, 15.25])


def test_an_idle_time_before_a_hold_or_a_new_rate_saves_no_turns_up_either():
    pace = Pace(4.0)
    take(pace, 10.0)
    pace.change(20.0, 5.0)
    turns = [take(pace, 20.0), take(pace, 20.0)]
    assert [ready_at(pace, turn, 20.0) for turn in turns] == pytest.approx([20.0, 20.2])
    pace.hold(30.0, 40.0)
    turns = [take(pace, 31.0), take(pace, 31.0)]
    assert [ready_at(pace, turn, 31.0) for turn in turns] == pytest.approx([40.0, 40.2])


def test_a_lowered_rate_holds_for_those_who_wait_already():
    pace = Pace(10.0)
    turns = [take(pace, 10.0) for _ in range(31)]
    assert pace.wait(turns[30], 10.0) == 1.0
    pace.change(11.0, 1.0)
    # ten turns have come by then, and twenty are left at one a second
    assert ready_at(pace, turns[30], 11.0) == pytest.approx(31.0)


def test_a_raised_rate_holds_for_those_who_wait_already():
    pace = Pace(1.0)
    turns = [take(pace, 10.0) for _ in range(31)]
    pace.change(11.0, 29.0)
    assert ready_at(pace, turns[30], 11.0) == pytest.approx(12.0)


@pytest.mark.parametrize(("ahead", "wait"), [(0.0, 0.0), (0.05, 0.05), (0.1, 0.1), (0.15, 0.1), (1.0, 0.5), (9.0, 1.0)])
def test_a_turn_far_ahead_is_approached_by_halves_and_a_near_one_is_told_exactly(ahead, wait):
    pace = Pace(20.0)
    take(pace, 10.0)
    assert pace.wait(ahead * 20.0, 10.0) == pytest.approx(wait)


def test_nobody_sends_before_the_end_of_a_hold_and_those_who_waited_come_in_their_order_after_it():
    pace = Pace(4.0)
    turns = [take(pace, 10.0) for _ in range(3)]
    assert pace.hold(10.3, 20.0) == pytest.approx(9.7)
    # the first two turns had come when the hold began
    assert [ready_at(pace, turn, 10.3) for turn in turns] == pytest.approx([20.0, 20.0, 20.2])


def test_a_hold_before_the_first_turn_holds_too():
    pace = Pace(4.0)
    pace.hold(10.0, 20.0)
    turns = [take(pace, 10.0), take(pace, 10.0)]
    assert [ready_at(pace, turn, 10.0) for turn in turns] == pytest.approx([20.0, 20.25])


def test_a_hold_may_grow_and_never_shrinks():
    pace = Pace(4.0)
    turn = take(pace, 10.0)
    assert [pace.hold(10.0, 20.0), pace.hold(10.0, 15.0), pace.hold(12.0, 25.0)] == [10.0, 0.0, 5.0]
    assert ready_at(pace, turn, 12.0) == pytest.approx(25.0)


def test_turns_that_nobody_uses_are_not_lost_for_ever():
    pace = Pace(4.0)
    for _ in range(8):
        take(pace, 10.0)
    # nobody came back for the eight; two seconds later all of them have passed
    assert ready_at(pace, take(pace, 12.0), 12.0) == pytest.approx(12.0)


def test_the_pace_is_pressed_while_callers_wait_for_it_and_until_the_next_could_come():
    pace = Pace(10.0)
    for _ in range(3):
        take(pace, 10.0)
    assert [pace.is_pressed(now) for now in (10.0, 10.19, 10.29, 10.31)] == [True, True, True, False]


def test_a_single_caller_that_waits_for_each_turn_presses_the_pace_while_it_is_away():
    pace = Pace(10.0)
    take(pace, 10.0)
    assert not pace.is_pressed(10.03)
    assert ready_at(pace, take(pace, 10.03), 10.03) == pytest.approx(10.1)
    assert [pace.is_pressed(now) for now in (10.13, 10.19, 10.21)] == [True, True, False]


def test_the_pace_is_not_pressed_for_a_while_after_it_was_idle():
    pace = Pace(10.0)
    take(pace, 10.0)
    for _ in range(9):
        take(pace, 10.5)
    assert [pace.is_pressed(now) for now in (10.5, 10.74, 10.76)] == [False, False, True]


@always
@given(RATES, st.lists(st.tuples(st.floats(0, 2), st.integers(0, 5), st.none() | RATES), min_size=1, max_size=40))
def test_no_more_turns_come_than_the_rate_allows_and_one(rate, steps):
    pace, now, allowed, waiting, granted = Pace(rate), 100.0, 0.0, [], 0
    for pause, turns, new_rate in steps:
        waiting += [take(pace, now) for _ in range(turns)]
        allowed += pace.rate * pause
        now += pause
        pace.change(now, new_rate or pace.rate)
        come = [turn for turn in waiting if pace.wait(turn, now) == 0]
        waiting = [turn for turn in waiting if turn not in come]
        granted += len(come)
        # a hundredth of a turn: a wait of less than a microsecond is none
        assert granted <= allowed + 1.01


@always
@given(
    RATES,
    st.lists(st.tuples(st.floats(0, 2), st.just(0.0) | st.floats(0, 3), st.integers(1, 5)), min_size=1, max_size=40),
)
def test_after_idleness_and_holds_too_any_two_turns_are_an_interval_apart(rate, steps):
    pace, now, times = Pace(rate), 100.0, []
    for pause, held, turns in steps:
        now += pause
        pace.hold(now, now + held)
        times += [ready_at(pace, take(pace, now), now) for _ in range(turns)]
    assert min(after - before for before, after in pairwise([0.0, *times])) >= 1 / rate - 3e-6


@always
@given(RATES, st.lists(st.floats(0, 3), min_size=1, max_size=40))
def test_turns_are_in_order_and_no_wait_is_negative_or_longer_than_a_second(rate, pauses):
    pace, now, last = Pace(rate), 100.0, -1.0
    for pause in pauses:
        now += pause
        turn = take(pace, now)
        assert turn >= last + 1
        assert 0 <= pace.wait(turn, now) <= 1.0
        last = turn
