"""A checkpoint that is older, lost or damaged is rebuilt from the output: the real command, against an independent judge."""

import asyncio
import shutil
import sys
from pathlib import Path

import pytest
from independent import judging
from test_command import ENVIRONMENT, batcher, records

CHECKPOINT, OUTPUT = "m.txt.checkpoint", "m.txt.executions.jsonl"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.txt").write_text("".join(f"o{number}\n" for number in range(1, 401)))
    return tmp_path


def words(verb, judge, *more):
    return (verb, "m.txt", "-w", "transcode", "-e", judge.url, "-b", "videos", *more)


NO_WITNESS = ENVIRONMENT | {"XDG_STATE_HOME": "/dev/null"}


async def run(judge, *more):
    return await batcher(*words("run", judge, *more), environment=NO_WITNESS)


async def recover(judge, *more):
    return await batcher(*words("recover", judge, *more), environment=NO_WITNESS)


async def test_the_checkpoint_of_an_older_backup_is_rebuilt():
    async with judging() as judge:
        assert (await run(judge, "--limit", "100")).code == 5
        shutil.copy(CHECKPOINT, "older")
        assert (await run(judge, "--limit", "100")).code == 5
        shutil.copy("older", CHECKPOINT)
        ran = await run(judge)
        assert ran.code == 78, ran
        ran = await recover(judge)
        print(ran)
        assert ran.code == 0, ran
        ran = await run(judge, "--settle-time", "1")
        print(ran)
        assert sorted(judge.objects()) == sorted(f"o{number}" for number in range(1, 401))
