"""Seconds slowed, by cause."""

from hypothesis import given, settings
from hypothesis import strategies as st

from batcher.rules.slowness import Cause, Slowness


def test_seconds_add_up_by_cause_the_longest_first():
    slowness = Slowness()
    for now, cause in ((10.0, Cause.DISK), (12.0, None), (15.0, Cause.OUTAGE), (18.5, Cause.DISK)):
        slowness.turn(now, cause)
    assert list(slowness.seconds(19.0).items()) == [(Cause.OUTAGE, 3.5), (Cause.DISK, 2.5)]


def test_a_cause_that_goes_on_counts_up_to_now_and_only_once():
    slowness = Slowness()
    slowness.turn(10.0, Cause.OUR_CAP)
    assert [slowness.seconds(now) for now in (11.0, 11.0, 14.0)] == [
        {Cause.OUR_CAP: 1.0},
        {Cause.OUR_CAP: 1.0},
        {Cause.OUR_CAP: 4.0},
    ]


@settings(deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 50), st.sampled_from([None, *Cause])), max_size=30))
def test_no_second_is_counted_twice_or_forgotten(steps):
    slowness, now, before, slow = Slowness(), 0.0, None, 0.0
    for pause, cause in steps:
        now += pause
        slow += pause * (before is not None)
        slowness.turn(now, cause)
        before = cause
    assert sum(slowness.seconds(now).values()) == slow
