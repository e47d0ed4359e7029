"""Counts of the recent past."""

from hypothesis import given, settings
from hypothesis import strategies as st

from batcher.rules.rate.recent import Recent


def test_what_is_older_than_two_spans_is_forgotten():
    recent = Recent(1.0)
    recent.went_well(10.0)
    recent.went_badly(10.9)
    seen = []
    for now in (10.99, 11.5, 12.1):
        recent.roll(now)
        seen.append((recent.good, recent.bad))
    assert seen == [(1, 1), (1, 1), (0, 0)]


def test_after_a_long_silence_nothing_is_left():
    recent = Recent(1.0)
    recent.went_well(10.0)
    recent.went_badly(50.0)
    assert (recent.good, recent.bad) == (0, 1)


def test_one_may_begin_anew():
    recent = Recent(1.0)
    recent.went_well(10.0)
    recent.forget()
    recent.went_badly(10.0)
    assert (recent.good, recent.bad) == (0, 1)


@settings(deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.floats(0, 1.5), st.booleans()), min_size=1, max_size=50))
def test_the_last_span_is_counted_whole_and_nothing_that_is_two_spans_old(steps):
    recent, now, times = Recent(1.0), 10.0, {True: [], False: []}
    for pause, is_good in steps:
        now += pause
        (recent.went_well if is_good else recent.went_badly)(now)
        times[is_good].append(now)
    for is_good, counted in ((True, recent.good), (False, recent.bad)):
        within = [sum(now - at < spans for at in times[is_good]) for spans in (0.999, 2.001)]
        assert within[0] <= counted <= within[1]
