"""One job, one run: a second run meets the first one by whatever path it comes to the checkpoint."""

import asyncio
import os
import shutil
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from independent import judging
from peek import kept_rows
from test_checkpoint import CARD, row, take_in
from test_command import ENVIRONMENT, batcher

from batcher.edges.checkpoint import open_checkpoint, reading
from batcher.errors import BusyError

CHECKPOINT = Path("job/c.checkpoint")
HAS_MOUNTS = shutil.which("unshare") and not subprocess.run(["unshare", "-rm", "true"], check=False).returncode


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "job").mkdir()
    return tmp_path


def words(judge, checkpoint, output):
    return (
        "run", "-", "-w", "transcode", "-e", judge.url, "-b", "videos", "--format", "txt", "--progress", "none",
        "-c", str(checkpoint), "-o", output,
    )  # fmt: skip


@asynccontextmanager
async def first_run(judge):
    """Start a run that has started one row and waits for the next one; it is finished in the end."""
    command = (sys.executable, "-m", "batcher", *words(judge, CHECKPOINT, "one.jsonl"))
    first = await asyncio.create_subprocess_exec(*command, env=ENVIRONMENT, stdin=asyncio.subprocess.PIPE)
    first.stdin.write(b"a\n")
    await judge.received(1)
    yield first
    first.stdin.write(b"b\n")
    first.stdin.close()
    assert await first.wait() == 0


async def assert_busy(judge, checkpoint):
    ran = await batcher(*words(judge, checkpoint, "two.jsonl"), stdin=b"c\n")
    assert (ran.code, "another run is using this checkpoint" in ran.stderr) == (75, True), ran


async def test_a_symbolic_link_and_a_deleted_lock_lead_to_the_same_run():
    Path("link.checkpoint").symlink_to(CHECKPOINT)
    async with judging() as judge:
        async with first_run(judge):
            await assert_busy(judge, "link.checkpoint")
            Path(f"{CHECKPOINT}.lock").unlink()
            await assert_busy(judge, CHECKPOINT)
            await assert_busy(judge, "link.checkpoint")
            assert "a run is in progress" in (await batcher("status", "link.checkpoint")).stdout
        assert "no run is in progress" in (await batcher("status", CHECKPOINT)).stdout
        assert judge.objects() == ["a", "b"]
        assert [kept.number for kept in kept_rows(CHECKPOINT)] == [1, 2]


@pytest.mark.skipif(not HAS_MOUNTS, reason="this user may not mount")
async def test_a_bind_mount_of_the_file_alone_leads_to_the_same_run(folder):
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "c").touch()
    async with judging() as judge:
        async with first_run(judge):
            command = " ".join(("batcher", *words(judge, elsewhere / "c", "two.jsonl")))
            script = f"mount --bind {CHECKPOINT} {elsewhere}/c && exec {command.replace('batcher', '$0 -m batcher', 1)}"
            second = await asyncio.create_subprocess_exec(
                "unshare", "-rm", "sh", "-c", script, sys.executable,
                env=ENVIRONMENT, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
            )  # fmt: skip
            _, told = await second.communicate()
            assert (second.returncode, b"another run is using this checkpoint" in told) == (75, True), told
        assert judge.objects() == ["a", "b"]


async def test_a_checkpoint_with_two_names_is_refused_until_the_other_is_removed():
    async with judging() as judge:
        assert (await batcher(*words(judge, CHECKPOINT, "one.jsonl"), stdin=b"a\n")).code == 0
        os.link(CHECKPOINT, "other.checkpoint")
        for name in (CHECKPOINT, "other.checkpoint"):
            ran = await batcher(*words(judge, name, "one.jsonl"), stdin=b"a\nb\n")
            assert (ran.code, "has 2 names (hard links)" in ran.stderr) == (78, True), ran
            assert "Remove the other names" in ran.stderr
            assert (await batcher("status", name)).code == 78
        Path("other.checkpoint").unlink()
        assert (await batcher(*words(judge, CHECKPOINT, "one.jsonl"), stdin=b"a\nb\n")).code == 0
        assert judge.objects() == ["a", "b"]


async def test_a_second_run_in_the_same_process_does_not_take_the_locks_of_sqlite_from_the_first():
    async with open_checkpoint(CHECKPOINT, CARD) as checkpoint:
        await take_in(checkpoint, [row(1)])
        Path(f"{CHECKPOINT}.lock").unlink()
        with pytest.raises(BusyError):
            async with open_checkpoint(CHECKPOINT, CARD):
                pass
        with reading(CHECKPOINT) as looking:
            assert looking.count().total() == 1
        assert _has_sqlite_lock(CHECKPOINT)
    async with open_checkpoint(CHECKPOINT, CARD):
        pass


def _has_sqlite_lock(path):
    """Ask the system whether this process holds a lock of SQLite's kind on a file."""
    found = path.stat()
    name = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    locks = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    return any(each[1] == "POSIX" and each[4] == str(os.getpid()) and each[5] == name for each in locks)
