"""The cap on attempts in flight."""

import random
from math import inf

import pytest

from batcher.rules.rate.flight import Flight


def after(latencies):
    flight = Flight()
    for latency in latencies:
        flight.answered(latency)
    return flight


def test_before_the_first_answer_and_for_small_numbers_the_cap_is_its_floor():
    assert [Flight().cap(10_000), after([0.05]).cap(10)] == [16, 16]


def test_the_cap_is_half_as_much_again_as_come_within_an_answers_time():
    # 400 a second * 0.1 s = 40 on the wire
    assert after([0.1]).cap(400) == 60


@pytest.mark.parametrize("seed", range(3))
def test_nineteen_of_twenty_answers_are_no_slower_than_what_is_followed(seed):
    draw = random.Random(seed).random
    flight = after([1.0] + [draw() for _ in range(3000)])
    followed = []
    for _ in range(1000):
        flight.answered(draw())
        followed.append(flight.p95)
    assert 0.92 <= sum(followed) / len(followed) <= 0.98


def test_a_service_that_turns_slow_is_noticed_within_a_hundred_answers():
    assert after([0.005] * 1000 + [5.0] * 100).p95 >= 4.9


def test_a_service_that_is_fast_again_is_believed_slowly():
    flight = after([1.0] + [0.1] * 100)
    assert 0.5 < flight.p95 < 0.7


def fly(flight, numbers, begin=100.0):
    """Let starts be answered that were sent as so many on the wire, one each hundredth of a second; give the time."""
    now = begin
    for number in numbers:
        now += 0.01
        flight.answered(0.1)
        flight.started(number, now)
    return now


def refused_at(flight, number, begin, times, *, is_steady=True):
    """Let attempts be refused, one a second, that were sent as so many on the wire; say whether that explains each."""
    return [flight.refused(number, begin + second, is_steady=is_steady) for second in range(1, times + 1)]


def test_refusals_when_most_are_on_the_wire_show_that_the_service_limits_this_number():
    flight = Flight()
    now = fly(flight, [18, 19, 20] * 300)
    assert refused_at(flight, 22, now, 5) == [False, False, False, False, True]
    assert flight.most in {20, 21}
    assert flight.cap(1000.0) == flight.most


@pytest.mark.parametrize(("number", "is_steady"), [(18, True), (22, False)], ids=["at any number", "of a rising rate"])
def test_other_refusals_say_nothing_about_the_number_on_the_wire(number, is_steady):
    flight = Flight()
    now = fly(flight, [18, 19, 20] * 300)
    assert not any(refused_at(flight, number, now, 100, is_steady=is_steady))
    assert flight.most == inf


def test_where_as_many_as_there_are_workers_are_always_on_the_wire_nothing_is_found():
    flight = Flight()
    now = fly(flight, [64] * 2000)
    for _ in range(20):
        now = fly(flight, [64] * 98, now)
        flight.refused(64, now, is_steady=True)
    assert flight.most == inf


def test_more_on_the_wire_are_tried_and_given_up_when_they_are_refused():
    flight = Flight()
    now = fly(flight, [18, 19, 20] * 300)
    refused_at(flight, 22, now, 5)
    most = flight.most
    now = fly(flight, [most] * 300, now + 5)
    assert flight.most > most
    before = flight.most
    assert refused_at(flight, before, now, 1) == [True]
    assert flight.most < before


def test_a_number_of_which_even_four_fifths_are_refused_was_not_the_cause():
    flight = Flight()
    now = fly(flight, [18, 19, 20] * 300)
    refused_at(flight, 22, now, 5)
    refused_at(flight, 22, now + 5, 5)
    assert flight.most == inf
