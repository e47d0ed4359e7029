"""The attempts of a row: what is sent again, what never is, and what stops the job."""

import asyncio
from itertools import count

import pytest
from answered import answered
from simulated_machine import Loop

from batcher.errors import CredentialsError, ExitCode, ServiceError
from batcher.flow.attempts import Action, Attempts
from batcher.flow.drain import Drain
from batcher.flow.queues import Places
from batcher.flow.turns import Turns
from batcher.model import Admitted, Execution, Fault, Row, Status
from batcher.rules.progress.counts import Tally
from batcher.rules.rate.outage import Health
from batcher.rules.rate.throttle import Throttle
from batcher.rules.service.verdicts import judge

ROW = Row(1, 2, "b", "o", b"", b"k" * 16)
ADMITTED = Admitted(7, ROW, Status.SENDING)

STARTED = answered(status=200, execution=Execution("e1", "u1", "t1"))
SLOW_DOWN = answered(status=503, code="SlowDown")
UNREACHED = answered(fault=Fault.UNREACHED, message="127.0.0.1:9: connection refused")
LOST = answered(fault=Fault.LOST, message="reset")
REJECTED = answered(status=404, code="SYS.0015")
DENIED = answered(status=403, code="AccessDenied")
SKEWED = answered(status=403, code="RequestTimeTooSkewed")


class Service:
    """Answers from a script, and notes the rows that it got."""

    def __init__(self, *script):
        self.script = list(script)
        self.rows = []

    async def send(self, row):
        self.rows.append(row)
        return self.script.pop(0)


def attempts(service, *, drain=None, **changes):
    clock = count(5.0).__next__
    turns = Turns(drain=drain or Drain(), throttle=Throttle(limit=1e6), monotonic=clock, service_now=lambda: 1000.0)
    settings = {
        "action": Action(service.send, judge),
        "tally": Tally(),
        "turns": turns,
        "now": lambda: 1000.0,
        "monotonic": clock,
        "draw": lambda: 0.0,
        "max_attempts": 3,
        "places": Places(1),
    }
    return Attempts(**(settings | changes))


async def test_a_row_that_starts_at_once_is_sent_once():
    service = Service(STARTED)
    outcome = await attempts(service).fire(ADMITTED)
    assert service.rows == [ROW]
    assert (outcome.status, outcome.attempts) == (Status.STARTED, 1)
    assert outcome.execution == Execution("e1", "u1", "t1")


@pytest.mark.parametrize("refusal", [SLOW_DOWN, UNREACHED, answered(429, "SYS.0011"), SKEWED])
async def test_what_surely_was_not_started_is_sent_again(refusal):
    service = Service(refusal, STARTED)
    firing = attempts(service)
    outcome = await firing.fire(ADMITTED)
    assert (outcome.status, outcome.attempts) == (Status.STARTED, 2)
    assert (firing.tally.requests, firing.tally.retries) == (2, 1)
    assert not firing.drain.begun


@pytest.mark.parametrize(
    "doubt",
    [
        LOST,
        answered(status=500, code="InternalError"),
        answered(status=502),
        answered(status=503, code="ServiceUnavailable"),
        answered(status=504),
        answered(status=408),
        answered(status=425),
        answered(status=429),
        answered(status=499),
        answered(status=404),
        answered(status=401),
        answered(status=302),
        answered(status=200),
    ],
)
@pytest.mark.parametrize("refusals", [0, 1])
async def test_a_row_in_doubt_is_never_sent_again(doubt, refusals):
    service = Service(*[SLOW_DOWN] * refusals, doubt)
    firing = attempts(service)
    outcome = await firing.fire(ADMITTED)
    assert outcome.status is Status.IN_DOUBT
    assert len(service.rows) == refusals + 1
    assert not firing.drain.begun


async def test_a_rejected_row_is_recorded_and_the_job_goes_on():
    firing = attempts(Service(REJECTED))
    outcome = await firing.fire(ADMITTED)
    assert (outcome.status, outcome.answer) == (Status.REJECTED, REJECTED)
    assert not firing.drain.begun


async def test_a_row_refused_to_the_last_attempt_is_on_record_and_free_for_the_next_run():
    firing = attempts(Service(SLOW_DOWN, SLOW_DOWN, SLOW_DOWN))
    outcome = await firing.fire(ADMITTED)
    assert (outcome.status, outcome.attempts) == (Status.REFUSED, 3)
    assert not firing.drain.begun


async def test_one_attempt_is_one_request():
    service = Service(SLOW_DOWN)
    outcome = await attempts(service, max_attempts=1).fire(ADMITTED)
    assert (len(service.rows), outcome.attempts) == (1, 1)


async def test_what_never_left_uses_no_attempt_up():
    service = Service(*[UNREACHED] * 10, STARTED)
    outcome = await attempts(service).fire(ADMITTED)
    assert (outcome.status, outcome.attempts) == (Status.STARTED, 11)


async def test_a_probe_that_fails_uses_no_attempt_up():
    service = Service(*[answered(status=503)] * 4, STARTED)
    firing = attempts(service, trust_503=True)
    firing.turns.health = Health(failures=30, out_since=0.0)
    outcome = await firing.fire(ADMITTED)
    assert (outcome.status, outcome.attempts) == (Status.STARTED, 5)


def test_the_retries_of_all_rows_together_keep_to_their_budget():
    loop = Loop(None)
    turns = Turns(Drain(), Throttle(limit=1e6), monotonic=loop.time, service_now=loop.time)

    service = Service(*[answered(status=409, code="OperationAborted")] * 5000)
    firing = attempts(service, turns=turns, draw=lambda: 0.1, max_attempts=1000)

    async def scene():
        rows = [asyncio.ensure_future(firing.fire(ADMITTED)) for _ in range(64)]
        await asyncio.sleep(20)
        turns.drain.begin(ExitCode.STOPPED)
        await asyncio.gather(*rows)

    try:
        loop.run_until_complete(scene())
    finally:
        loop.close()
    # a hundred are there at the beginning, five come each second; without it there would be 500
    assert 150 <= firing.tally.retries <= 100 + 5 * 20


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (answered(status=403, code="SignatureDoesNotMatch"), CredentialsError),
        (answered(401, "SYS.0004"), CredentialsError),
        (DENIED, CredentialsError),
        (answered(status=301, code="PermanentRedirect"), ServiceError),
        (answered(fault=Fault.UNTRUSTED), ServiceError),
    ],
)
async def test_a_fatal_answer_stops_the_job_at_once_and_leaves_the_row_untouched(answer, error):
    service = Service(answer)
    firing = attempts(service)
    outcome = await firing.fire(ADMITTED)
    assert outcome.status is Status.PENDING
    assert isinstance(firing.drain.reason, error)
    following = await firing.fire(ADMITTED)
    assert (following.status, following.attempts) == (Status.PENDING, 0)
    assert len(service.rows) == 1


async def test_answers_that_prove_nothing_end_the_job_if_nothing_else_comes():
    firing = attempts(Service(*[answered(404)] * 20))
    for _ in range(20):
        assert not firing.drain.begun
        assert (await firing.fire(ADMITTED)).status is Status.IN_DOUBT
    assert "the endpoint does not answer like the service: HTTP 404" in str(firing.drain.reason)


async def test_answers_that_prove_nothing_are_an_outage_once_a_row_has_started():
    firing = attempts(Service(STARTED, *[answered(403)] * 30))
    for _ in range(31):
        await firing.fire(ADMITTED)
    assert firing.turns.is_away
    assert not firing.drain.begun


async def test_a_denial_is_about_one_row_once_another_has_started():
    firing = attempts(Service(STARTED, DENIED))
    await firing.fire(ADMITTED)
    outcome = await firing.fire(ADMITTED)
    assert outcome.status is Status.REJECTED
    assert not firing.drain.begun


async def test_a_skewed_clock_is_forgiven_once():
    firing = attempts(Service(SKEWED, SKEWED))
    outcome = await firing.fire(ADMITTED)
    assert (outcome.status, outcome.attempts) == (Status.PENDING, 2)
    assert "RequestTimeTooSkewed" in str(firing.drain.reason)


async def test_a_drain_during_the_backoff_gives_the_row_back_without_waiting():
    refused = asyncio.Event()

    async def send(_):
        refused.set()
        return SLOW_DOWN

    drain = Drain()
    service = Service()
    service.send = send
    firing = attempts(service, drain=drain, draw=lambda: 1.0)
    # 0.5 s of backoff at the least, 3,600 s by the header: none of it is waited out
    fired = asyncio.create_task(firing.fire(ADMITTED))
    await refused.wait()
    drain.begin(ExitCode.SIGINT)
    outcome = await fired
    assert (outcome.status, outcome.attempts) == (Status.PENDING, 1)


async def test_a_drain_while_waiting_for_its_turn_sends_nothing():
    drain = Drain()
    service = Service(STARTED)
    firing = attempts(service, drain=drain)
    firing.turns.is_paused = True
    fired = asyncio.create_task(firing.fire(ADMITTED))
    await asyncio.sleep(0)
    drain.begin(ExitCode.SIGTERM)
    assert ((await fired).status, service.rows) == (Status.PENDING, [])


async def test_a_job_whose_first_twenty_rows_are_all_rejected_is_stopped():
    firing = attempts(Service(*[REJECTED] * 20))
    for _ in range(20):
        assert not firing.drain.begun
        assert (await firing.fire(ADMITTED)).status is Status.REJECTED
    assert isinstance(firing.drain.reason, ServiceError)
    assert "first 20 rows were all rejected, the last with HTTP 404 SYS.0015" in str(firing.drain.reason)


async def test_a_job_that_has_started_a_row_may_have_any_number_rejected():
    firing = attempts(Service(STARTED, *[REJECTED] * 30))
    for _ in range(31):
        await firing.fire(ADMITTED)
    assert not firing.drain.begun


async def test_a_job_that_an_earlier_run_has_begun_may_have_any_number_rejected():
    firing = attempts(Service(*[REJECTED] * 30))
    firing.tally.known[Status.STARTED] = 1
    for _ in range(30):
        await firing.fire(ADMITTED)
    assert not firing.drain.begun
