"""The cap on starts a second, as arithmetic."""

from hypothesis import given
from hypothesis import strategies as st

from batcher.rules.throttle import Throttle


def test_turns_come_at_an_even_pace_without_a_burst():
    throttle = Throttle(4)
    # 4 a second: a turn each 0.25 s from the first on
    assert [throttle.reserve(10.0) for _ in range(4)] == [0.0, 0.25, 0.5, 0.75]


def test_a_pause_saves_no_turns_up():
    throttle = Throttle(4)
    throttle.reserve(10.0)
    # 5 s later the next turn is at once, and the one after it 0.25 s on
    assert [throttle.reserve(15.0), throttle.reserve(15.0)] == [0.0, 0.25]


@given(st.floats(0.1, 1000), st.lists(st.floats(0, 10), min_size=1, max_size=50))
def test_the_rate_is_never_exceeded(rate, pauses):
    throttle, now, turns = Throttle(rate), 100.0, []
    for pause in pauses:
        now += pause
        wait = throttle.reserve(now)
        assert wait >= 0
        turns.append(now + wait)
    assert turns[-1] - turns[0] >= (len(turns) - 1) / rate * (1 - 1e-9)
