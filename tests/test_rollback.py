"""An older copy of a checkpoint beside a newer output: the real command refuses it, and changes nothing."""

import asyncio
import shutil
import sys
from pathlib import Path

import pytest
from independent import judging
from test_command import ENVIRONMENT, batcher, records

from batcher.edges.checkpoint import Store
from batcher.flow.repair import unexplained
from batcher.model import Admitted, Record, Row, Status, Unsettled
from batcher.rules.rows.identity import content_key

CHECKPOINT = "m.txt.checkpoint"
REFUSED = "the checkpoint is older than this output, which has a record of row "


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.txt").write_text("".join(f"o{number}\n" for number in range(1, 401)))
    return tmp_path


def words(judge, *more):
    return ("run", "m.txt", "-w", "transcode", "-e", judge.url, "-b", "videos", *more)


NO_WITNESS = ENVIRONMENT | {"XDG_STATE_HOME": "/dev/null"}
"""As on another machine: only the job's own files say what happened."""


async def run(judge, *more):
    return await batcher(*words(judge, *more), environment=NO_WITNESS)


def contents():
    # A killed run leaves its lock file, which the next run removes.
    return {path.name: path.read_bytes() for path in Path().iterdir() if path.is_file() and path.suffix != ".lock"}


async def assert_refused(judge, *more):
    """Check that a run is refused, that nothing arrives at the service and that no file is changed."""
    before, arrived = contents(), len(judge.bodies)
    ran = await run(judge, *more)
    assert (ran.code, REFUSED in ran.stderr) == (78, True), ran
    assert "Put the newest checkpoint of this job back, with its -wal file" in ran.stderr
    assert (contents(), len(judge.bodies)) == (before, arrived)


@pytest.mark.parametrize("output", ["out.jsonl", "out.csv"])
async def test_a_checkpoint_that_is_older_than_the_output_is_refused_and_the_newest_one_goes_on(output):
    async with judging() as judge:
        assert (await run(judge, "--limit", "100", "-o", output)).code == 5
        shutil.copy(CHECKPOINT, "older")
        assert (await run(judge, "--limit", "100", "-o", output)).code == 5
        shutil.copy(CHECKPOINT, "newest")
        shutil.copy("older", CHECKPOINT)
        await assert_refused(judge, "-o", output)
        # Another output does not hide it.
        await assert_refused(judge, "-o", "another.jsonl")
        shutil.copy("newest", CHECKPOINT)
        assert (await run(judge, "-o", output)).code == 0
        assert sorted(judge.objects()) == sorted(f"o{number}" for number in range(1, 401))


async def test_a_checkpoint_that_has_lost_its_log_is_refused(folder):
    async with judging() as judge:
        assert (await run(judge, "--limit", "100")).code == 5
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "batcher", *words(judge, "--max-rate", "200", "--progress", "none"), env=NO_WITNESS
        )
        await judge.received(220)
        process.kill()
        await process.wait()
        log = folder / f"{CHECKPOINT}-wal"
        kept = log.read_bytes()
        log.unlink()
        # The memory that readers share belongs to the log.
        (folder / f"{CHECKPOINT}-shm").unlink()
        await assert_refused(judge)
        log.write_bytes(kept)
        assert (await run(judge, "--on-doubt", "hold")).code == 3
        assert len(set(judge.objects())) == len(judge.objects())


async def test_a_reconcile_and_a_dismissal_refuse_it_too():
    async with judging() as judge:
        assert (await run(judge, "--limit", "10")).code == 5
        shutil.copy(CHECKPOINT, "older")
        assert (await run(judge, "--limit", "10")).code == 5
        shutil.copy("older", CHECKPOINT)
        for command in (("reconcile", CHECKPOINT), ("failures", "m.txt", "--dismiss")):
            ran = await batcher(*command, environment=NO_WITNESS)
            assert (ran.code, REFUSED in ran.stderr) == (78, True), ran


async def test_records_that_a_crash_left_in_one_output_are_no_rollback_after_a_run_with_another(folder):
    (folder / "m.txt").write_text("o1\no2\no3\n")
    async with judging() as judge:
        assert (await run(judge, "--limit", "1", "-o", "a.jsonl")).code == 5
        known = (folder / "a.jsonl").stat().st_size
        shutil.copy(CHECKPOINT, "before")
        assert (await run(judge, "--limit", "1", "-o", "a.jsonl")).code == 5
        # As a crash leaves it between the record of a row and its verdict: the intent is in the checkpoint.
        crashed = (folder / "a.jsonl").read_bytes()
        shutil.copy("before", CHECKPOINT)
        (folder / "a.jsonl").write_bytes(crashed[:known])
        admit_row_2(folder / CHECKPOINT)
        (folder / "a.jsonl").write_bytes(crashed)
        assert (await run(judge, "-o", "b.jsonl", "--on-doubt", "hold")).code == 3
        ran = await run(judge, "-o", "a.jsonl", "--on-doubt", "hold")
        assert ran.code == 3, ran
        assert [record["row"] for record in records(folder / "a.jsonl")] == [1, 2]


def admit_row_2(path):
    """Leave the second row between its intent and its verdict."""
    store = Store.open(path, None)
    store.begin()
    found = store.sift([Row(2, 2, "videos", "o2", b"", content_key("videos", "o2", b""))], frozenset()).found
    store.admit([Admitted(found[0].id, found[0].row, Status.SENDING)], 1.0)
    store.commit()
    store.close()


def _left(number, object_):
    return Unsettled(number, Status.SENDING, number, "b", object_, b"", "", 100.0)


def _record(number, object_, bucket="b"):
    return Record(number, bucket, object_, Status.STARTED, f"e{number}")


def test_after_a_crash_each_record_is_of_a_row_that_was_left_open():
    left = [_left(1, "a"), _left(2, "b")]
    assert unexplained(left, [_record(2, "b"), _record(1, "a"), _record(2, "b")]) is None
    assert unexplained([], []) is None


@pytest.mark.parametrize("record", [_record(3, "c"), _record(2, "other"), _record(2, "b", "other")])
def test_a_record_of_any_other_row_is_named(record):
    assert unexplained([_left(2, "b")], [_record(2, "b"), record]) == record
