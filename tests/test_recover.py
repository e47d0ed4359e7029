"""A checkpoint that is older, lost or damaged is rebuilt from the output. The emulator's ledger is the judge."""

import asyncio
import json
import shutil
import sys
from pathlib import Path

import pytest
from test_command import ENVIRONMENT, batcher

from batcher.edges.checkpoint import glance
from batcher.emulator.faults import FaultKind
from batcher.model import Status

CHECKPOINT = Path("m.csv.checkpoint")
LOG = Path("m.csv.checkpoint-wal")
NO_WITNESS = ENVIRONMENT | {"XDG_STATE_HOME": "/dev/null"}
"""As on another machine: only the job's own files say what happened."""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(numbers, path="m.csv"):
    """Write rows with inputs of their own. Each second pair has the same object."""
    rows = [f"o{number // 4 * 4 if number % 2 else number},n{number}\n" for number in numbers]
    Path(path).write_text("object,inputs.note\n" + "".join(rows))


def words(verb, service, *more):
    return (verb, "m.csv", "-w", "transcode", "-e", service.url, "-b", "videos", *more)


async def run(service, *more, environment=NO_WITNESS):
    return await batcher(*words("run", service, "--settle-time", "0.3", *more), environment=environment)


async def recover(service, *more, environment=NO_WITNESS):
    ran = await batcher(*words("recover", service, *more), environment=environment)
    assert ran.code == 0, ran
    return ran


async def assert_refused(service, code=78):
    arrived = len(service.ledger.starts)
    ran = await run(service)
    assert (ran.code, "batcher recover" in ran.stderr, len(service.ledger.starts)) == (code, True, arrived), ran


def assert_each_once(service, count):
    assert sorted(service.ledger.counts().values()) == [1] * count


async def killed_run(service, count, *more):
    """Run the command, and kill it once so many starts were made."""
    command = words("run", service, "--concurrency", "8", "--progress", "none", *more)
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "batcher", *command, env=NO_WITNESS)
    while len(service.ledger.starts) < count:
        await asyncio.sleep(0.005)
    process.kill()
    await process.wait()


@pytest.mark.parametrize("output", ["out.jsonl", "out.csv"])
async def test_an_older_checkpoint_beside_a_newer_output_is_rebuilt_and_every_row_is_started_once(emulator, output):
    service = await emulator()
    write(range(400))
    assert (await run(service, "--limit", "100", "-o", output)).code == 5
    shutil.copy(CHECKPOINT, "older")
    assert (await run(service, "--limit", "100", "-o", output)).code == 5
    shutil.copy("older", CHECKPOINT)
    ran = await run(service, "-o", output)
    assert (ran.code, len(service.ledger.starts)) == (78, 200)
    written = Path(output).read_bytes()
    ran = await recover(service, "-o", output, "--concurrency", "8")
    assert "m.csv.checkpoint: rebuilt: 200 started, 16 in doubt" in ran.stderr, ran
    assert Path(f"{CHECKPOINT}.before-recover").read_bytes() == Path("older").read_bytes()
    assert (Path(output).read_bytes(), len(service.ledger.starts)) == (written, 200)
    ran = await run(service, "-o", output)
    assert (ran.code, "16 never started, will be sent again" in ran.stderr) == (0, True), ran
    assert_each_once(service, 400)


@pytest.mark.parametrize("lost", ["log", "checkpoint", "damage"])
async def test_after_a_kill_and_a_loss_every_row_is_started_once(emulator, lost):
    service = await emulator(faults={FaultKind.RESET_AFTER: 0.1}, seed=5)
    write(range(300))
    assert (await run(service, "--limit", "60", "--concurrency", "8")).code == 5
    await killed_run(service, 180)
    if lost == "checkpoint":
        CHECKPOINT.unlink()
    if lost == "damage":
        CHECKPOINT.write_bytes(CHECKPOINT.read_bytes()[:-5000] + b"x" * 5000)
    if lost != "damage":
        LOG.unlink()
        Path(f"{CHECKPOINT}-shm").unlink()
    await assert_refused(service, 74 if lost == "damage" else 78)
    await recover(service, "--concurrency", "8")
    lines = [json.loads(line) for line in Path("m.csv.executions.jsonl").read_bytes().split(b"\n")[:-1]]
    recorded = {line["row"] for line in lines if line["status"] == "started"}
    assert glance(CHECKPOINT).counts[Status.STARTED] == len(recorded)
    assert (await run(service)).code == 0
    assert_each_once(service, 300)
