"""Leases of one rate: on a virtual clock, whatever workers do, die and come back, the sum of what is usable holds."""

from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batcher.app.leases import ABANDONED, Grantor, Lessee, Told
from batcher.errors import ExitCode
from batcher.flow.drain import Drain
from batcher.model import Answer, Verdict
from batcher.rules.progress.answered import BUCKETS, Answered, document
from batcher.rules.rate.leases import EVERY, MARGIN, VALID, Asked, Leases, shares
from batcher.rules.rate.pool import Pool
from batcher.rules.rate.throttle import Throttle
from batcher.rules.shards.figures import attempts_of

RATES = st.floats(0.01, 10_000)
DEMANDS = st.one_of(st.just(inf), st.floats(0, 10_000))


class Worker:
    """A worker that counts the validity of its grant from before it asked, and may be slow to hear the answer."""

    def __init__(self, name):
        self.name, self.held, self.rate, self.until = name, 0, 0.0, 0.0

    def ask(self, leases, now, demand, *, is_heard=True):
        grant = leases.ask(Asked(self.name, self.held, demand, 0.0, None), now)
        if is_heard:
            self.held, self.rate, self.until = grant.number, grant.rate, now + VALID

    def usable(self, now):
        return self.rate if now < self.until else 0.0


STEPS = st.lists(
    st.tuples(st.integers(0, 5), DEMANDS, st.booleans(), st.floats(0, 1.5), st.sampled_from(["ask", "die", "leave"])),
    max_size=120,
)


@given(RATES, STEPS)
@settings(max_examples=150, deadline=None)
def test_the_workers_can_never_use_more_than_the_rate_however_they_ask_die_and_lose_answers(most, steps):
    leases, now, workers, dead, born = Leases(most), 0.0, {}, [], 0
    for number, demand, is_heard, seconds, deed in steps:
        now += seconds
        if number not in workers:
            born += 1
            workers[number] = Worker(f"{number}-{born}")
        worker = workers[number]
        if deed == "die":
            # Killed, or stopped: it may wake up and use what it holds until the lease ends.
            dead.append(workers.pop(number))
        elif deed == "leave":
            leases.left(worker.name)
            del workers[number]
        else:
            worker.ask(leases, now, demand, is_heard=is_heard)
        assert sum(each.usable(now) for each in [*workers.values(), *dead]) <= most * (1 + 1e-9)
        assert leases.usable(now) <= most * (1 + 1e-9)


def live(leases, workers, now, seconds, demand=inf):
    """Let the workers ask for some seconds."""
    end = now + seconds
    while now < end:
        for each in workers:
            each.ask(leases, now, demand)
        now += EVERY
    return now


@given(RATES, st.integers(2, 40), st.data())
@settings(max_examples=60, deadline=None)
def test_within_ten_seconds_of_deaths_the_others_have_the_whole_rate_again_in_equal_parts(most, count, data):
    leases, workers = Leases(most), [Worker(str(number)) for number in range(count)]
    now = live(leases, workers, 0.0, 4)
    assert [each.rate for each in workers] == pytest.approx([most / count] * count)
    left = workers[: data.draw(st.integers(1, count - 1))]
    now = live(leases, left, now, 10 - EVERY)
    assert sum(each.usable(now - EVERY) for each in left) == pytest.approx(most)
    assert [each.rate for each in left] == pytest.approx([most / len(left)] * len(left))
    # Those of the dead were not used before their leases had ended.
    assert VALID + MARGIN + 2 * EVERY < 10 - EVERY


@given(st.floats(0.1, 1e6), st.dictionaries(st.text(max_size=3), DEMANDS, min_size=1, max_size=12))
def test_no_worker_gets_more_than_it_demands_while_another_lacks_and_all_is_divided(whole, demands):
    found = shares(whole, demands)
    assert sum(found.values()) == pytest.approx(whole)
    lacking = [found[name] for name, demand in demands.items() if found[name] < demand]
    if lacking:
        # Who lacks has at least as much as anyone who has more than it demands, and as all others that lack.
        assert max(lacking) == pytest.approx(min(lacking)) or sum(demands.values()) <= whole
        assert max(found.values()) <= max(lacking) * (1 + 1e-9) or sum(demands.values()) <= whole


def test_a_rate_that_is_lowered_stops_no_worker_and_holds_after_one_exchange():
    leases, workers = Leases(100.0), [Worker("a"), Worker("b")]
    now = live(leases, workers, 0.0, 4)
    leases.most = 50.0
    for each in workers:
        each.ask(leases, now, inf)
    assert [each.rate for each in workers] == [25.0, 25.0]


def test_an_idle_worker_leaves_its_part_to_the_busy_ones_and_gets_it_back():
    leases, busy, idle = Leases(100.0), Worker("busy"), Worker("idle")
    now = live(leases, [busy, idle], 0.0, 4)
    for _ in range(4):
        busy.ask(leases, now, inf)
        idle.ask(leases, now, 10.0)
        now += EVERY
    assert (busy.rate, idle.rate) == pytest.approx((90.0, 10.0))
    live(leases, [busy, idle], now, 3)
    assert (busy.rate, idle.rate) == pytest.approx((50.0, 50.0))


def asked(leases, name, now, limit, used=0.0):
    return leases.ask(Asked(name, 0, inf, used, limit), now).limit


def test_a_limit_that_some_workers_find_is_that_of_all_and_what_a_dead_one_leaves_is_passed_on():
    leases = Leases()
    for now in (0.0, 0.5):
        assert asked(leases, "a", now, None, used=50.0) is None
        assert asked(leases, "b", now, None, used=50.0) is None
    # One finds 50 while the other is served 50: the limit is 100, and the other need not be refused to know.
    assert asked(leases, "a", 1.0, 50.0, used=50.0) is None
    assert asked(leases, "b", 1.0, None, used=50.0) == 50.0
    assert asked(leases, "b", 1.5, 50.0) is None
    # Dead, after its lease: the other takes over what it had.
    assert asked(leases, "b", 2.0 + VALID + MARGIN, 50.0) == 100.0
    assert asked(leases, "b", 6.0, 100.0) is None
    # A new one has half of it at once, and the other gives it.
    assert asked(leases, "c", 6.5, None) == 50.0
    assert asked(leases, "b", 6.5, 100.0) == 50.0
    # What it finds by itself is its own.
    assert asked(leases, "b", 7.0, 70.0) is None


def test_what_one_has_found_is_kept_for_its_successor_and_not_counted_twice():
    leases = Leases()
    assert asked(leases, "a", 0.0, 80.0) is None
    leases.left("a")
    assert asked(leases, "b", 0.5, 80.0) is None
    pool = Pool()
    pool.learn("a", None, 9.0)
    assert pool.limit is None
    pool.learn("a", 40.0, 9.0)
    pool.learn("a", None, 9.0)
    assert pool.limit is None


def test_a_throttle_takes_the_limit_that_others_have_found_at_once_and_looks_for_its_own_from_there():
    throttle = Throttle()
    event = throttle.take(1.0, 400.0, "found by others")
    assert (throttle.limit, event.cause) == (400.0, "found by others")
    assert 200.0 < throttle.pace.rate <= 400.0


def figures_of(**more):
    return {"requests": 5, "retries": 1, "taken": 4, "slowed": {"disk": 1.0}, "started": 9, "answered": None, **more}


def test_what_the_dead_workers_of_a_shard_have_counted_is_kept_beside_what_the_latest_shows():
    counts = Answered()
    counts.add(Verdict.STARTED, Answer(status=200), 0.3)
    told, grantor = Told(inf, is_paused=False, is_draining=False), Grantor(lambda: 0.0)
    asked = {"shard": 1, "is_over": False, "held": 0, "demand": None, "used": 0.0, "limit": None}
    for worker, started in (("dead", 9), ("alive", 11), ("alive", 12)):
        figures = figures_of(started=started, answered=document(counts))
        grantor.answer({**asked, "worker": worker, "figures": figures}, told)
    found = grantor.latest[1]
    assert (found["requests"], found["retries"], found["taken"], found["started"]) == (10, 2, 8, 12)
    assert found["slowed"] == {"disk": 2.0}
    both = attempts_of([found, figures_of()])
    assert (both.kinds, both.buckets[BUCKETS.index(0.5)], both.seconds) == ({("started", "200"): 2}, 2, 0.6)


async def test_a_worker_that_waits_for_another_process_ends_when_the_command_that_started_it_is_gone():
    said, drain, gone = [], Drain(), []

    async def asking(_question):
        raise AssertionError

    lessee = Lessee("0-1", 0, asking, lambda: bool(gone), said.append)
    async with lessee.keeping(drain):
        # No attempt at the shard has begun: there is no monitor to attend.
        gone.append(True)
        await drain.sleep(30)
    assert (drain.reason, said) == (ExitCode.STOPPED, [ABANDONED])
