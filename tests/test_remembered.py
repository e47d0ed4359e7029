"""What a job knows about the rate of its service before its first start: the rules, the cache, and the real command."""

import json
import sqlite3
from contextlib import closing
from math import inf

import pytest
from simulated_limits import Bucket, Run, Unlimited
from test_check import run
from test_command import ENVIRONMENT

from batcher.app.rate_cache import MOST, cache_path, read_rate, write_rate
from batcher.edges.checkpoint.facts import PROVEN
from batcher.rules.rate.found import Look
from batcher.rules.rate.remembered import FEW_ROWS, NEAR, SLOW_START, UNKNOWN, Proof, Remembered, first_rate, most_rows
from batcher.rules.rate.throttle import Throttle

ENDPOINT = "https://obs.x.com"


@pytest.mark.parametrize(
    ("proven", "rows", "rate"),
    [
        (None, None, SLOW_START),
        (None, FEW_ROWS, 500.0),
        (None, FEW_ROWS + 1, SLOW_START),
        (400.0, 1_000_000, 400.0 * NEAR),
        (4000.0, 5, 4000.0 * NEAR),
        (3.0, None, SLOW_START),
    ],
)
def test_a_job_begins_near_what_is_proven_and_at_once_if_it_has_few_rows(proven, rows, rate):
    assert first_rate(proven, rows) == rate


def test_a_run_has_at_most_the_lines_of_its_manifest_and_what_limits_it():
    assert [most_rows(None, None), most_rows(7, None), most_rows(None, 5), most_rows(7, 5)] == [None, 7, 5, 5]


def test_a_rate_is_proven_by_a_second_without_a_refusal():
    proof = Proof()
    proof.look(Look(10.0, 0, 0))
    proof.look(Look(10.9, 900, 0))
    assert proof.rate is None
    proof.look(Look(11.0, 1000, 0))
    assert proof.rate == 1000.0
    # a refusal: the second before it proves nothing, and the next one begins with it
    proof.look(Look(11.9, 9000, 1))
    proof.look(Look(12.8, 18_000, 1))
    assert proof.rate == 1000.0
    proof.look(Look(13.9, 13_000, 1))
    assert proof.rate == pytest.approx(4000 / 2.0)
    # a slower second changes nothing, and one without starts proves nothing
    proof.look(Look(15.0, 13_001, 1))
    proof.look(Look(16.0, 13_001, 1))
    assert proof.rate == pytest.approx(2000.0)


def test_the_first_refusal_of_a_remembered_rate_leads_back_to_a_slow_start():
    throttle = Throttle(first=900.0)
    assert throttle.pace.rate == 900.0
    throttle.pace.turn(0.0)
    assert throttle.started(0.1, 0.0) is None
    event = throttle.refused(0.2, 0.01, 900.0, "SlowDown")
    assert (event.before, event.after, event.cause) == (900.0, SLOW_START, "SlowDown")
    assert throttle.limit is None
    # those that were sent before are part of the same refusal
    assert throttle.refused(0.3, 0.02, 900.0, "SlowDown") is None
    assert throttle.pace.rate == SLOW_START
    # later ones cut as ever
    events = [throttle.refused(2.0 + tick / 10, 1.9, SLOW_START, "SlowDown") for tick in range(4)]
    assert [event.cause for event in events if event] == ["SlowDown"]
    assert throttle.limit is not None


def test_a_remembered_rate_that_was_taken_for_a_second_is_cut_as_any_other():
    throttle = Throttle(first=900.0)
    throttle.pace.turn(0.0)
    for tick in range(1, 1500):
        throttle.started(tick / 1000, (tick - 1) / 1000)
    for _ in range(100):
        throttle.refused(1.6, 1.5, 900.0, "SlowDown")
    assert throttle.limit > SLOW_START


def test_the_cap_and_a_known_limit_come_before_a_remembered_rate():
    assert Throttle(5.0, first=900.0).pace.rate == 5.0
    assert Throttle(inf, 100.0, 900.0).pace.rate == Throttle(inf, 100.0).pace.rate


def test_a_job_that_knows_its_service_loses_less_at_its_beginning():
    known, new = (Run(Unlimited(), 0.05, 0, 3.0, workers=512, throttle=Throttle(first=first)) for first in (9000, 10))
    assert len(known.started) > len(new.started) + 5000
    assert known.per_second(known.started, 0, 3) >= 0.9 * 512 / 0.05


@pytest.mark.parametrize("seed", range(5))
def test_a_service_that_takes_less_than_before_is_refused_no_more_than_the_requests_on_the_wire(seed):
    run = Run(Bucket(50, 1.0), 0.05, seed, 30.0, throttle=Throttle(first=3000.0))
    new = Run(Bucket(50, 1.0), 0.05, seed, 30.0)
    # those on the wire when the first refusal comes: the workers are the bound
    assert len(run.refused) <= len(new.refused) + 64
    assert run.per_second(run.started, 20, 30) >= 0.9 * 50


def test_the_cache_keeps_a_rate_for_each_workflow_of_an_endpoint(tmp_path):
    path = tmp_path / "batcher" / "rates.json"
    assert read_rate(path, ENDPOINT, "a") == UNKNOWN
    assert write_rate(path, ENDPOINT, "a", Remembered(None, 900.0))
    assert write_rate(path, ENDPOINT, "b", Remembered(50.0, None))
    assert [read_rate(path, ENDPOINT, name) for name in "abc"] == [(None, 900.0), (50.0, None), UNKNOWN]
    assert path.stat().st_mode & 0o777 == 0o600
    for number in range(MOST + 5):
        write_rate(path, ENDPOINT, f"w{number}", Remembered(1.0, None))
    assert len(json.loads(path.read_text())) == MOST
    assert read_rate(path, ENDPOINT, "a") == UNKNOWN


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"https://obs.x.com a": 5}', b'{"https://obs.x.com a": [0, -1]}', b"\xff", None]
)
def test_a_cache_that_cannot_be_read_knows_nothing_and_is_written_anew(tmp_path, content):
    path = tmp_path / "rates.json"
    if content is not None:
        path.write_bytes(content)
    assert read_rate(path, ENDPOINT, "a") == UNKNOWN
    assert write_rate(path, ENDPOINT, "a", Remembered(7.0, None))
    assert read_rate(path, ENDPOINT, "a") == (7.0, None)


def test_the_cache_is_where_the_xdg_specification_says_or_nowhere(tmp_path):
    assert str(cache_path({"XDG_CACHE_HOME": "/c", "HOME": "/h"})) == "/c/batcher/rates.json"
    assert str(cache_path({"XDG_CACHE_HOME": "c", "HOME": "/h"})) == "/h/.cache/batcher/rates.json"
    assert cache_path({}) is None
    assert not write_rate(None, ENDPOINT, "a", Remembered(1.0, None))
    (tmp_path / "file").write_text("")
    assert not write_rate(tmp_path / "file" / "rates.json", ENDPOINT, "a", Remembered(1.0, None))


def fact(checkpoint, name):
    with closing(sqlite3.connect(checkpoint)) as database:
        return dict(database.execute("SELECT name, value FROM header")).get(name)


async def test_a_job_that_goes_on_begins_at_its_own_rate_and_a_new_one_only_if_the_user_allows_it(
    tmp_path, monkeypatch, emulator
):
    monkeypatch.chdir(tmp_path)
    service = await emulator()
    cache = tmp_path / "cache" / "batcher" / "rates.json"
    environment = ENVIRONMENT | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    for name, count in (("a.csv", 5000), ("b.csv", 400), ("c.csv", 400)):
        (tmp_path / name).write_text("object\n" + "".join(f"{name}{row}\n" for row in range(count)))
    first = await run(service, "a.csv", "--limit", "4500", environment=environment)
    assert first.code == 5, first
    assert "rate:" not in first.stderr
    proven = fact("a.csv.checkpoint", PROVEN) / 1000
    assert proven > SLOW_START
    assert not cache.exists()
    # the same job: what it has learned, kept for others too
    again = await run(service, "a.csv", "--remember-rate", environment=environment)
    assert f"rate:        from about {proven:,.0f} starts per second, found earlier" in again.stderr
    write_rate(cache, service.url, "transcode", Remembered(None, 1234.0))
    plain = await run(service, "b.csv", environment=environment)
    assert "rate:" not in plain.stderr
    new = await run(service, "c.csv", "--remember-rate", environment=environment)
    assert "rate:        from about 1,234 starts per second, found earlier" in new.stderr
    assert [again.code, plain.code, new.code] == [0, 0, 0]


async def test_a_cache_that_cannot_be_written_is_a_warning(tmp_path, monkeypatch, emulator):
    monkeypatch.chdir(tmp_path)
    service = await emulator()
    (tmp_path / "cache").write_text("")
    (tmp_path / "a.csv").write_text("object\n" + "".join(f"{row}\n" for row in range(2500)))
    environment = ENVIRONMENT | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    ran = await run(service, "a.csv", "--remember-rate", environment=environment)
    assert ran.code == 0, ran
    assert "batcher: warning: --remember-rate: the rate cannot be stored" in ran.stderr
