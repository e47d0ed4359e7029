"""The rules of overload control against simulated services: what they reach, in seconds of virtual time."""

from functools import cache, partial
from math import inf

import pytest
from simulated_limits import Bucket, Flying, Run, Running, Unlimited, Windows, by_chance

from batcher.model import Verdict
from batcher.rules.rate.decisions import Kind
from batcher.rules.rate.throttle import Throttle

KINDS = {
    "a second's burst": partial(Bucket, seconds=1.0),
    "a small burst": partial(Bucket, seconds=0.1),
    "windows": Windows,
}
BUCKETS = ("a second's burst", "a small burst")

SERVICES = [
    *((5, latency, 400.0, range(3)) for latency in (0.005, 0.05, 0.3)),
    *((50, latency, 200.0, range(2)) for latency in (0.005, 0.05, 0.3)),
    (500, 0.005, 60.0, range(1)),
    (500, 0.05, 60.0, range(1)),
    (2000, 0.005, 60.0, range(1)),
]
"""Limits that 64 workers can reach: starts a second, an answer's seconds, a run's seconds, seeds."""

CHANGING = [(50, 0.005, range(2)), (50, 0.05, range(1)), (50, 0.3, range(2)), (500, 0.05, range(1))]


@cache
def steady(kind, limit, latency, until, seed):
    return Run(KINDS[kind](limit), latency, seed, until)


def runs(kinds):
    """Name every run of these kinds of limit once."""
    return [
        pytest.param(kind, limit, latency, until, seed, id=f"{kind}, {limit} a second, {latency} s, seed {seed}")
        for kind in kinds
        for limit, latency, until, seeds in SERVICES
        for seed in seeds
    ]


@pytest.mark.long(small=1 / 8, ci=1 / 2)
@pytest.mark.parametrize(("kind", "limit", "latency", "until", "seed"), runs(KINDS))
def test_within_twenty_seconds_and_from_then_on_the_limit_is_used(kind, limit, latency, until, seed):
    run = steady(kind, limit, latency, until, seed)
    assert run.per_second(run.started, 20, until) >= 0.95 * limit
    # of the hundred starts that twenty seconds are at 5 a second, one is a hundredth
    least = 0.95 if limit > 5 else 0.92
    slowest = min(run.per_second(run.started, begin, begin + 20) for begin in range(20, int(until) - 19, 5))
    # 0.92 * 5 is a little more than 4.6 in floating point
    assert slowest >= round(least * limit, 6)


@pytest.mark.long(small=1 / 8, ci=1 / 2)
@pytest.mark.parametrize(("kind", "limit", "latency", "until", "seed"), runs(BUCKETS))
def test_in_the_long_run_two_in_a_hundred_attempts_are_refused_at_the_most(kind, limit, latency, until, seed):
    assert steady(kind, limit, latency, until, seed).refused_share(20, until) <= 0.02


@pytest.mark.long(small=1 / 8, ci=1 / 2)
@pytest.mark.parametrize(("kind", "limit", "latency", "until", "seed"), runs(["windows"]))
def test_a_limit_that_is_counted_by_the_second_refuses_few_in_a_hundred(kind, limit, latency, until, seed):
    assert steady(kind, limit, latency, until, seed).refused_share(20, until) <= 0.035


@pytest.mark.long(small=1 / 8, ci=1 / 2)
@pytest.mark.parametrize(("kind", "limit", "latency", "until", "seed"), runs(KINDS))
def test_a_job_of_a_minute_sends_few_requests_for_each_start(kind, limit, latency, until, seed):
    run = steady(kind, limit, latency, until, seed)
    # What the slow start costs is soon nothing, but at 5 a second a minute is 300 starts, and 0.3 s a refusal late.
    most = {(5, 0.3): 1.09, (5, 0.05): 1.06, (5, 0.005): 1.06}.get((limit, latency), 1.05)
    most += 0.0 if kind in BUCKETS else 0.025
    assert run.per_second(run.sent, 0, 60) <= most * run.per_second(run.started, 0, 60)
    if limit == 5:
        assert len(run.sent) <= 1.05 * len(run.started)


@pytest.mark.long(small=1 / 6, ci=1 / 2)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("limit", "latency", "seeds"), CHANGING)
def test_a_limit_that_falls_to_a_quarter_and_rises_fourfold_is_followed(kind, limit, latency, seeds):
    for seed in seeds:
        changes = [(40.0, limit / 4), (80.0, limit)]
        run = Run(KINDS[kind](limit), latency, seed, 120.0, changes=changes)
        assert min(rate for at, rate in zip(run.sent, run.rates, strict=True) if 40 < at < 45) < limit / 4
        assert run.per_second(run.sent, 45, 60) <= 1.03 * limit / 4
        assert run.per_second(run.started, 60, 80) >= 0.92 * limit / 4
        assert max(run.per_second(run.started, begin / 2, begin / 2 + 2) for begin in range(160, 197)) >= 0.9 * limit
        assert run.per_second(run.started, 100, 120) >= 0.93 * limit


@pytest.mark.parametrize("burst", [1.0, 0.1])
def test_at_five_a_second_a_fall_to_a_quarter_is_followed_within_seven_seconds(burst):
    for seed in range(5):
        run = Run(Bucket(5, burst), 0.05, seed, 80.0, changes=[(40.0, 1.25)])
        # a refusal tells it, and at 1.25 a second those take their time
        assert min(rate for at, rate in zip(run.sent, run.rates, strict=True) if 40 < at < 47) < 1.25
        assert run.per_second(run.started, 50, 80) >= 0.6 * 1.25


@pytest.mark.long(small=0, ci=1 / 2)
@pytest.mark.parametrize("latency", [0.005, 0.05])
def test_where_nothing_is_refused_ten_thousand_a_second_are_reached_within_two_seconds(latency):
    run = Run(Unlimited(), latency, 0, 2.0, workers=10_000)
    assert max(run.rates) >= 10_000
    # and without a burst: no tenth of a second has more than its last rate allows
    for tenth in range(20):
        rates = [rate for at, rate in zip(run.sent, run.rates, strict=True) if tenth <= at * 10 < tenth + 1]
        assert len(rates) <= 0.1 * max(rates, default=0) + 1


def test_a_slow_start_is_no_faster_than_the_answers_that_it_learns_from():
    run = Run(Unlimited(), 0.3, 0, 4.0, workers=10_000)
    assert 2.8 <= next(at for at, rate in zip(run.sent, run.rates, strict=True) if rate >= 10_000) <= 3.6


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("latency", [0.003, 0.03, 0.1])
def test_few_workers_are_kept_busy_too(workers, latency):
    run = Run(Unlimited(), latency, 0, 20.0, workers=workers)
    assert run.per_second(run.started, 10, 20) >= 0.9 * workers / latency


@pytest.mark.parametrize(("limit", "latency"), [(2000, 0.3), (500, 0.3), (2000, 0.05)])
def test_where_the_workers_are_too_few_for_the_limit_they_are_kept_busy(limit, latency):
    run = Run(Bucket(limit, 1.0), latency, 0, 30.0)
    assert run.per_second(run.started, 10, 30) >= 0.95 * 64 / latency / 1.01
    assert run.throttle.limit is None


@pytest.mark.long(small=1 / 3, ci=1 / 2)
@pytest.mark.parametrize(("limit", "burst"), [(50, 1.0), (50, 0.1), (500, 0.1)])
def test_when_another_user_takes_half_of_the_limit_the_other_half_is_used_and_then_the_whole(limit, burst):
    run = Run(Bucket(limit, burst), 0.05, 0, 150.0, rival=(limit / 2, 40.0, 90.0))
    assert run.per_second(run.started, 60, 90) >= 0.95 * limit / 2
    assert run.per_second(run.started, 110, 150) >= 0.95 * limit
    assert len(run.sent) <= 1.05 * len(run.started)


@pytest.mark.long(small=1 / 6, ci=1 / 2)
@pytest.mark.parametrize(("seconds", "part"), [(1.0, 0.8), (5.0, 0.5)])
@pytest.mark.parametrize("limit", [5, 50, 500])
@pytest.mark.parametrize("burst", [1.0, 0.1])
def test_where_each_refusal_holds_everybody_back_there_are_few(seconds, part, limit, burst):
    run = Run(Bucket(limit, burst), 0.05, 0, 200.0, retry_after=seconds)
    assert run.per_second(run.started, 20, 200) >= part * limit
    assert run.refused_share(20, 200) <= 0.03


@pytest.mark.long(small=1 / 3, ci=1 / 2)
@pytest.mark.parametrize(("limit", "part"), [(5, 0.9), (50, 0.8), (500, 0.98)])
def test_a_service_that_refuses_one_in_a_hundred_by_chance_is_used_nearly_to_its_limit(limit, part):
    for seed in range(2):
        run = Run(Bucket(limit, 1.0), 0.05, seed, 120.0, fate=lambda _, draw: Verdict.REFUSED if draw < 0.01 else None)
        assert run.per_second(run.started, 20, 120) >= part * limit
        assert min(run.rates[len(run.rates) // 5 :]) >= 0.5 * limit


def test_chance_refusals_find_no_limit_where_there_is_none():
    run = Run(Unlimited(), 0.05, 0, 30.0, fate=lambda _, draw: Verdict.REFUSED if draw < 0.01 else None)
    assert run.throttle.limit is None
    assert run.per_second(run.started, 10, 30) >= 0.85 * 64 / 0.05


def mixed(_, draw):
    """Refuse two in a hundred, and lose the answers of two more."""
    return Verdict.REFUSED if draw < 0.02 else Verdict.IN_DOUBT if draw < 0.04 else None


CHANCES = {
    "1 % of all": (0.01, 3136, 0.93, lambda seed: Run(Unlimited(), 0.02, seed, 50.0, fate=by_chance(0.01))),
    "2 % of all": (0.02, 3073, 0.88, lambda seed: Run(Unlimited(), 0.02, seed, 50.0, fate=by_chance(0.02))),
    "5 % of all": (0.05, 2979, 0.83, lambda seed: Run(Unlimited(), 0.02, seed, 50.0, fate=by_chance(0.05))),
    "2 % of 500": (0.02, 490, 0.90, lambda seed: Run(Bucket(500, 1.0), 0.02, seed, 50.0, fate=by_chance(0.02))),
    "2 % of 500, a small burst": (
        0.02, 490, 0.90, lambda seed: Run(Bucket(500, 0.1), 0.02, seed, 50.0, fate=by_chance(0.02))
    ),
    "5 % of 500": (0.05, 475, 0.85, lambda seed: Run(Bucket(500, 1.0), 0.02, seed, 50.0, fate=by_chance(0.05))),
    "5 % of 500, a small burst": (
        0.05, 475, 0.85, lambda seed: Run(Bucket(500, 0.1), 0.02, seed, 50.0, fate=by_chance(0.05))
    ),
    "mixed failures at 300": (0.02, 290, 0.85, lambda seed: Run(Bucket(300, 1.0), 0.02, seed, 50.0, fate=mixed)),
    "300 in flight": (0.0, 3000, 0.90, lambda seed: Run(Flying(300), 0.1, seed, 50.0, workers=512)),
    "300 in flight, refused at once": (
        0.0, 3000, 0.90, lambda seed: Run(Flying(300), 0.1, seed, 50.0, workers=512, refusal_latency=0.002)
    ),
    "20 in flight": (0.0, 200, 0.93, lambda seed: Run(Flying(20), 0.1, seed, 50.0)),
    "a time to wait with 2 %": (
        0.02, 3073, 0.85, lambda seed: Run(Unlimited(), 0.02, seed, 50.0, fate=by_chance(0.02), retry_after=1.0)
    ),
    "10 % of all": (0.1, 2822, 0.65, lambda seed: Run(Unlimited(), 0.02, seed, 50.0, fate=by_chance(0.1))),
    "500 running": (0.0, 250, 0.97, lambda seed: Run(Running(500, 2.0), 0.02, seed, 50.0)),
}  # fmt: skip
"""What is refused: the share by chance, starts a second that could be had, and the least part of them to use."""


@pytest.mark.long(small=1 / 28, ci=1 / 6)
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", CHANCES)
def test_what_is_refused_at_any_rate_lowers_no_rate_and_what_is_not_does(name, seed):
    chance, best, least, run = CHANCES[name]
    run = run(seed)
    assert run.per_second(run.started, 25, 50) >= least * best
    assert run.refused_share(25, 50) <= chance + 0.02
    assert run.per_second(run.sent, 25, 50) <= (1 / (1 - chance) + 0.05) * run.per_second(run.started, 25, 50)


def test_a_quota_of_executions_that_run_for_long_is_used_over_whole_cycles():
    for seed in range(6):
        run = Run(Running(200, 20.0), 0.02, seed, 100.0)
        assert run.per_second(run.started, 20, 100) >= 0.9 * 10
        assert run.per_second(run.sent, 20, 100) <= 1.05 * run.per_second(run.started, 20, 100)


class Commanded(Run):
    """A run to which somebody says `rate 50` after 20 s, and `rate auto` 12 s later."""

    def _decide(self, attempt, sent, latency):
        self.throttle.cap(self.now, 50.0 if 20 <= self.now < 32 else inf)
        super()._decide(attempt, sent, latency)


def test_a_rate_that_was_set_for_a_while_is_no_limit_afterwards():
    for seed in range(4):
        run = Commanded(Bucket(300, 1.0), 0.02, seed, 60.0, fate=mixed)
        assert run.per_second(run.started, 22, 32) <= 50.5
        assert run.per_second(run.started, 42, 60) >= 0.85 * 290
        assert run.refused_share(42, 60) <= 0.04


def test_where_all_refusals_are_chance_no_limit_is_reported_that_the_service_exceeds():
    run = Run(Unlimited(), 0.02, 0, 50.0, fate=by_chance(0.05))
    assert any(event and event.cause == "refused at any rate" for event in run.events)
    assert run.throttle.chance == pytest.approx(0.05, abs=0.015)
    assert run.throttle.limit is None or run.throttle.limit >= run.per_second(run.started, 40, 50)


OUTAGE = (40.0, 80.0)


@pytest.mark.parametrize("verdict", [Verdict.UNSENT, Verdict.IN_DOUBT])
@pytest.mark.parametrize(("limit", "latency"), [(50, 0.005), (50, 0.3), (500, 0.005)])
def test_an_outage_is_waited_out_with_one_probe_a_second_and_ended_by_a_ramp(verdict, limit, latency):
    begin, end = OUTAGE
    run = Run(Bucket(limit, 1.0), latency, 1, 100.0, fate=lambda now, _: verdict if begin <= now < end else None)
    former = run.per_second(run.started, begin - 15, begin)
    assert run.per_second(run.sent, begin + 5, end) <= 1.0
    assert len(run.doubts) <= 30 + 64 + 40
    assert [event.kind for event in run.events if event and event.kind is not Kind.RATE] == [
        Kind.OUTAGE,
        Kind.RECOVERED,
    ]
    back = next(at for at in run.started if at > end)
    assert back - end <= 1.5
    ramp = [run.per_second(run.started, back + second, back + second + 1) / former for second in range(15)]
    assert max(ramp[:3]) <= 0.45
    assert max(ramp[:9]) <= 1.0
    assert max(ramp) >= 0.9


def test_in_a_brown_out_the_rate_is_eased_and_the_job_finishes():
    run = Run(
        Bucket(500, 1.0), 0.05, 0, 600.0, rows=5000, fate=lambda _, draw: Verdict.IN_DOUBT if draw < 0.5 else None
    )
    assert run.ended_at is not None
    assert len(run.started) + len(run.doubts) == 5000
    assert {event.kind for event in run.events if event} == {Kind.RATE}
    assert min(run.rates) >= 5.0


def test_in_a_brown_out_retries_stay_within_their_budget_and_the_job_finishes():
    run = Run(Bucket(500, 1.0), 0.05, 0, 600.0, rows=2000, fate=lambda _, draw: Verdict.UNSENT if draw < 0.5 else None)
    assert run.ended_at is not None
    assert len(run.started) == 2000
    assert run.retries <= 100 + len(run.started) / 10 + 5 * run.ended_at


@pytest.mark.parametrize(("limit", "known"), [(500, 500.0), (500, 1500.0), (50, 50.0)])
def test_a_job_that_knows_its_limit_is_near_it_within_four_seconds(limit, known):
    run = Run(Bucket(limit, 0.1), 0.05, 0, 20.0, throttle=Throttle(limit=known))
    assert run.per_second(run.started, 4, 20) >= 0.92 * limit


def test_a_job_of_few_rows_is_not_slowed():
    run = Run(Bucket(500, 0.1), 0.05, 0, 60.0, rows=10)
    assert len(run.started) == 10
    assert run.ended_at <= 1.0


def test_a_slow_service_does_not_fill_every_worker():
    # a service of 10 a second that answers after 0.3 s needs 3 workers; the floor is 16
    run = Run(Bucket(10, 1.0), 0.3, 0, 60.0, workers=1000)
    assert run.most_in_flight <= 64
    assert run.flight.cap(run.throttle.pace.rate) == 16


def test_the_cap_is_never_exceeded():
    run = Run(Unlimited(), 0.05, 0, 20.0, throttle=Throttle(40.0))
    for begin in range(19):
        assert run.per_second(run.sent, begin, begin + 1) <= 41
    assert run.per_second(run.sent, 5, 20) >= 39
