"""The cap on attempts in flight."""

import random

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
