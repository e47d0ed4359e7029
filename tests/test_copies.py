"""Copies of a job's files that were made one after another during a run: each is good, or it is refused."""

import asyncio
import random
import shutil
import sys
from itertools import cycle, islice, permutations
from pathlib import Path

import pytest
from test_command import ENVIRONMENT

from batcher.app.job_files import open_files
from batcher.app.voice import Voice
from batcher.app.world import World
from batcher.edges.checkpoint import reading
from batcher.errors import DiskError, OtherJobError
from batcher.model import Status

CHECKPOINT = "m.txt.checkpoint"
NAMES = (CHECKPOINT, f"{CHECKPOINT}-wal", "m.txt.executions.jsonl")
ORDERS = list(permutations(NAMES))
QUIET = World(voice=Voice(lambda *_: None), environment={})


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.long(small=1 / 60, ci=1 / 10)
async def test_a_copy_of_all_files_during_a_run_knows_every_start_before_it_or_is_refused(emulator, folder, share):
    service = await emulator(workflows={"transcode": {}})
    Path("m.txt").write_text("".join(f"o{number}\n" for number in range(1, 100_001)))
    words = ("run", "m.txt", "-w", "transcode", "-e", service.url, "-b", "videos", "--progress", "none")
    environment = ENVIRONMENT | {"XDG_STATE_HOME": "/dev/null"}
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "batcher", *words, env=environment)
    while len(service.ledger.starts) < 500:  # noqa: ASYNC110 - the ledger tells nobody
        await asyncio.sleep(0.01)
    dice = random.Random(1)
    for number, order in enumerate(share(list(islice(cycle(ORDERS), 240)))):
        assert process.returncode is None
        copy = folder / f"copy {number}"
        copy.mkdir()
        started = {start.object for start in service.ledger.starts}
        for name in order:
            # The run goes on between two files.
            await asyncio.sleep(dice.choice([0, 0.01, 0.1, 0.3]))
            await asyncio.to_thread(shutil.copyfile, name, copy / name)
        known = await known_of(copy / CHECKPOINT)
        assert known is None or started <= known, order
        shutil.rmtree(copy)
    process.kill()
    await process.wait()


async def known_of(checkpoint):
    """Give the objects of the rows that the next run does not send, None if it refuses the copy."""
    try:
        async with open_files(checkpoint, None, None, QUIET):
            pass
    except (DiskError, OtherJobError):
        return None
    with reading(checkpoint) as found:
        ended = {Status.STARTED, Status.IN_DOUBT}
        return {f"o{each.number}" for each in found.standings() if each.status in ended}
