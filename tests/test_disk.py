"""A full, failing or read-only disk under the real command: it stops at once, and the same command finishes the list.

The emulator's ledger is the judge: it knows what truly started, whatever the command's own files say.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import KEYS
from launching import run_to_end
from peek import kept_rows

from batcher.edges.checkpoint.lock import Lock

ROWS = 300
CONCURRENCY = 8
SHIM = Path(__file__).with_name("shim.py")
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith(("OBS_", "HW_", "HUAWEI", "BATCHER_"))},
    **KEYS,
    # The command is found from here, wherever it is run.
    "PYTHONPATH": str(Path(__file__).parents[1]),
}


class Ran:
    def __init__(self, code, stderr):
        self.code, self.stderr = code, stderr.decode()

    def __repr__(self):
        return f"exit {self.code}\n{self.stderr}"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("m.txt").write_text("".join(f"o{number}\n" for number in range(1, ROWS + 1)))
    return tmp_path


@pytest.fixture
async def service(emulator):
    return await emulator(workflows={"transcode": {}})


async def run(service, *words, fault=None):
    """Run the job to its end, on a disk with `fault` (its name in the shim and its number) if there is one."""
    job = ["run", "m.txt", "-w", "transcode", "-e", service.url, "-b", "videos", "--concurrency", CONCURRENCY]
    job += ["--settle-time", 0, "--progress", "none", *words]
    if fault is None:
        code, _, stderr = await run_to_end(job, ENVIRONMENT, Path.cwd())
        return Ran(code, stderr)
    shim = [SHIM, *fault, f"{service.url}/emulator/ledger"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *map(str, [*shim, *job]), env=ENVIRONMENT, stderr=subprocess.PIPE
    )
    _, stderr = await asyncio.wait_for(process.communicate(), 60)
    return Ran(process.returncode, stderr)


def assert_stopped(ran, file):
    """Check that the job ended for want of a disk, named the file and said what to do."""
    assert ran.code == 74, ran
    assert "Traceback" not in ran.stderr
    error, advice = [line for line in ran.stderr.splitlines() if "warning" not in line][-2:]
    assert error.startswith(f"batcher: error: {file}: "), ran
    assert "run the same command again" in advice, ran


def started(service):
    """Give the numbers of the rows that have truly been started, in their order, repeated ones too."""
    return sorted(int(start.object.removeprefix("o")) for start in service.ledger.starts)


def with_intent():
    """Give the numbers of the rows that the checkpoint remembers."""
    return {row.number for row in kept_rows(Path("m.txt.checkpoint"))}


async def assert_finishes(service, output="m.txt.executions.jsonl"):
    """Check that the same command on a sound disk starts what is left, once, and tells the truth about every row."""
    ran = await run(service)
    assert ran.code == 0, ran
    assert started(service) == list(range(1, ROWS + 1))
    told = {}
    for line in Path(output).read_bytes().splitlines():
        record = json.loads(line)
        told[record["object"]] = (record["status"], record["execution_name"])
    assert told == {start.object: ("started", start.execution_name) for start in service.ledger.starts}


CHECKPOINT, OUTPUT = "m.txt.checkpoint", "m.txt.executions.jsonl"
STRIKES = [
    *[("commit EIO", at, CHECKPOINT) for at in (1, 2, 4, 5, 6, 7, 8, 9, 12, 15)],
    *[("commit ENOSPC", at, CHECKPOINT) for at in (7, 14)],
    *[("write ENOSPC", at, OUTPUT) for at in (1, 2, 6)],
    *[("write EIO", at, OUTPUT) for at in (1, 3)],
    *[("sync EIO", at, OUTPUT) for at in (1, 2, 5)],
]


@pytest.mark.long(small=1 / 4, ci=1 / 2)
@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("name", "at", "file"), STRIKES)
async def test_when_the_disk_fails_no_more_is_sent_than_had_its_intent_and_the_same_command_finishes(
    service, name, at, file
):
    ran = await run(service, fault=(name, at))
    assert_stopped(ran, file)
    sent_before = json.loads(Path("struck").read_text())["starts"]
    # Rows whose intent was durable before may be on their way; their number is bounded, and no others follow them.
    assert len(started(service)) <= min(sent_before + 2 * CONCURRENCY, ROWS - 1)
    assert set(started(service)) <= with_intent()
    await assert_finishes(service)


@pytest.mark.long(small=1 / 3, ci=1 / 2)
@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("name", "at", "file"),
    [
        ("pages", 3, CHECKPOINT),
        ("pages", 6, CHECKPOINT),
        ("file size", 0, CHECKPOINT),
        ("file size", 20_000, CHECKPOINT),
        ("file size", 100_000, CHECKPOINT),
    ],
)
async def test_when_sqlite_itself_meets_a_full_disk_the_job_stops_and_the_same_command_finishes(
    service, name, at, file
):
    ran = await run(service, fault=(name, at))
    assert_stopped(ran, file)
    assert len(started(service)) < ROWS
    assert set(started(service)) <= with_intent()
    await assert_finishes(service)


@pytest.mark.usefixtures("folder")
async def test_an_output_that_cannot_be_closed_is_told_without_a_traceback(service):
    ran = await run(service, fault=("close EIO", 0))
    assert_stopped(ran, OUTPUT)
    await assert_finishes(service)


@contextmanager
def mounted(folder, size):
    """Put a file system of so many bytes on a folder, where that is allowed."""
    folder.mkdir()
    mount = shutil.which("mount")
    if (
        mount is None
        or subprocess.run([mount, "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=False).returncode
    ):
        pytest.skip("no file system can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.long(small=1 / 2, ci=1 / 2)
@pytest.mark.parametrize(
    ("option", "size", "file"), [("--output", 16_384, "small/o.jsonl"), ("--checkpoint", 131_072, "small/c")]
)
async def test_on_a_small_file_system_the_job_stops_and_goes_on_once_there_is_room(service, folder, option, size, file):
    with mounted(folder / "small", size):
        ran = await run(service, option, file)
        assert_stopped(ran, file)
        assert "No space" in ran.stderr or "full" in ran.stderr, ran
        enlarge(folder / "small")
        ran = await run(service, option, file)
        assert ran.code == 0, ran
    assert started(service) == list(range(1, ROWS + 1))


def enlarge(folder):
    subprocess.run(["mount", "-o", "remount,size=10M", folder], check=True)


@contextmanager
def unwritable(path):
    """Let nobody write a file: by its mode, or for root, whom a mode does not stop, by its attribute."""
    if os.geteuid() != 0:
        mode = path.stat().st_mode
        path.chmod(mode & ~0o222)
        try:
            yield
        finally:
            path.chmod(mode)
        return
    chattr = shutil.which("chattr")
    if chattr is None or subprocess.run([chattr, "+i", path], check=False, capture_output=True).returncode:
        pytest.skip("no file can be made unwritable for root here")
    try:
        yield
    finally:
        subprocess.run([chattr, "-i", path], check=True)


async def test_a_folder_that_cannot_be_written_any_more_keeps_the_lock_file_but_not_the_lock(folder):
    kept = folder / "kept"
    kept.mkdir()
    lock = Lock(kept / "m.checkpoint")
    with unwritable(kept):
        lock.release()
    assert [path.name for path in kept.iterdir()] == ["m.checkpoint.lock"]
    Lock(kept / "m.checkpoint").release()
    assert list(kept.iterdir()) == []


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("file", [CHECKPOINT, OUTPUT])
async def test_a_file_that_cannot_be_written_stops_the_job_before_it_sends_anything(service, file):
    limited = await run(service, "--max-rate", 1000, fault=("write ENOSPC", 3))
    assert_stopped(limited, OUTPUT)
    before = started(service)
    with unwritable(Path(file)):
        assert_stopped(await run(service), file)
        assert started(service) == before
    await assert_finishes(service)


@pytest.mark.parametrize("fault", ["lock ENOLCK", "lock EOPNOTSUPP"])
async def test_a_filesystem_without_locks_is_refused_before_anything_is_sent(folder, service, fault):
    ran = await run(service, fault=(fault, 1))
    assert (ran.code, "this filesystem has no locks" in ran.stderr, service.ledger.starts) == (74, True, []), ran
    assert not list(folder.glob("*.executions.jsonl"))
