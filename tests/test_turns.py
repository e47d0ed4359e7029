"""The turns on virtual time: who may send when, what holds everybody back, and what the answers teach."""

import asyncio

import pytest
from answered import answered
from simulated_machine import Loop

from batcher.errors import ExitCode, ServiceError
from batcher.flow.drain import Drain
from batcher.flow.turns import Turn, Turns
from batcher.model import Fault, Verdict
from batcher.rules.rate.decisions import Kind
from batcher.rules.rate.flight import FEWEST
from batcher.rules.rate.throttle import Throttle

STARTED = (Verdict.STARTED, answered(200))
SLOW_DOWN = (Verdict.REFUSED, answered(503, "SlowDown"))
FAILED = (Verdict.IN_DOUBT, answered(500, "InternalError"))
UNREACHED = (Verdict.UNSENT, answered(fault=Fault.UNREACHED, message="connection refused"))


class Scene:
    """Turns, tasks that take them, and when they got them."""

    def __init__(self, time, rate, max_outage=float("inf")):
        self.time, self.drain = time, Drain()
        self.turns = Turns(self.drain, Throttle(rate), monotonic=time, service_now=time, max_outage=max_outage)
        self.turns.throttle.pace.rate = rate
        self.got = []
        self.tasks = []

    def takers(self, count):
        self.tasks += [asyncio.ensure_future(self._take()) for _ in range(count)]

    async def _take(self):
        turn = self.turns.take_free() or await self.turns.take()
        if turn is not None:
            self.got.append(turn)
        return turn

    async def workers(self, count, answer):
        """Let workers send for good; `answer` gives each attempt's verdict and answer."""

        async def work():
            while (turn := await self._take()) is not None:
                self.turns.learn(turn, *answer(), self.time())

        self.tasks += [asyncio.ensure_future(work()) for _ in range(count)]

    def learn(self, verdict, answer, times=1):
        """Learn so often what came of the turn that was got first."""
        for _ in range(times):
            self.turns.learn(self.got.pop(0), verdict, answer, self.time())

    async def end(self):
        """Drain, and give what everybody has got."""
        self.drain.begin(ExitCode.STOPPED)
        return await asyncio.gather(*self.tasks)


def played(scene):
    """Play a scene whose sleep costs nothing, and give what it gives."""
    loop = Loop(None)
    try:
        return loop.run_until_complete(scene(loop.time))
    finally:
        loop.close()


@pytest.mark.parametrize(
    ("throttle", "early"),
    [
        (Throttle(), 10),
        (Throttle(max_rate=2000.0), 10),
        (Throttle(max_rate=1000.0), 2),
        (Throttle(limit=1000.0), 2),
    ],
)
def test_a_turn_is_used_10_ms_early_while_no_limit_is_known_and_2_ms_early_then(throttle, early):
    throttle.pace.rate = 1000.0
    turns = Turns(Drain(), throttle, monotonic=lambda: 5.0, service_now=lambda: 0.0)
    taken = 0
    while turns.take_free():
        taken += 1
    assert (taken, turns.given, turns.flying) == (1 + early,) * 3


def test_however_many_wait_no_more_than_the_flights_cap_are_let_in():
    async def scene(time):
        scene = Scene(time, 1000.0)
        scene.takers(200)
        await asyncio.sleep(10)
        counts = [len(scene.got)]
        for back in (1, 5):
            scene.learn(*UNREACHED, times=back)
            await asyncio.sleep(10)
            counts.append(len(scene.got))
        scene.learn(*UNREACHED)
        await scene.end()
        return counts

    assert played(scene) == [FEWEST] * 3


def test_a_rate_that_rises_lets_in_as_many_more_as_it_makes_room_for():
    async def scene(time):
        scene = Scene(time, 1000.0)
        scene.turns.flight.p95 = 0.1
        scene.turns.throttle.pace.rate = 100.0
        scene.takers(200)
        await asyncio.sleep(10)
        before = scene.turns.given
        scene.turns.throttle.pace.rate = 1000.0
        scene.learn(*UNREACHED)
        await asyncio.sleep(10)
        after = len(scene.got)
        scene.learn(*UNREACHED)
        await scene.end()
        return before, after

    # 1.5 times the rate times the latency
    assert played(scene) == (FEWEST, 150)


@pytest.mark.parametrize(
    ("verdict", "answer"),
    [
        STARTED,
        SLOW_DOWN,
        FAILED,
        UNREACHED,
        (Verdict.REJECTED, answered(404, "SYS.0015")),
        (Verdict.FATAL, answered(401)),
        (Verdict.REFUSED, answered(429, retry_after="7")),
    ],
)
def test_whatever_an_answer_teaches_it_gives_back_one_turn(verdict, answer):
    async def scene(time):
        scene = Scene(time, 1000.0)
        scene.takers(3)
        await asyncio.gather(*scene.tasks)
        scene.learn(verdict, answer)
        return scene.turns.given

    assert played(scene) == 2


def test_after_a_pause_what_has_waited_does_not_leave_all_at_once():
    async def scene(time):
        scene = Scene(time, 10.0)
        await scene.workers(64, lambda: STARTED)
        await asyncio.sleep(5.05)
        scene.turns.is_paused = True
        before = len(scene.got)
        await asyncio.sleep(60)
        paused = len(scene.got) - before
        scene.turns.is_paused = False
        await asyncio.sleep(1.5)
        await scene.end()
        return before, paused, len(scene.got) - before

    # whoever waits looks up twice a second, and then turns come a tenth of a second apart
    before, paused, after = played(scene)
    assert (before, paused) == (51, 0)
    assert 10 <= after <= 16


def test_in_an_outage_one_probe_a_second_is_sent_and_at_its_end_nobody_bursts_out():
    is_back = False

    async def scene(time):
        nonlocal is_back
        scene = Scene(time, 100.0)
        await scene.workers(64, lambda: STARTED if is_back else UNREACHED)
        await asyncio.sleep(1)
        begun = len(scene.got)
        await asyncio.sleep(60)
        probes = len(scene.got) - begun
        is_back, then = True, time()
        await asyncio.sleep(4)
        await scene.end()
        after = [turn.at - then for turn in scene.got if turn.at > then]
        return begun, probes, after

    begun, probes, after = played(scene)
    assert begun == 30
    assert 58 <= probes <= 60
    assert after[0] <= 1.0
    # from the rate of a tenth, not from where everybody stood
    assert sum(at <= after[0] + 1.0 for at in after) <= 20
    assert len(after) > 30


@pytest.mark.parametrize("is_paused", [True, False])
def test_a_drain_frees_everybody_who_waits_for_room_for_a_turn_or_for_the_end_of_a_pause(is_paused):
    async def scene(time):
        scene = Scene(time, 1.0)
        scene.turns.is_paused = is_paused
        scene.takers(100)
        await asyncio.sleep(0.1)
        turns = await scene.end()
        scene.learn(*STARTED, times=len(scene.got))
        return [turn for turn in turns if turn is not None], time(), scene.turns.given

    turns, at, given = played(scene)
    assert turns == ([] if is_paused else [Turn(0.0, 1.0, 1)])
    assert at <= 1.0
    assert given == 0


def test_whoever_is_cancelled_while_waiting_takes_no_room_away():
    async def scene(time):
        scene = Scene(time, 1000.0)
        scene.takers(FEWEST + 3)
        await asyncio.sleep(1)
        waiting = [task for task in scene.tasks if not task.done()]
        waiting[0].cancel()
        # the second is let in, and cancelled before it comes to know
        scene.learn(*STARTED)
        waiting[1].cancel()
        await asyncio.sleep(1)
        third = waiting[2].done() and not waiting[2].cancelled()
        scene.learn(*STARTED, times=len(scene.got))
        return third, scene.turns.given

    assert played(scene) == (True, 0)


def test_whoever_is_cancelled_in_its_turn_gives_it_back():
    async def scene(time):
        scene = Scene(time, 1.0)
        scene.takers(FEWEST)
        await asyncio.sleep(0.1)
        for task in scene.tasks:
            task.cancel()
        await asyncio.wait(scene.tasks)
        return len(scene.got), scene.turns.given

    assert played(scene) == (1, 1)


def test_what_is_decided_is_told_in_its_order():
    async def scene(time):
        scene = Scene(time, 1000.0)
        scene.takers(16)
        await asyncio.gather(*scene.tasks)
        scene.learn(*SLOW_DOWN, times=8)
        scene.learn(Verdict.REFUSED, answered(429, "SYS.0011", retry_after="7"))
        scene.learn(*FAILED)
        for _ in range(2):
            scene.got += [Turn(time(), 1.0)] * 15
            scene.turns.given += 15
            scene.learn(*UNREACHED, times=15)
        scene.got[0] = Turn(time(), 1.0)
        scene.learn(*STARTED)
        return [(event.kind, event.cause) for event in scene.turns.decisions]

    assert played(scene) == [
        (Kind.RATE, "SlowDown"),
        (Kind.HELD, "SYS.0011"),
        (Kind.RATE, "connection refused"),
        (
            Kind.OUTAGE,
            "30 attempts failed in a row, the last with connection refused; now sending one probe per second",
        ),
        (Kind.RECOVERED, "the service answers again"),
        (Kind.RATE, "climbing back after the outage"),
    ]


@pytest.mark.parametrize(
    ("verdict", "answer"),
    [
        (Verdict.REFUSED, answered(403, "RequestTimeTooSkewed")),
        (Verdict.FATAL, answered(403, "InvalidAccessKeyId")),
        (Verdict.REJECTED, answered(404, "SYS.0015")),
        (Verdict.REFUSED, answered(409, "OperationAborted")),
    ],
)
def test_what_is_about_a_clock_a_key_or_a_row_says_nothing_of_the_rate_and_is_no_outage(verdict, answer):
    async def scene(time):
        scene = Scene(time, 1000.0)
        for _ in range(100):
            scene.got.append(Turn(time(), 1000.0))
            scene.learn(verdict, answer)
        return scene.turns.is_away, scene.turns.throttle.limit, list(scene.turns.decisions)

    assert played(scene) == (False, None, [])


def test_a_503_that_the_user_trusts_is_an_outage_too():
    async def scene(time):
        scene = Scene(time, 1000.0)
        await scene.workers(16, lambda: (Verdict.REFUSED, answered(503, "ServiceUnavailable")))
        await asyncio.sleep(5)
        await scene.end()
        return scene.turns.is_away

    assert played(scene)


def test_a_refusal_is_taken_for_chance_until_the_rate_is_cut_and_again_two_seconds_later():
    async def scene(time):
        scene = Scene(time, 1000.0)
        scene.takers(16)
        await asyncio.gather(*scene.tasks)
        refusal = SLOW_DOWN[1]
        seen = [scene.turns.is_chance(refusal), scene.turns.is_chance(FAILED[1])]
        scene.learn(*SLOW_DOWN, times=16)
        for _ in range(2):
            seen.append(scene.turns.is_chance(refusal))
            await asyncio.sleep(2.0)
        return [*seen, scene.turns.is_chance(refusal)]

    assert played(scene) == [True, False, False, True, True]


def test_an_outage_that_is_too_long_begins_the_drain():
    async def scene(time):
        scene = Scene(time, 100.0, max_outage=900.0)
        await scene.workers(16, lambda: UNREACHED)
        await asyncio.gather(*scene.tasks)
        return time(), scene.drain.reason

    at, reason = played(scene)
    assert 900 <= at <= 902
    assert isinstance(reason, ServiceError)
    assert str(reason) == (
        "the service has been unavailable for 900 s, the maximum set by --max-outage; the last attempt ended with"
        " connection refused"
    )


def test_a_pause_during_an_outage_is_not_ended_by_it():
    async def scene(time):
        scene = Scene(time, 100.0, max_outage=900.0)
        is_back = False
        await scene.workers(16, lambda: STARTED if is_back else UNREACHED)
        await asyncio.sleep(10)
        scene.turns.is_paused = True
        await asyncio.sleep(3600)
        begun, is_back, scene.turns.is_paused = scene.drain.begun, True, False
        await asyncio.sleep(10)
        is_away = scene.turns.is_away
        await scene.end()
        return begun, is_away, scene.drain.reason

    assert played(scene) == (False, False, ExitCode.STOPPED)


def test_retries_have_one_budget_for_all():
    async def scene(time):
        scene = Scene(time, 1000.0)
        at_once = sum(scene.turns.may_retry() for _ in range(200))
        await asyncio.sleep(2)
        return at_once, sum(scene.turns.may_retry() for _ in range(200))

    # a hundred are there at the beginning, five come each second
    assert played(scene) == (100, 10)
