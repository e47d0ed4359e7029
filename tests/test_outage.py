"""When the service counts as away."""

import random

import pytest

from batcher.model import Verdict
from batcher.rules.rate import outage
from batcher.rules.rate.decisions import Event, Kind
from batcher.rules.rate.outage import Health


def after(verdicts, health=None, begin=100.0, every=0.1):
    """Learn from verdicts, one each `every` seconds from `begin` on."""
    health = health or Health()
    for number, verdict in enumerate(verdicts):
        health = outage.learn(health, verdict, begin + number * every)
    return health


WELL = after([Verdict.STARTED])
OUT = after([Verdict.IN_DOUBT] * 30)


@pytest.mark.parametrize("verdict", [Verdict.UNSENT, Verdict.IN_DOUBT])
def test_thirty_failures_in_a_row_are_an_outage_since_the_first_of_them(verdict):
    assert after([verdict] * 29, WELL).out_since is None
    assert after([verdict] * 30, WELL).out_since == 100.0


@pytest.mark.parametrize("verdict", sorted(set(Verdict) - outage.FAILURES, key=str))
def test_any_verdict_that_shows_the_service_ends_the_row_of_failures(verdict):
    health = after([*[Verdict.IN_DOUBT] * 29, verdict, *[Verdict.IN_DOUBT] * 29])
    assert (health.out_since, health.failures, health.failing_since) == (None, 29, 103.0)


@pytest.mark.parametrize("verdict", sorted(set(Verdict) - outage.FAILURES, key=str))
def test_the_first_answer_ends_an_outage(verdict):
    assert outage.learn(OUT, verdict, 200.0) == Health()


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
    assert outage.wait(WELL, 100.0) == 0.0
    assert outage.probed(WELL, 100.0) is WELL


def test_a_healthy_service_costs_no_new_value():
    assert outage.learn(WELL, Verdict.STARTED, 200.0) is WELL


@pytest.mark.parametrize("seed", range(10))
def test_a_brown_out_in_which_half_of_the_answers_fail_is_no_outage(seed):
    draw = random.Random(seed).random
    health = Health()
    for number in range(10_000):
        health = outage.learn(health, Verdict.IN_DOUBT if draw() < 0.5 else Verdict.STARTED, number * 0.01)
        assert health.out_since is None


def test_the_beginning_and_the_end_of_an_outage_are_events():
    last = after([Verdict.IN_DOUBT] * 29)
    assert outage.change(last, OUT, 102.9, "HTTP 500") == Event(
        102.9,
        Kind.OUTAGE,
        0,
        0,
        "30 attempts failed in a row, the last with HTTP 500; now sending one probe per second",
    )
    assert outage.change(OUT, WELL, 193.4, "") == Event(
        193.4, Kind.RECOVERED, pytest.approx(93.4), 0, "the service answers again"
    )
    assert [outage.change(WELL, last, 1.0, "HTTP 500"), outage.change(OUT, OUT, 1.0, "HTTP 500")] == [None, None]
