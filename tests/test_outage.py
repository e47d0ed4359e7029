"""When the service counts as away."""

import random

import pytest

from batcher.model import Verdict
from batcher.rules import outage
from batcher.rules.events import Event, Kind
from batcher.rules.outage import Health


def after(verdicts, health=None, begin=100.0, every=0.1):
    """Learn from verdicts, one each `every` seconds from `begin` on."""
    health = health or Health()
    for number, verdict in enumerate(verdicts):
        health = outage.learn(health, verdict, begin + number * every)
    return health


REACHED = after([Verdict.STARTED])
OUT = after([Verdict.IN_DOUBT] * 30)


@pytest.mark.parametrize("verdict", [Verdict.UNSENT, Verdict.IN_DOUBT])
def test_thirty_failures_in_a_row_are_an_outage_since_the_first_of_them(verdict):
    assert after([verdict] * 29, REACHED).out_since is None
    assert after([verdict] * 30, REACHED).out_since == 100.0


@pytest.mark.parametrize("verdict", sorted(set(Verdict) - outage.FAILURES, key=str))
def test_any_verdict_that_shows_the_service_ends_the_row_of_failures(verdict):
    health = after([*[Verdict.IN_DOUBT] * 29, verdict, *[Verdict.IN_DOUBT] * 29])
    assert (health.out_since, health.failures, health.failing_since) == (None, 29, 103.0)


@pytest.mark.parametrize("verdict", sorted(set(Verdict) - outage.FAILURES, key=str))
def test_the_first_answer_ends_an_outage(verdict):
    assert outage.learn(OUT, verdict, 200.0) == Health(is_reached=True)


def test_while_an_outage_lasts_one_probe_a_second_is_sent():
    # the thirtieth failure came at 102.9
    assert [outage.wait(OUT, now) for now in (102.9, 103.4, 103.9)] == pytest.approx([1.0, 0.5, 0.0])
    probing = outage.probed(OUT, 103.95)
    assert [outage.wait(probing, now) for now in (103.95, 104.95)] == pytest.approx([1.0, 0.0])


def test_a_failed_probe_changes_neither_the_outage_nor_the_next_probes_time():
    probing = outage.probed(OUT, 104.0)
    failed = outage.learn(probing, Verdict.UNSENT, 104.2)
    assert (failed.out_since, failed.probe_at) == (100.0, 105.0)


def test_where_there_is_no_outage_nobody_waits_and_nothing_is_a_probe():
    assert outage.wait(REACHED, 100.0) == 0.0
    assert outage.probed(REACHED, 100.0) is REACHED


def test_a_healthy_service_costs_no_new_value():
    assert outage.learn(REACHED, Verdict.STARTED, 200.0) is REACHED


def test_a_service_that_was_never_reached_is_no_outage_and_is_given_up_after_eight_seconds():
    health = after([Verdict.UNSENT] * 100)
    assert (health.is_reached, health.out_since, outage.wait(health, 105.0)) == (False, None, 0.0)
    assert [outage.is_never_reached(health, now) for now in (107.9, 108.0)] == [False, True]


def test_a_service_that_was_reached_once_is_not_given_up():
    assert not outage.is_never_reached(after([Verdict.IN_DOUBT, *[Verdict.UNSENT] * 500]), 1000.0)
    assert not outage.is_never_reached(Health(), 1000.0)


def test_an_outage_that_begins_after_lost_answers_counts_the_failed_connections_before_them():
    assert after([*[Verdict.UNSENT] * 29, Verdict.IN_DOUBT]).out_since == 100.0


@pytest.mark.parametrize("seed", range(10))
def test_a_brown_out_in_which_half_of_the_answers_fail_is_no_outage(seed):
    draw = random.Random(seed).random
    health = Health()
    for number in range(10_000):
        health = outage.learn(health, Verdict.IN_DOUBT if draw() < 0.5 else Verdict.STARTED, number * 0.01)
        assert health.out_since is None


def test_the_beginning_and_the_end_of_an_outage_are_events():
    last = after([Verdict.IN_DOUBT] * 29)
    assert outage.change(last, OUT, 102.9) == Event(102.9, Kind.OUTAGE, 0, 0, "30 attempts have failed in a row")
    assert outage.change(OUT, REACHED, 193.4) == Event(
        193.4, Kind.RECOVERED, pytest.approx(93.4), 0, "the service answers again"
    )
    assert [outage.change(REACHED, last, 1.0), outage.change(OUT, OUT, 1.0)] == [None, None]
