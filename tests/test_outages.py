"""The real command and a service that goes away, comes back, or was never there. The ledger is the judge."""

import asyncio
import json
import socket
import urllib.request
from collections import Counter
from contextlib import contextmanager

import pytest
from chaos_judge import read_ledger
from test_command import Ran, batcher, records

ROWS = 150
CHECKPOINT = "m.txt.checkpoint"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.txt").write_text("".join(f"o{number}\n" for number in range(ROWS)))
    return tmp_path


def run(url, *words, manifest="m.txt"):
    return batcher("run", manifest, "-w", "transcode", "-e", url, "-b", "videos", "--settle-time", "1", *words)


async def until_it_says(text):
    """Ask for the status again and again until it says so."""
    async with asyncio.timeout(60):
        while text not in (await batcher("status", CHECKPOINT)).stdout:  # noqa: ASYNC110 - it looks at another process
            await asyncio.sleep(0.2)


async def fetched(url, body=None):
    def fetch():
        with urllib.request.urlopen(url, body) as answer:
            return answer.read()

    return await asyncio.to_thread(fetch)


def times_started(ledger):
    """Tell how many rows were started how often."""
    names = read_ledger(ledger)
    assert {content[1] for content in names} <= {f"o{number}" for number in range(ROWS)}
    return Counter(map(len, names.values()))


def said(ran: Ran, *words):
    """Give the lines that hold one of these words, without their times."""
    lines = ran.stderr.splitlines()
    return [line.rsplit(", ", 1)[0] for line in lines if line.startswith("batcher: ") and any(w in line for w in words)]


async def test_a_service_that_is_ended_and_started_again_has_started_every_row_once(folder, emulator_process):
    ledger = folder / "ledger.jsonl"
    first = emulator_process("--ledger", str(ledger))
    job = asyncio.create_task(run(first.url, "--max-rate", "20", "--max-attempts", "1"))
    while ledger.read_bytes().count(b"\n") < 5:  # noqa: ASYNC110 - it is looked at, as a person would
        await asyncio.sleep(0.02)
    first.end()
    await until_it_says("service unavailable for")
    emulator_process("--ledger", str(ledger), "--port", first.url.rsplit(":", 1)[1])
    ran = await job
    assert ran.code == 0, ran
    assert times_started(ledger) == {1: ROWS}
    outage, over = said(ran, "outage", "outage ended")[:2]
    assert outage.startswith("batcher: outage: 30 attempts failed in a row, the last with 127.0.0.1:")
    assert outage.endswith("connection refused; now sending one probe per second")
    assert over.endswith("the service answers again")


async def test_what_was_started_in_an_outage_is_found_in_the_execution_list(folder, emulator_process):
    ledger = folder / "ledger.jsonl"
    service = emulator_process("--ledger", str(ledger))
    await fetched(f"{service.url}/emulator/faults", b"500-after=100%")
    job = asyncio.create_task(run(service.url, "--concurrency", "4"))
    await until_it_says("service unavailable for")
    in_doubt = len(ledger.read_bytes().splitlines())
    assert 30 <= in_doubt < ROWS
    await fetched(f"{service.url}/emulator/faults", b"")
    ran = await job
    assert ran.code == 0, ran
    assert times_started(ledger) == {1: ROWS}
    reconciled = [record for record in records(folder / "m.txt.executions.jsonl") if record.get("reconciled")]
    assert len(reconciled) >= in_doubt
    assert "HTTP 500 InternalError" in said(ran, "outage")[0]


@contextmanager
def swallowing():
    """Give the address of a socket whose backlog is full, so that further connections are never made."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        try:
            for each in waiting:
                each.settimeout(0)
                each.connect_ex(listener.getsockname())
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            for each in waiting:
                each.close()


@pytest.mark.long(small=1 / 3, ci=1 / 2)
@pytest.mark.parametrize(("manifest", "words"), [("m.txt", ()), ("m.csv", ()), ("m.txt", ("--no-preflight",))])
async def test_an_endpoint_that_was_never_reached_is_no_outage(folder, manifest, words):
    # a column of its own has the workflow's parameters asked for, before anything else
    (folder / "m.csv").write_text("object,template-id\na,1\n")
    files = [("-o", f"{name}.jsonl", "-c", f"{name}.checkpoint") for name in ("refused", "swallowed")]
    with swallowing() as swallower:
        urls = ("http://127.0.0.1:1", swallower)
        runs = [run(url, *each, *words, manifest=manifest) for url, each in zip(urls, files, strict=True)]
        refused, swallowed = await asyncio.gather(*runs)
    assert (refused.code, swallowed.code) == (69, 69), (refused, swallowed)
    assert "the service cannot be reached: 127.0.0.1:1: no connection: connection refused" in refused.stderr
    assert "the service cannot be reached: 127.0.0.1:" in swallowed.stderr
    assert "no connection within" in swallowed.stderr
    for ran in (refused, swallowed):
        assert said(ran, "outage") == []
    if words:
        assert ("0 started" in refused.stderr, "0 started" in swallowed.stderr) == (True, True)
        assert [records(folder / f"{name}.jsonl") for name in ("refused", "swallowed")] == [[], []]
    else:
        # the preflight comes before the job's files
        assert sorted(path.name for path in folder.iterdir()) == ["m.csv", "m.txt"]


async def test_an_outage_that_is_too_long_ends_the_run_and_leaves_its_rows_to_the_next(folder, emulator_process):
    ledger = folder / "ledger.jsonl"
    service = emulator_process("--ledger", str(ledger), "--fault", "unavailable=100%")
    ran = await run(service.url, "--trust-503", "--max-attempts", "1", "--max-outage", "2s")
    assert ran.code == 69, ran
    assert "the service has been unavailable for 2 s, the maximum set by --max-outage" in ran.stderr
    # a 503 that the user trusts has started nothing; what was refused before it was an outage is on record
    statuses = Counter(record["status"] for record in records(folder / "m.txt.executions.jsonl"))
    assert statuses["refused"] <= 30 + 64
    assert set(statuses) <= {"refused"}
    await fetched(f"{service.url}/emulator/faults", b"")
    ran = await run(service.url)
    assert ran.code == 0, ran
    assert times_started(ledger) == {1: ROWS}


async def test_a_start_costs_one_request_and_those_that_the_limit_of_the_service_refuses(folder, emulator_process):
    # How few these are depends on real time here. `test_overload.py` bounds them on a virtual clock.
    rows = 200
    (folder / "m.txt").write_text("".join(f"o{number}\n" for number in range(rows)))
    service = emulator_process("--rate", "50")
    ran = await run(service.url)
    assert ran.code == 0, ran
    counted = json.loads(await fetched(f"{service.url}/emulator/ledger"))
    assert (counted["starts"], counted["twice"]) == (rows, [])
    assert counted["requests"]["start"] == rows + counted["answers"]["503 SlowDown"]
