"""The limit that is reported, by hand and against simulated services: only one that refusals show."""

import pytest
from simulated_limits import Bucket, Flying, Run, Unlimited, by_chance

from batcher.rules.rate.found import FoundLimit, Look


def looks(found, *spans, begin=0.0, limit=None, chance=0.0):
    """Let `seconds` pass at these rates of starts and refusals; give the limit after each span."""
    at, started, refused, limits = begin, 0.0, 0.0, []
    for seconds, starts, refusals in spans:
        for _ in range(round(seconds * 5)):
            at, started, refused = at + 0.2, started + starts / 5, refused + refusals / 5
            found.look(Look(at, round(started), round(refused)), limit, chance)
        limits.append(found.limit)
    return limits


def test_a_limit_that_the_throttle_only_guesses_is_not_reported():
    assert looks(FoundLimit(), (5, 100, 0), limit=170.0) == [None]
    assert looks(FoundLimit(), (5, 100, 0.4), limit=170.0) == [None]


def test_a_limit_is_found_when_refusals_are_too_many_to_be_chance():
    assert looks(FoundLimit(), (2, 100, 2), limit=90.0) == [None]
    assert looks(FoundLimit(), (2, 100, 15), limit=90.0) == [90.0]
    assert looks(FoundLimit(), (2, 100, 15), limit=90.0, chance=0.1) == [None]


def test_a_limit_that_stays_in_use_or_is_named_or_kept_needs_no_more_evidence():
    assert looks(FoundLimit(), (19, 100, 0), (2, 100, 0), limit=170.0) == [None, 170.0]
    # nothing near it was ever sent
    assert looks(FoundLimit(), (60, 100, 2), limit=700.0) == [None]
    assert looks(FoundLimit(170.0), (1, 100, 0), limit=170.0) == [170.0]
    named = FoundLimit()
    named.look(Look(0.0, 0, 0), 170.0, 0.0, is_named=True)
    assert named.limit == 170.0


def test_where_the_throttle_finds_chance_no_limit_is_left():
    found = FoundLimit()
    looks(found, (3, 100, 15), limit=90.0)
    assert found.limit == 90.0
    assert looks(found, (1, 100, 15), begin=3.0) == [None]


def test_it_is_not_below_what_was_sustained_until_refusals_show_that_the_limit_has_fallen():
    found = FoundLimit(500.0)
    assert looks(found, (12, 500, 5), (12, 170, 2), limit=170.0) == [pytest.approx(500, abs=1)] * 2
    # as many are refused as before, so that nothing has changed
    assert looks(found, (60, 170, 1.7), begin=24.0, limit=170.0) == [pytest.approx(500, abs=1)]


@pytest.mark.parametrize(("rate", "seconds"), [(125, 3), (250, 4), (400, 12)])
def test_it_falls_with_the_limit_within_seconds(rate, seconds):
    found = FoundLimit(500.0)
    spans = ((12, 500, 1), (seconds, rate, rate / 10))
    assert looks(found, *spans, limit=rate) == [pytest.approx(500, abs=1), pytest.approx(rate, rel=0.02)]


def test_time_in_which_a_person_lowers_or_pauses_the_job_shows_no_fall():
    found = FoundLimit(500.0)
    assert looks(found, (12, 500, 1), (30, 50, 0), (30, 0, 0), limit=500.0) == [pytest.approx(500, abs=1)] * 3


SERVICES = {
    "500 a second": (500, lambda seed: Run(Bucket(500, 0.1), 0.02, seed, 60.0)),
    "500 a second, saving one": (500, lambda seed: Run(Bucket(500, 1.0), 0.02, seed, 60.0)),
    "5 a second": (5, lambda seed: Run(Bucket(5, 0.1), 0.05, seed, 60.0)),
    "500 a second, and 2 % at random": (
        500, lambda seed: Run(Bucket(500, 1.0), 0.02, seed, 60.0, fate=by_chance(0.02))
    ),
    "500 a second, and from the 30th second on 125": (
        125, lambda seed: Run(Bucket(500, 0.1), 0.02, seed, 60.0, changes=[(30.0, 125)])
    ),
    "125 a second, and from the 30th second on 500": (
        500, lambda seed: Run(Bucket(125, 0.1), 0.02, seed, 60.0, changes=[(30.0, 500)])
    ),
}  # fmt: skip


@pytest.mark.long(small=1 / 7, ci=1 / 2)
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", SERVICES)
def test_the_limit_of_a_service_is_found_and_no_other(name, seed):
    limit, run = SERVICES[name]
    found = run(seed).found.limit
    if "at random" in name:
        # Where refusals are chance too, the estimate is rougher, and in some runs no limit is found.
        assert found is None or found == pytest.approx(limit, rel=0.25)
    else:
        assert found == pytest.approx(limit, rel=0.12)


@pytest.mark.long(small=1 / 4, ci=1 / 2)
@pytest.mark.parametrize("seed", range(4))
def test_a_limit_of_the_requests_in_flight_is_found_as_that(seed):
    run = Run(Flying(30), 0.1, seed, 60.0, workers=512)
    assert run.flight.at_once == pytest.approx(30, abs=3)


@pytest.mark.long(small=1 / 12, ci=1 / 2)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("chance", [0.0, 0.01, 0.02, 0.05])
def test_where_all_refusals_are_chance_no_limit_is_found_that_the_service_exceeds(chance, seed):
    run = Run(Unlimited(), 0.02, seed, 60.0, fate=by_chance(chance))
    assert run.found.limit is None or run.found.limit >= max(
        run.per_second(run.started, end - 10, end) for end in range(20, 60)
    )
