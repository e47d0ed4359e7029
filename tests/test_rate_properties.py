"""What holds of the rate whatever a service answers: examples are drawn by Hypothesis, on virtual time."""

from bisect import bisect_left
from math import inf
from random import Random

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from simulated_cells import HALVED
from simulated_limits import Bucket, Run, Unlimited, by_chance

from batcher.rules.rate.throttle import Throttle

FEW = settings(
    max_examples=settings.default.max_examples // 25,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
"""Each example is a whole run, and too slow to look for a smaller one."""
WORKERS, SEEDS = st.integers(1, 64), st.integers(0, 2**32)

CAPS = st.sampled_from([0.2, 5.0, 80.0, 1000.0, inf])
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["turn", "started", "refused", "told", "named", "failed", "hold", "restart", "cap"]),
        st.floats(0, 3),
        st.integers(1, 50),
        CAPS,
    ),
    max_size=60,
)


def do(throttle, what, now, pause, cap):
    """Let one thing happen."""
    match what:
        case "turn":
            throttle.pace.turn(now)
        case "started":
            throttle.started(now, now - pause)
        case "refused" | "told":
            throttle.refused(now, now - 0.1, throttle.pace.rate, "429", is_told=what == "told")
        case "named":
            throttle.refused(now, now - 0.1, throttle.pace.rate, "429", named=1 + 100 * pause)
        case "failed":
            throttle.failed(now, "HTTP 500")
        case "hold":
            throttle.hold(now, pause, "Retry-After")
        case "restart":
            throttle.restart(now, "the service answers again")
        case "cap":
            throttle.cap(now, cap)


@settings(deadline=None, derandomize=True)
@given(CAPS, st.none() | st.floats(0.01, 1e6), STEPS)
def test_whatever_happens_the_rate_is_never_above_the_cap_of_that_moment(most, limit, steps):
    throttle, now = Throttle(most, limit=limit), 100.0
    for what, pause, times, cap in steps:
        now += pause
        most = cap if what == "cap" else most
        for _ in range(times):
            do(throttle, what, now, pause, cap)
            assert throttle.pace.rate <= most


@FEW
@given(st.sampled_from([3.0, 20.0, 100.0]), WORKERS, st.floats(0.0, 0.1), SEEDS)
def test_no_second_has_more_attempts_than_the_cap(cap, workers, chance, seed):
    run = Run(Bucket(50.0, 1.0), 0.02, seed, 30.0, workers=workers, fate=by_chance(chance), caps=[(15.0, cap)])
    for begin in range(15, 29):
        assert run.per_second(run.sent, begin, begin + 1) <= cap + 1


@FEW
@given(
    st.integers(1, 64), st.floats(0.005, 0.3), st.floats(0, 0.05), st.none() | st.floats(1, 1000), st.integers(0, 2**32)
)
def test_with_every_answer_a_start_and_no_command_the_rate_never_falls(workers, latency, late, known, seed):
    until = min(20.0, 10_000 * latency / workers)
    run = Run(Unlimited(), latency, seed, until, workers=workers, late=late, throttle=Throttle(limit=known))
    assert run.rates == sorted(run.rates)


def longest_below(run, level, begin, end):
    """Return for how many seconds in a row less than `level` was started in each of them."""
    longest = seconds = 0
    for second in range(begin, end):
        seconds = seconds + 1 if bisect_left(run.started, second + 1) - bisect_left(run.started, second) < level else 0
        longest = max(longest, seconds)
    return longest


def halved(draw):
    """Play a run that is refused at random; return what was drawn if the rate was halved for more than ten seconds."""
    workers, latency, chance = draw.randint(1, 64), draw.uniform(0.01, 0.3), draw.uniform(0, 0.1)
    seed, until = draw.randrange(2**32), int(min(60.0, 30 + 40_000 * latency / workers))
    run = Run(Unlimited(), latency, seed, until, workers=workers, fate=by_chance(chance))
    # what is refused occupies its worker a little longer
    level = 0.5 * 0.9 * (1 - chance) * workers / latency
    return (workers, latency, chance, seed) if longest_below(run, level, 10, until) > 10 else None


def test_refusals_that_do_not_depend_on_the_rate_halve_it_for_ten_seconds_at_most_but_in_few_runs():
    draw, runs = Random(1), FEW.max_examples
    misses = [each for each in (halved(draw) for _ in range(runs)) if each]
    assert len(misses) <= HALVED * runs, misses
