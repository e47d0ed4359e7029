"""A checkpoint that is older, lost or damaged is rebuilt from the output. The emulator's ledger is the judge."""

import asyncio
import json
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import count as counting
from itertools import product
from pathlib import Path

import pytest
from test_command import ENVIRONMENT, batcher

from batcher.app.recover import recover as recover_job
from batcher.app.voice import Voice
from batcher.app.world import World
from batcher.edges.checkpoint import Store, glance
from batcher.emulator.faults import FaultKind
from batcher.model import Status
from batcher.options.verbs import RecoverOptions

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
    while len(service.ledger.starts) < count:  # noqa: ASYNC110 - the ledger tells nobody
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


@pytest.mark.long(small=1 / 3, ci=1 / 2)
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
    if lost == "log":
        LOG.unlink()
        Path(f"{CHECKPOINT}-shm").unlink()
    if lost != "checkpoint":
        # With the checkpoint alone lost, its log is not taken for that of the new one.
        await assert_refused(service, 74 if lost == "damage" else 78)
    await recover(service, "--concurrency", "8")
    lines = [json.loads(line) for line in Path("m.csv.executions.jsonl").read_bytes().split(b"\n")[:-1]]
    recorded = {line["row"] for line in lines if line["status"] == "started"}
    assert glance(CHECKPOINT).counts[Status.STARTED] == len(recorded)
    assert (await run(service)).code == 0
    assert_each_once(service, 300)


async def test_rows_that_were_moved_or_edited_after_the_loss_are_started_once(emulator):
    service = await emulator()
    write(range(40))
    assert (await run(service, "--limit", "20", "--concurrency", "4")).code == 5
    CHECKPOINT.unlink()
    lines = Path("m.csv").read_text().splitlines()
    # Two new rows before all others give rows of the same object the numbers of each other. One row has other inputs.
    lines[1:1] = ["new,a", "o0,a"]
    lines[8] = "o5,edited"
    Path("m.csv").write_text("".join(f"{line}\n" for line in lines))
    await recover(service, "--concurrency", "4")
    ran = await run(service)
    assert ran.code == 0, ran
    contents = {(start.object, json.loads(start.inputs)["note"]) for start in service.ledger.starts}
    assert contents >= {tuple(line.split(",")) for line in lines[1:] if line != "o5,edited"}
    assert_each_once(service, len(contents))


async def test_an_output_that_is_older_than_the_witness_is_refused(emulator, folder):
    service = await emulator()
    write(range(30))
    environment = ENVIRONMENT | {"XDG_STATE_HOME": str(folder / "state")}
    output = Path("m.csv.executions.jsonl")
    kept = []
    for _ in range(3):
        assert (await run(service, "--limit", "8", environment=environment)).code == 5
        kept.append((CHECKPOINT.read_bytes(), output.read_bytes()))
    CHECKPOINT.write_bytes(kept[0][0])
    output.write_bytes(kept[1][1])
    command = words("recover", service, "--concurrency", "2")
    ran = await batcher(*command, environment=environment)
    assert (ran.code, "the output is an older copy too" in ran.stderr) == (78, True), ran
    assert (CHECKPOINT.read_bytes(), output.read_bytes()) == (kept[0][0], kept[1][1])
    output.write_bytes(kept[2][1])
    ran = await batcher(*command, environment=environment)
    assert ran.code == 0, ran
    # The former one is still an older copy.
    newest = CHECKPOINT.read_bytes()
    CHECKPOINT.write_bytes(kept[2][0])
    assert (await run(service, environment=environment)).code == 78
    CHECKPOINT.write_bytes(newest)
    assert (await run(service, environment=environment)).code == 0
    assert_each_once(service, 30)


async def test_what_cannot_be_rebuilt_is_refused_and_nothing_is_changed(emulator, folder):
    service = await emulator()
    write(range(20))
    assert (await run(service, "--limit", "10")).code == 5
    output = Path("m.csv.executions.jsonl")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    lines = output.read_bytes().splitlines(keepends=True)
    cases = {
        ("-b", "other-bucket"): "rows of this job rely on its default bucket",
        ("-o", "missing.jsonl"): "missing.jsonl: no such output",
        ("-w", "another"): "this checkpoint belongs to another job",
    }
    for more, told in cases.items():
        ran = await batcher(*words("recover", service, *more), environment=NO_WITNESS)
        assert (ran.code in {74, 78}, told in ran.stderr) == (True, True), ran
    output.write_bytes(b"".join([*lines[:4], b"{damaged\n", *lines[5:]]))
    CHECKPOINT.unlink()
    ran = await batcher(*words("recover", service), environment=NO_WITNESS)
    assert (ran.code, "is damaged" in ran.stderr) == (74, True), ran
    assert {path.name for path in folder.iterdir()} == before.keys() - {CHECKPOINT.name}


STEPS = 14
"""At least as many as a recover has."""


@pytest.mark.long(small=1 / 7, ci=1 / 2)
async def test_a_recover_that_dies_at_any_step_leaves_the_former_checkpoint_or_the_new_one(emulator, folder, share):
    """The steps are commits, syncs and changes of names; the process ends at each of them as a kill ends it."""
    service = await emulator()
    Path("m.csv").write_text("object\n" + "".join(f"o{number}\n" for number in range(12)))
    assert (await run(service, "--limit", "4")).code == 5
    shutil.copy(CHECKPOINT, "older")
    assert (await run(service, "--limit", "4")).code == 5
    older = Path("older").read_bytes()
    options = RecoverOptions(manifest="m.csv", workflow="transcode", endpoint=service.url, bucket="videos")
    for step, former in share(product(range(1, STEPS + 1), (older, older[:-3000] + b"x" * 3000))):
        for path in folder.glob(f"{CHECKPOINT}*"):
            path.unlink()
        CHECKPOINT.write_bytes(former)
        if former != older:
            LOG.write_bytes(b"log")
        died = recover_and_die_at(step, options)
        now = CHECKPOINT.read_bytes() if CHECKPOINT.exists() else None
        if now is None:
            assert former != older
            await assert_refused(service)
            CHECKPOINT.unlink()
        elif now != former:
            assert not LOG.exists()
            assert glance(CHECKPOINT).counts[Status.STARTED] == 8
        assert died or step > STEPS - 5
        assert not recover_and_die_at(0, options)
        assert glance(CHECKPOINT).counts[Status.STARTED] == 8
        assert not list(folder.glob("*.recovering*"))
    assert (await run(service)).code == 0
    assert_each_once(service, 12)


def recover_and_die_at(step, options):
    """Recover in a process of its own. Return whether it ended at that step."""
    child = os.fork()
    if not child:
        code = 1
        try:
            steps = counting(1)
            acts = (os, "fsync"), (Path, "replace"), (Path, "rename"), (Store, "commit"), (shutil, "copy2")
            for owner, name in acts:
                setattr(owner, name, dying(getattr(owner, name), steps, step))
            quiet = World(voice=Voice(lambda *_: None), environment={})
            # A loop runs in the process that forked, so this one has a thread with a loop of its own.
            with ThreadPoolExecutor(1) as pool:
                code = int(pool.submit(lambda: asyncio.run(recover_job(options, quiet))).result())
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in {0, 9}
    return code == 9


def dying(act, steps, step):
    def counted(*arguments, **options):
        done = act(*arguments, **options)
        if next(steps) == step:
            os._exit(9)
        return done

    return counted
