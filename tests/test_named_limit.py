"""The limit that a refusal names: how it is read, what the throttle makes of it, and what corrects it."""

from math import inf

import pytest
from answered import answered
from conftest import KEYS, Clock
from hypothesis import given
from hypothesis import strategies as st
from simulated_limits import Bucket, Run

import batcher
from batcher.app.history import open_past
from batcher.app.job_files import rate_of
from batcher.edges.checkpoint.facts import LIMIT, SLOWED
from batcher.emulator.settings import ThrottleAnswer
from batcher.flow.drain import Drain
from batcher.flow.turns import Turn, Turns
from batcher.model import Reply, Verdict
from batcher.rules.rate.bottleneck import Cause, decoded
from batcher.rules.rate.throttle import Throttle
from batcher.rules.service.answers import read_start
from batcher.rules.service.named_limit import gateway_limit
from batcher.rules.service.obs_v2 import OBS_V2

NAMED_LIMIT = OBS_V2.errors.named_limit
REACHED = "The throttling threshold has been reached: policy "


@pytest.mark.parametrize(
    ("words", "limit"),
    [
        ("user over ratelimit,limit:100,time:1 second", 100.0),
        ("api over ratelimit,limit:2000,time:1 minute", 2000 / 60),
        ("ip over ratelimit,limit:5,time:5 second", 1.0),
        ("user over ratelimit,limit:60,time:1 minute.", 1.0),
        ("app over RateLimit, limit: 36000, time: 1 hours", 10.0),
        ("domain over ratelimit,limit:864000,time:1 day", 10.0),
        # nothing is named, or nothing that can be meant
        ("user over ratelimit,limit:XX,time:1 second", None),
        ("user over ratelimit,limit:10", None),
        ("user over ratelimit,limit:-5,time:1 second", None),
        ("user over ratelimit,limit:1.5,time:1 second", None),
        ("user over ratelimit,limit:0,time:1 second", None),
        ("user over ratelimit,limit:5,time:0 second", None),
        ("user over ratelimit,limit:999999999,time:1 second", None),
        ("user over ratelimit,limit:1,time:1 day", None),
        ("user over ratelimit,limit:5,time:1 fortnight", None),
        ("user over ratelimit,limit:5,time:1 seconds-old", None),
        ("user over ratelimit,limit:5,time:\u0661 second", None),
        ("user under ratelimit,time:1 second", None),
        ("", None),
    ],
)
def test_a_named_limit_is_read_strictly_in_requests_per_second(words, limit):
    assert gateway_limit(REACHED + words) == limit


@given(st.text() | st.from_regex(r"over ratelimit,limit:[0-9]{0,15},time:[0-9]{0,8} ?(second|day)"))
def test_no_text_names_a_limit_that_is_absurd(text):
    limit = gateway_limit(text)
    assert limit is None or 0.001 <= limit <= 1e6


def test_only_the_gateways_code_names_a_limit_and_only_with_its_status():
    words = f"{REACHED}user over ratelimit,limit:100,time:1 second"
    named = {
        (status, code): NAMED_LIMIT(answered(status, code, words))
        for status, code in ((429, "APIGW.0308"), (429, "apig.0308"), (429, "SYS.0011"), (503, "SlowDown"),
                             (400, "APIGW.0308"))
    }  # fmt: skip
    assert named == {
        (429, "APIGW.0308"): 100.0, (429, "apig.0308"): 100.0, (429, "SYS.0011"): None, (503, "SlowDown"): None,
        (400, "APIGW.0308"): None,
    }  # fmt: skip


@pytest.mark.parametrize(("rate", "unit"), [(40.0, "limit:40,time:1 second"), (0.5, "limit:30,time:1 minute")])
async def test_the_emulators_gateway_names_its_limit_as_the_service_does(emulator, call, rate, unit):
    service = await emulator(clock=Clock(), rate=rate, burst=1, throttle_answer=ThrottleAnswer.GATEWAY, retry_after=3)
    body = {"bucket": "b", "object": "o"}
    answers = [await call(service, "POST", "/v2/workflows/transcode", body=body) for _ in range(2)]
    refusal = answers[1].json
    assert (answers[1].status, refusal["error_code"]) == (429, "APIGW.0308")
    assert refusal["error_msg"] == f"{REACHED}user over ratelimit,{unit}"
    assert answers[1].headers["Retry-After"] == "3"
    assert NAMED_LIMIT(read_start(Reply(429, {}, answers[1].body))) == rate


def pressed(rate, **options):
    throttle = Throttle(**options)
    throttle.pace.rate = rate
    for _ in range(1000):
        throttle.pace.turn(100.0)
    return throttle


def refused(throttle, named, now=100.0):
    return throttle.refused(now, now - 0.01, throttle.pace.rate, "APIGW.0308", named=named)


def test_the_first_refusal_that_names_a_limit_is_enough_to_use_it():
    throttle = pressed(300.0)
    event = refused(throttle, 100.0)
    assert (event.before, event.after, event.cause) == (300.0, pytest.approx(70.0), "APIGW.0308")
    assert throttle.limit == 100.0


def test_a_refusal_below_the_limit_that_it_names_raises_no_rate():
    throttle = pressed(50.0)
    assert refused(throttle, 1000.0).after == pytest.approx(35.0)
    assert throttle.limit == 1000.0


def test_what_is_named_again_or_is_higher_is_a_refusal_like_others():
    throttle = pressed(300.0)
    refused(throttle, 100.0)
    for now, named in ((103.0, 100.0), (106.0, 250.0)):
        before = throttle.limit
        for _ in range(9):
            refused(throttle, named, now)
        assert throttle.limit < before
    assert (refused(throttle, 10.0, 109.0) is None, throttle.limit) == (False, 10.0)


def test_a_named_limit_neither_lifts_the_cap_nor_stops_the_job():
    throttle = pressed(40.0, max_rate=40.0)
    refused(throttle, 1000.0)
    for second in range(100):
        throttle.started(101.0 + second)
    assert throttle.pace.rate <= 40.0
    throttle = pressed(40.0)
    refused(throttle, 0.001)
    assert throttle.pace.rate == 0.5
    assert Throttle().named == inf


@pytest.mark.parametrize("named", [100.0, 60.0, 400.0])
def test_a_limit_is_used_after_seconds_where_it_is_named_and_soon_where_another_one_is(named):
    run = Run(Bucket(100, 1.0), 0.02, 0, 60.0, named=named)
    assert run.per_second(run.started, 4 if named == 100.0 else 30, 60) >= 95
    assert run.refused_share(30, 60) <= 0.02


def test_the_turns_hand_the_named_limit_to_the_throttle():
    turns = Turns(Drain(), Throttle(), monotonic=lambda: 5.0, service_now=lambda: 0.0, named_limit=NAMED_LIMIT)
    words = f"{REACHED}user over ratelimit,limit:7,time:1 second"
    turns.learn(Turn(4.0, 10.0), Verdict.REFUSED, answered(429, "APIGW.0308", words), 5.0)
    assert (turns.throttle.limit, turns.throttle.named, turns.refused) == (7.0, 7.0, 1)


async def test_a_job_uses_the_limit_that_the_gateway_names(emulator, tmp_path):
    service = await emulator(rate=20.0, burst=4, throttle_answer=ThrottleAnswer.GATEWAY)
    (tmp_path / "m.txt").write_text("".join(f"{number}.mp4\n" for number in range(30)))
    known = {"workflow": "transcode", "endpoint": service.url, "bucket": "videos", "environment": KEYS}
    async with batcher.run(tmp_path / "m.txt", **known) as job:
        pass
    assert len(service.ledger.starts) == 30
    # what is refused after that, because a busy machine sends unevenly, corrects it a little
    assert job.progress().limit == pytest.approx(20.0, rel=0.3)
    with open_past(tmp_path / "m.txt.checkpoint") as past:
        assert rate_of(past.checkpoint.facts[LIMIT]) == pytest.approx(job.progress().limit, abs=0.001)
        assert decoded(past.checkpoint.facts[SLOWED]).seconds[Cause.LIMIT] > 0


@pytest.mark.parametrize(("fact", "limit"), [(None, None), (0, None), (20_500, 20.5)])
def test_a_limit_that_was_not_found_is_none_for_the_next_run(fact, limit):
    assert rate_of(fact) == limit
