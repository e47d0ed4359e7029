"""The reconcile, by the real command against the emulator. The emulator's ledger is the judge."""

import asyncio
import json
import signal
import subprocess
import sys
from collections import Counter

import pytest
from test_command import ENVIRONMENT, ODD_KEYS, batcher, records

from batcher.emulator.faults import FaultKind
from batcher.emulator.quirks import Quirk
from batcher.emulator.settings import InputKeys, InputShape
from batcher.rules.doubts.evidence import ASKED


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(service, *words):
    command = ("run", "m.jsonl", "-w", "transcode", "-e", service.url, "-b", "videos", "--progress", "none")
    return batcher(*command, "--settle-time", "0.5", *words)


def write(folder, keys):
    (folder / "m.jsonl").write_text("".join(json.dumps({"object": key}) + "\n" for key in keys))


def started(service):
    """Give what the ledger says has started, by object key."""
    counts = Counter()
    for (_bucket, key, _inputs), count in service.ledger.counts().items():
        counts[key] += count
    return counts


def last_records(folder):
    return {record["row"]: record for record in records(folder / "m.jsonl.executions.jsonl")}


def once(keys):
    return Counter(dict.fromkeys(keys, 1))


# Fewer than make an outage: where every answer is lost, that would be waited out.
KEYS = [f"o{n}" for n in range(25)]
LOSSES = ["500-after", "499-after", "425-after", "reset-after", "garbage", "nameless", "cut"]


@pytest.mark.long(small=1 / 2, ci=1 / 2)
@pytest.mark.parametrize("fault", LOSSES)
async def test_rows_whose_answers_were_lost_are_found_started(folder, emulator, fault):
    write(folder, KEYS)
    service = await emulator(faults={FaultKind(fault): 1.0})
    ran = await run(service)
    assert ran.code == 0, ran
    assert started(service) == once(KEYS)
    names = {execution["object"]: execution["execution_name"] for execution in map(_fields, service.ledger.starts)}
    for record in last_records(folder).values():
        assert (record["status"], record["reconciled"]) == ("started", True)
        assert record["execution_name"] == names[record["object"]]


async def test_a_page_of_a_proxy_about_a_started_row_is_no_refusal(folder, emulator):
    write(folder, KEYS)
    service = await emulator(faults={FaultKind("403-after"): 0.3}, seed=2)
    ran = await run(service)
    assert ran.code == 0, ran
    assert started(service) == once(KEYS)
    assert service.ledger.answers["403"] > 0
    assert Counter(record["status"] for record in last_records(folder).values()) == {"started": len(KEYS)}


async def test_a_list_whose_pages_are_too_large_is_read_in_smaller_ones(folder, emulator):
    write(folder, KEYS)
    service = await emulator(faults={FaultKind("reset-after"): 0.5}, past=2000, quirks={Quirk.BULKY: 3.0}, seed=2)
    ran = await run(service)
    assert ran.code == 0, ran
    assert started(service) == once(KEYS)
    # 2,000 entries of more than 3 KiB, at most 1 MiB of them on a page.
    assert service.ledger.requests["list"] > 6


async def test_a_list_with_one_entry_that_is_too_large_holds_the_rows_and_says_why(folder, emulator):
    write(folder, KEYS)
    service = await emulator(faults={FaultKind("reset-after"): 0.5}, quirks={Quirk.BULKY: 1100.0}, seed=2)
    ran = await run(service)
    assert ran.code == 3, ran
    assert "(the execution list cannot be read: an entry of the execution list is too large to be read)" in ran.stderr
    assert max(started(service).values()) == 1


def _fields(start):
    return {"object": start.object, "execution_name": start.execution_name}


@pytest.mark.long(small=1 / 2, ci=1 / 2)
@pytest.mark.parametrize("fault", ["500", "reset-before", "408", "unavailable"])
async def test_rows_that_never_started_are_sent_again_within_the_run(folder, emulator, fault):
    write(folder, KEYS)
    service = await emulator(faults={FaultKind(fault): 0.15}, seed=5)
    ran = await run(service)
    assert ran.code == 0, ran
    assert started(service) == once(KEYS)
    assert "never started, will be sent again" in ran.stderr


async def test_a_list_that_lags_is_waited_for(folder, emulator):
    write(folder, KEYS)
    service = await emulator(faults={FaultKind("reset-after"): 0.3}, list_delay=1.0)
    ran = await run(service, "--settle-time", "1.5")
    assert ran.code == 0, ran
    assert started(service) == once(KEYS)


async def test_rows_are_held_until_an_answered_start_shows_that_the_list_is_complete(folder, emulator):
    write(folder, KEYS[:3])
    service = await emulator(faults={FaultKind("500"): 1.0})
    for _ in range(2):
        ran = await run(service)
        assert ran.code == 3, ran
        assert "no answered start of this job shows that the list is complete" in ran.stderr
        assert service.ledger.requests["start"] == 3
        service = await _healthy(service)
    # another row is sent first, and its start is the control
    write(folder, KEYS[:4])
    ran = await run(service)
    assert ran.code == 0, ran
    assert started(service) == once(KEYS[:4])


async def test_a_service_that_never_answers_again_leaves_the_rows_in_doubt_after_a_few_rounds(folder, emulator):
    write(folder, KEYS[:1])
    service = await emulator()
    assert (await run(service)).code == 0
    write(folder, KEYS[:4])
    await _fail_next(service, "500")
    ran = await run(service, "--settle-time", "0")
    assert ran.code == 3, ran
    assert started(service) == once(KEYS[:1])
    # the first sending and five rounds
    assert service.ledger.requests["start"] == 1 + 3 * 6


async def _healthy(service):
    service.settings.faults.clear()
    return service


@pytest.mark.parametrize("refusal", [{"list_forbidden": True}, {"get_forbidden": True}])
async def test_rows_are_held_and_named_where_the_list_cannot_tell(folder, emulator, refusal):
    write(folder, KEYS[:5])
    service = await emulator(faults={FaultKind("reset-after"): 1.0}, **refusal)
    ran = await run(service)
    assert ran.code == 3, ran
    assert "in doubt: row 1: videos/o0" in ran.stderr
    again = await run(service)
    assert again.code == 3, again
    assert started(service) == once(KEYS[:5])
    assert {record["status"] for record in last_records(folder).values()} == {"in_doubt"}


async def test_hold_asks_nobody_and_reconcile_settles_later(folder, emulator):
    write(folder, KEYS)
    service = await emulator(faults={FaultKind("500-after"): 0.3, FaultKind("500"): 0.2}, seed=3)
    ran = await run(service, "--on-doubt", "hold")
    assert ran.code == 3, ran
    assert service.ledger.requests["list"] == 0
    held = json.loads((await batcher("status", "m.jsonl.checkpoint", "--json")).stdout)["rows"]["in_doubt"]
    assert held > 0
    starts = service.ledger.requests["start"]
    settled = await batcher("reconcile", "m.jsonl.checkpoint", "--settle-time", "0.5", environment=ENVIRONMENT)
    assert settled.code == 0, settled
    assert service.ledger.requests["start"] == starts
    assert (await _healthy(service)) is service
    ran = await run(service)
    assert ran.code == 0, ran
    assert started(service) == once(KEYS)
    assert sum("reconciled" in record for record in last_records(folder).values()) > 0


async def test_resend_sends_again_without_asking_as_it_says(folder, emulator):
    write(folder, KEYS[:4])
    service = await emulator(faults={FaultKind("500-after"): 1.0})
    assert (await run(service, "--on-doubt", "hold")).code == 3
    await _healthy(service)
    ran = await run(service, "--on-doubt", "resend")
    assert ran.code == 0, ran
    assert service.ledger.requests["list"] == 0
    assert started(service) == Counter(dict.fromkeys(KEYS[:4], 2))


@pytest.mark.long(small=2 / 5, ci=1 / 2)
@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"input_twice": True},
        {"input_shape": InputShape.RECORDS},
        {"input_shape": InputShape.RECORDS, "input_keys": InputKeys.ENCODED},
        {"strip_leading_slash": True},
    ],
)
async def test_odd_keys_are_found_whatever_an_executions_input_looks_like(folder, emulator, shape):
    write(folder, ODD_KEYS)
    service = await emulator(faults={FaultKind("reset-after"): 1.0}, **shape)
    ran = await run(service, "--keep-placeholders")
    assert ran.code == 0, ran
    assert started(service) == once(ODD_KEYS)


async def test_look_alikes_are_reported_and_never_adopted_for_a_settled_row(folder, emulator):
    write(folder, KEYS[:2])
    service = await emulator()
    assert (await run(service)).code == 0
    adopted = {record["execution_name"] for record in last_records(folder).values()}
    write(folder, KEYS[:3])
    await _fail_next(service, "500-after")
    others = [service.start_elsewhere("videos", key) for key in KEYS[:3]]
    ran = await run(service)
    assert ran.code == 0, ran
    names = {record["object"]: record["execution_name"] for record in last_records(folder).values()}
    assert {names["o0"], names["o1"]} == adopted
    assert started(service) == once(KEYS[:3])
    told = [name for name in others if name in ran.stderr]
    assert told in ([others[2]], [])
    assert "started by another client" in ran.stderr


async def _fail_next(service, fault):
    service.settings.faults[FaultKind(fault)] = 1.0


@pytest.mark.long(small=1 / 3, ci=1 / 2)
@pytest.mark.parametrize("at", [-3600, -60, 3600])
async def test_a_look_alike_of_another_time_is_never_adopted(folder, emulator, at):
    write(folder, KEYS[:1])
    service = await emulator(faults={FaultKind("500"): 1.0})
    other = service.start_elsewhere("videos", "o0", started_at=service.settings.clock() + at)
    assert (await run(service, "--on-doubt", "hold")).code == 3
    await _healthy(service)
    write(folder, KEYS[:2])
    ran = await run(service)
    assert ran.code == 0, ran
    assert last_records(folder)[1]["execution_name"] != other
    assert started(service) == once(KEYS[:2])


async def test_a_buckets_event_is_never_adopted(folder, emulator):
    write(folder, KEYS[:1])
    service = await emulator(faults={FaultKind("500"): 1.0})
    assert (await run(service, "--on-doubt", "hold")).code == 3
    event = service.start_elsewhere("videos", "o0", type="TRIGGERCAL")
    await _healthy(service)
    write(folder, KEYS[:2])
    ran = await run(service)
    assert ran.code == 0, ran
    assert last_records(folder)[1]["execution_name"] != event
    assert started(service) == once(KEYS[:2])
    assert event in ran.stderr


async def test_a_long_history_costs_pages_and_few_questions(folder, emulator):
    write(folder, KEYS)
    service = await emulator(faults={FaultKind("500-after"): 0.2}, past=5000, seed=2)
    ran = await run(service)
    assert ran.code == 0, ran
    assert started(service) == once(KEYS)
    doubts = sum("reconciled" in record for record in last_records(folder).values())
    assert doubts > 0
    # Each doubt once, and some controls: what is shown of them is what may be believed of the others.
    assert doubts < service.ledger.requests["execution"] <= doubts + ASKED


async def test_a_killed_run_leaves_few_doubts_names_them_and_the_next_settles_them(folder, emulator):
    keys = [f"o{n}" for n in range(400)]
    write(folder, keys)
    service = await emulator(faults={FaultKind("slow"): 0.05}, slow=0.2)
    words = ("run", "m.jsonl", "-w", "transcode", "-e", service.url, "-b", "videos", "--concurrency", "8")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "batcher", *words, env=ENVIRONMENT, stderr=subprocess.DEVNULL
    )
    while len(service.ledger.starts) < 100:  # noqa: ASYNC110 - the ledger is looked at, as a person would
        await asyncio.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    status = await batcher("status", "m.jsonl.checkpoint", "--json")
    seen = json.loads(status.stdout)
    assert seen["running"] is False
    assert 0 < seen["rows"]["in_doubt"] == len(seen["in_doubt"]) <= 16
    named = (await batcher("status", "m.jsonl.checkpoint", "--rows", "in_doubt")).stdout.splitlines()
    assert named == [f"row {row['row']}: videos/{row['object']}" for row in seen["in_doubt"]]
    ran = await run(service)
    assert ran.code == 0, ran
    assert started(service) == once(keys)
    assert set(last_records(folder)) == set(range(1, 401))


async def test_status_tells_every_count_and_a_running_job(folder, emulator):
    (folder / "m.jsonl").write_text('{"object": "a"}\n{"object": "b"}\n{"object": "a"}\n{"object": ""}\n')
    service = await emulator()
    assert (await run(service)).code == 1
    seen = json.loads((await batcher("status", "m.jsonl.checkpoint", "--json")).stdout)
    assert seen["rows"] == {
        "pending": 0, "sending": 0, "started": 2, "refused": 0, "rejected": 0, "invalid": 1, "duplicate": 1,
        "dismissed": 0, "in_doubt": 0,
    }  # fmt: skip
    assert (seen["workflow"], seen["endpoint"], seen["running"]) == ("transcode", service.url, False)
    text = (await batcher("status", "m.jsonl.checkpoint")).stdout
    assert "no run is in progress" in text
    missing = await batcher("status", "nowhere.checkpoint")
    assert (missing.code, "nowhere.checkpoint: no such checkpoint" in missing.stderr) == (74, True)
    assert not (folder / "nowhere.checkpoint").exists()
    assert (await batcher("status", "m.jsonl")).stdout == text
    foreign = await batcher("status", "m.jsonl.executions.jsonl", "--json")
    assert json.loads(foreign.stdout) == seen


async def test_rows_whose_answers_name_one_execution_are_not_all_started_and_none_is_released(folder, emulator):
    write(folder, KEYS[:5])
    service = await emulator(quirks={Quirk.SAME_NAME: 1.0})
    ran = await run(service)
    assert ran.code == 3, ran
    (name,) = {start.execution_name for start in service.ledger.starts}
    assert f"warning: two starts were answered with execution {name}; the second is in doubt" in ran.stderr
    statuses = Counter(record["status"] for record in last_records(folder).values())
    assert statuses == {"started": 1, "in_doubt": 4}
    service.settings.quirks.clear()
    write(folder, KEYS[:6])
    ran = await run(service)
    assert ran.code == 3, ran
    assert f"the service answered two starts with the same execution, {name}" in ran.stderr
    assert started(service) == once(KEYS[:6])


async def test_a_settle_time_below_the_default_is_named_as_a_condition(folder, emulator):
    write(folder, KEYS[:1])
    service = await emulator()
    ran = await run(service)
    assert "--settle-time 0.5s is below the default of 60s" in ran.stderr
    ran = await run(service, "--timeout", "5", "--settle-time", "30")
    assert "below the default" not in ran.stderr
