"""The throttle's arithmetic, by hand and at random. How it does against services is in `test_overload.py`."""

from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batcher.rules.rate.decisions import Event, Kind
from batcher.rules.rate.throttle import Throttle


def press(throttle, now, turns=10_000):
    """Take turns far ahead, as callers do who wait for the pace."""
    for _ in range(turns):
        throttle.pace.turn(now)


def feed(throttle, begin, seconds):
    """Let starts succeed at the pace's own rate; give the time at the end."""
    now = begin
    while now < begin + seconds:
        now += 1 / throttle.pace.rate
        throttle.started(now)
    return now


def refuse(throttle, now, times=1):
    """Let attempts be refused that were sent a moment ago; give the events."""
    rate = throttle.pace.rate
    events = [throttle.refused(now, now - 0.001, rate, "SlowDown") for _ in range(times)]
    return [event for event in events if event is not None]


def climbed(seconds):
    """Give a throttle that was cut to its limit of 100 at the time 100, so many seconds later, and that time."""
    throttle = Throttle(limit=100.0 / 0.7)
    press(throttle, 100.0)
    throttle.started(100.0)
    assert refuse(throttle, 100.0, times=2)[0].after == pytest.approx(70.0)
    return throttle, feed(throttle, 100.0, seconds)


def test_a_new_job_begins_slowly_and_one_that_knows_a_limit_begins_near_it():
    assert [Throttle().pace.rate, Throttle(limit=500.0).pace.rate] == [10.0, 350.0]
    assert [Throttle(4.0).pace.rate, Throttle(4.0, limit=500.0).pace.rate, Throttle(0.1).pace.rate] == [4.0, 4.0, 0.1]


def test_each_start_raises_the_rate_until_something_is_refused():
    throttle = Throttle()
    press(throttle, 100.0)
    rates = []
    for _ in range(9):
        throttle.started(100.0)
        rates.append(throttle.pace.rate)
    assert rates == [11.5, 13.0, 14.5, 16.0, 17.5, 19.0, 20.5, 26.0, 31.5]


def test_a_rate_that_nobody_uses_does_not_grow():
    throttle = Throttle()
    throttle.pace.turn(100.0)
    for number in range(100):
        throttle.started(101.0 + number)
    assert throttle.pace.rate == 10.0


def test_a_few_refusals_do_not_end_a_slow_start_and_more_do():
    throttle = Throttle()
    press(throttle, 100.0)
    for _ in range(15):
        throttle.started(100.0)
    assert throttle.limit is None
    assert refuse(throttle, 100.0, times=4) == []
    assert refuse(throttle, 100.0) == [Event(100.0, Kind.RATE, 64.5, 0.7 * 64.5 / 4, "SlowDown")]
    assert throttle.limit == 0.7 * 64.5


def test_the_limit_that_is_shown_is_below_the_rate_at_which_the_refused_attempt_was_sent():
    throttle = Throttle()
    press(throttle, 100.0)
    for _ in range(15):
        throttle.started(100.0)
    for _ in range(5):
        throttle.refused(100.0, 99.7, 20.5, "SlowDown")
    assert throttle.limit == 0.7 * 20.5


@pytest.mark.parametrize(("seconds", "left", "least"), [(8.0, 0.7, 0), (12.5, 0.8, 97)])
def test_many_workers_refused_at_once_cut_the_rate_once_and_a_probe_less_deeply(seconds, left, least):
    throttle, now = climbed(seconds)
    rate = throttle.pace.rate
    events = refuse(throttle, now, times=64)
    assert [(event.before, event.cause) for event in events] == [(rate, "SlowDown")]
    assert throttle.pace.rate == pytest.approx(left * throttle.limit)
    assert least < throttle.limit <= rate


def test_attempts_that_were_on_their_way_when_the_rate_was_cut_count_for_nothing():
    throttle, now = climbed(12.5)
    refuse(throttle, now, times=8)
    rate = throttle.pace.rate
    for _ in range(64):
        assert throttle.refused(now + 5.0, now - 0.001, 100.0, "SlowDown") is None
    assert throttle.pace.rate == rate


def test_refusals_that_go_on_cut_again_after_the_cool_down_and_deeper_the_more_there_are():
    throttle, now = climbed(12.5)
    refuse(throttle, now, times=8)
    rate = throttle.pace.rate
    assert refuse(throttle, now + 0.99, times=50) == []
    # three in a row may have been chance, so the cut is tried, and three more are needed
    assert refuse(throttle, now + 1.01, times=3)[0].before == rate
    # next to nothing was taken: a quarter of the rate is the deepest that is believed
    assert 0.7 * 0.25 * rate < throttle.pace.rate < 0.7 * 0.35 * rate


def test_the_rate_comes_back_to_the_limit_and_stays_there_before_it_probes():
    throttle, now = climbed(1.0)
    assert throttle.pace.rate == pytest.approx(96.2, abs=0.5)
    now = feed(throttle, now, 1.1)
    assert throttle.pace.rate == pytest.approx(100.0)
    now = feed(throttle, now, 9.8)
    assert throttle.pace.rate == pytest.approx(100.0)
    feed(throttle, now, 1.0)
    assert 101.0 < throttle.pace.rate < 102.0


def test_a_probe_that_was_refused_far_above_shows_that_the_limit_has_risen():
    throttle, now = climbed(17.0)
    rate = throttle.pace.rate
    assert rate > 200
    refuse(throttle, now, times=20)
    assert 200 < throttle.limit < rate


def test_time_in_which_nothing_is_started_brings_nothing_back():
    throttle, now = climbed(0.5)
    rate = throttle.pace.rate
    press(throttle, now + 3600.0)
    throttle.started(now + 3600.3)
    # one second at the most counts of the hour
    assert rate < throttle.pace.rate < 100.0


def test_a_few_refusals_among_many_answers_are_chance_and_more_are_not():
    throttle, now = climbed(5.0)
    # about a hundred answers in the last one or two seconds each
    assert refuse(throttle, now, times=3) == []
    assert len(refuse(throttle, now, times=5)) == 1


def test_no_evidence_brings_the_rate_to_a_halt():
    throttle, now = climbed(0.0)
    for second in range(100):
        refuse(throttle, now + 2.0 * second, times=10)
    assert throttle.pace.rate == 0.5


def test_the_cap_wins_over_everything():
    throttle = Throttle(80.0, limit=100.0)
    press(throttle, 100.0)
    rates = []
    for begin in (100.0, 101.0, 110.0):
        feed(throttle, begin, 1.0)
        rates.append((throttle.pace.rate, throttle.is_capped))
    assert rates == [(80.0, True)] * 3
    assert not Throttle().is_capped


def test_a_retry_after_holds_everybody_back_for_a_minute_at_the_most():
    throttle = Throttle()
    turn, _ = throttle.pace.turn(100.0)
    assert throttle.hold(100.0, 7.0, "Retry-After") == Event(100.0, Kind.HELD, 0.0, 7.0, "Retry-After")
    assert throttle.hold(101.0, 3.0, "Retry-After") is None
    assert [throttle.pace.wait(turn, now) for now in (106.95, 107.0)] == pytest.approx([0.05, 0.0])
    assert throttle.hold(107.0, 3600.0, "Retry-After").after == 60.0


def test_a_probe_refused_with_a_time_to_wait_cuts_at_once_and_keeps_the_rate_somewhat_lower():
    limits = []
    for times, is_told in ((8, False), (1, True)):
        throttle, now = climbed(12.5)
        for _ in range(times):
            throttle.refused(now, now - 0.1, throttle.pace.rate, "SlowDown", is_told=is_told)
        limits.append(throttle.limit)
    assert limits[1] == pytest.approx(0.95 * limits[0], rel=0.03)


def test_a_refusal_that_may_be_chance_holds_only_its_own_row_back():
    throttle, now = climbed(5.0)
    throttle.refused(now, now - 0.1, throttle.pace.rate, "SlowDown", is_told=True)
    assert throttle.hold(now, 7.0, "Retry-After") is None
    for _ in range(8):
        throttle.refused(now, now - 0.1, throttle.pace.rate, "SlowDown", is_told=True)
    assert throttle.hold(now, 7.0, "Retry-After").after == 7.0


def test_after_a_drought_the_rate_is_what_was_taken_on_average_since_the_last_one():
    throttle, now = climbed(10.0)
    for second in range(1, 11):
        refuse(throttle, now + second, times=2)
    assert throttle.pace.rate < 10
    press(throttle, now + 10)
    event = throttle.started(now + 10, now + 9.9)
    assert event.cause == "starts are accepted again"
    assert throttle.limit == pytest.approx(50, rel=0.05)


def test_single_refusals_at_the_limit_lower_it_a_little_and_only_so_many_times():
    throttle, now = climbed(2.5)
    limit = throttle.limit
    for expected in (0.995, 0.990025, 0.990025):
        refuse(throttle, now)
        assert throttle.limit == pytest.approx(expected * limit)
        now = feed(throttle, now, 0.5)
    for _ in range(20):
        refuse(throttle, now)
        now = feed(throttle, now, 0.5)
    assert throttle.limit > 0.97 * limit


def test_a_single_refusal_while_the_rate_climbs_or_probes_lowers_no_limit():
    for seconds in (1.0, 13.0):
        throttle, now = climbed(seconds)
        limit = throttle.limit
        refuse(throttle, now)
        assert throttle.limit == limit


def test_a_rate_is_steady_at_its_limit_a_second_after_a_cut_and_not_while_it_climbs_or_probes():
    throttle, now = climbed(1.5)
    assert not throttle.is_steady(now)
    now = feed(throttle, now, 3.0)
    assert [throttle.is_steady(sent_at) for sent_at in (100.9, now)] == [False, True]
    now = feed(throttle, now, 9.0)
    assert not throttle.is_steady(now)


def test_where_not_the_rate_is_limited_it_may_be_twice_what_is_taken_and_no_limit_is_reported():
    throttle, now = climbed(5.0)
    throttle.release(now)
    assert throttle.limit is None
    feed(throttle, now, 1.0)
    assert throttle.pace.rate == pytest.approx(200, rel=0.05)


def test_time_held_back_is_not_taken_for_a_service_that_took_nothing():
    limits = []
    for seconds in (0.0, 60.0):
        throttle, now = climbed(5.0)
        throttle.hold(now, seconds, "Retry-After")
        press(throttle, now + seconds)
        refuse(throttle, now + seconds + 0.01, times=9)
        limits.append(throttle.limit)
    assert limits[0] == pytest.approx(limits[1], rel=0.1)


def test_many_failures_ease_the_rate_once_a_second_down_to_half_of_the_limit():
    throttle, now = climbed(5.0)
    rates = []
    for second in range(8):
        events = [throttle.failed(now + 3.0 * second, "HTTP 500") for _ in range(100)]
        rates.append(throttle.pace.rate)
        assert sum(event is not None for event in events) == (second < 5)
    assert rates == pytest.approx([85.0, 72.25, 61.4, 52.2, 50.0, 50.0, 50.0, 50.0], abs=0.1)
    assert throttle.limit == pytest.approx(100.0)


def test_a_few_failures_ease_nothing():
    throttle, now = climbed(5.0)
    assert [throttle.failed(now, "HTTP 500") for _ in range(40)] == [None] * 40


def test_failures_alone_show_no_limit():
    throttle = Throttle()
    for _ in range(20):
        throttle.failed(100.0, "HTTP 500")
    assert (throttle.limit, throttle.pace.rate) == (None, 8.5)


def test_after_an_outage_the_rate_climbs_from_a_tenth_to_what_it_was():
    throttle, now = climbed(5.0)
    event = throttle.restart(now + 60.0, "the service answers again")
    assert event == Event(now + 60.0, Kind.RATE, pytest.approx(100.0), pytest.approx(10.0), "the service answers again")
    now = feed(throttle, now + 60.0, 5.0)
    assert throttle.pace.rate == pytest.approx(55.0, abs=2)
    feed(throttle, now, 5.5)
    assert throttle.pace.rate == pytest.approx(100.0)


def test_an_outage_is_not_taken_for_a_service_that_took_nothing():
    throttle, now = climbed(5.0)
    throttle.restart(now + 600.0, "the service answers again")
    press(throttle, now + 600.0)
    now = feed(throttle, now + 600.0, 9.0)
    rate = throttle.pace.rate
    assert throttle.refused(now, now - 10.0, 100.0, "SlowDown") is None
    refuse(throttle, now, times=20)
    # about half of the rate on the average of the climb
    assert 0.7 * rate < throttle.limit < 0.85 * rate


def test_a_rise_by_a_quarter_is_an_event():
    throttle = Throttle()
    press(throttle, 100.0)
    events = [throttle.started(100.0) for _ in range(8)]
    assert [event and (event.before, event.after, event.cause) for event in events] == [
        None,
        (10.0, 13.0, "nothing refused"),
        None,
        None,
        (13.0, 17.5, "nothing refused"),
        None,
        None,
        (17.5, 26.0, "nothing refused"),
    ]


@settings(deadline=None, derandomize=True)
@given(st.none() | st.floats(0.5, 1e4), st.lists(st.tuples(st.floats(0, 3), st.integers(1, 100)), max_size=60))
def test_with_every_answer_a_start_the_rate_never_falls(limit, steps):
    throttle, now = Throttle(limit=limit), 100.0
    for pause, times in steps:
        now += pause
        press(throttle, now, times)
        for _ in range(times):
            before = throttle.pace.rate
            throttle.started(now, now)
            assert throttle.pace.rate >= before


def do(throttle, what, now, pause):
    """Let one thing happen; give its event."""
    match what:
        case "turn":
            throttle.pace.turn(now)
            return None
        case "started":
            return throttle.started(now)
        case "refused":
            return throttle.refused(now, now - 0.1, throttle.pace.rate, "429")
        case "failed":
            return throttle.failed(now, "HTTP 500")
        case "hold":
            return throttle.hold(now, pause, "Retry-After")
    return throttle.restart(now, "the service answers again")


STEPS = st.tuples(
    st.sampled_from(["turn", "started", "refused", "failed", "hold", "restart"]), st.floats(0, 3), st.integers(1, 100)
)


@settings(deadline=None, derandomize=True)
@given(st.sampled_from([inf, 0.1, 5.0, 300.0]), st.none() | st.floats(0.01, 1e6), st.lists(STEPS, max_size=60))
def test_whatever_happens_the_rate_stays_between_floor_and_cap_and_every_fall_is_told(max_rate, limit, steps):
    throttle, now = Throttle(max_rate, limit=limit), 100.0
    for what, pause, times in steps:
        now += pause
        for _ in range(times):
            before = throttle.pace.rate
            event = do(throttle, what, now, pause)
            assert min(0.5, max_rate) <= throttle.pace.rate <= max_rate
            assert event is not None or throttle.pace.rate >= before
            if event is not None and event.kind is Kind.RATE:
                assert event.after == throttle.pace.rate
