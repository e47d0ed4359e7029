"""Runs of shards: the real command against the emulator, whose ledger is the judge."""

import asyncio
import json
import os
import shutil
from collections import Counter

import pytest
from test_after import started
from test_command import ENVIRONMENT, batcher, records

import batcher as library
from batcher.edges.checkpoint import glance, reading
from batcher.edges.checkpoint.facts import PREFIX
from batcher.edges.checkpoint.lock import Lock
from batcher.emulator.faults import FaultKind
from batcher.errors import OtherJobError
from batcher.model import Status
from batcher.rules.rows.settled_prefix import decoded
from batcher.rules.shards.ownership import owner

ROWS = [*(f"in/clip {number:02}.mp4" for number in range(60)), "in/clip 07.mp4", "in/clip 51.mp4", "\x00"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def words(service, manifest, *more):
    job = ("run", manifest, "-w", "transcode", "-e", service.url, "-b", "videos", "--progress", "none")
    return (*job, "--settle-time", "0.5", *more)


def run(service, manifest, *more, **options):
    return batcher(*words(service, manifest, *more), **options)


def shards(service, manifest, of, *more):
    """Run all shards at once."""
    return asyncio.gather(*(run(service, manifest, "--shard", f"{number}/{of}", *more) for number in range(of)))


def write(path, rows=ROWS):
    path.write_text("".join(f"{row}\n" for row in rows))
    return path


async def test_shards_that_run_at_once_start_each_row_of_the_list_once_and_keep_its_number(folder, emulator):
    service = await emulator()
    write(folder / "m.txt")
    ran = await shards(service, "m.txt", 3)
    assert sorted(each.code for each in ran) in ([0, 0, 1], [1, 1, 1], [0, 1, 1])
    assert started(service) == Counter(set(ROWS) - {"\x00"})
    assert [f"about 21 rows of shard {number}/3 in m.txt" in each.stderr for number, each in enumerate(ran)] == [
        True
    ] * 3
    written = [
        record for number in range(3) for record in records(folder / f"m.txt.run/shard-0000{number}.executions.jsonl")
    ]
    assert {record["row"]: record["object"] for record in written} == dict(enumerate(ROWS, 1))
    assert Counter(record["status"] for record in written) == {"started": 60, "duplicate": 2, "invalid": 1}
    assert (
        sum(sum(glance(folder / f"m.txt.run/shard-0000{number}.checkpoint").counts.values()) for number in range(3))
        == 63
    )
    assert {path.stat().st_mode & 0o077 for path in [folder / "m.txt.run", *(folder / "m.txt.run").iterdir()]} == {0}
    again = await shards(service, "m.txt", 3)
    assert [each.code for each in again] == [each.code for each in ran]
    assert len(service.ledger.starts) == 60


async def test_a_shard_without_rows_of_its_own_is_finished_and_a_list_without_rows_is_not(folder, emulator):
    service = await emulator()
    write(folder / "m.txt", ["only"])
    assert sorted(each.code for each in await shards(service, "m.txt", 2)) == [0, 0]
    assert started(service) == Counter(["only"])
    (folder / "n.csv").write_text("object\n")
    assert (await run(service, "n.csv", "--shard", "0/2")).code == 65


async def test_answers_that_are_lost_in_all_shards_at_once_are_settled_without_asking_for_the_starts_of_other_shards(
    folder, emulator
):
    service = await emulator(faults={FaultKind("reset-after"): 0.3}, seed=5)
    rows = [f"in/{number}" for number in range(300)]
    # As alike as a service may show them.
    rows += [f"IN/{number}" for number in range(40)] + [f"in//{number}" for number in range(40)]
    write(folder / "m.txt", rows)
    codes = [None]
    for _ in range(6):
        ran = await shards(service, "m.txt", 3, "--concurrency", "8")
        codes = [each.code for each in ran]
        if codes == [0, 0, 0]:
            break
    assert codes == [0, 0, 0], ran
    assert started(service) == Counter(rows)
    doubts = sum(
        1
        for number in range(3)
        for each in records(folder / f"m.txt.run/shard-0000{number}.executions.jsonl")
        if each.get("reconciled")
    )
    assert doubts > 50
    # Each shard asks for the starts whose answers were lost, also those that another one has not settled yet.
    assert service.ledger.requests["execution"] < 4 * doubts
    assert "another client" not in "".join(each.stderr for each in ran)


async def test_a_command_that_could_start_rows_of_a_shard_again_is_refused_before_it_asks_anything(folder, emulator):
    service = await emulator()
    write(folder / "m.txt")
    write(folder / "plain.txt", ["a"])
    assert (await run(service, "plain.txt")).code == 0
    assert (await run(service, "m.txt", "--shard", "0/3")).code in {0, 1}
    before = service.ledger.requests.total()
    one_of = dict(ENVIRONMENT)
    refused = [
        (("m.txt", "--shard", "1/4"), {}, 78, "the job has 3 shards, not 4"),
        (("m.txt", "--shard", "1/3", "-i", "a=b"), {}, 78, "static inputs"),
        (("m.txt", "--shard", "1/3", "--allow-duplicates"), {}, 78, "allow duplicates"),
        (("m.txt",), {}, 78, "this list is run in 3 shards, and this command names none"),
        (("m.txt", "-c", "m.txt.run/shard-00000.checkpoint"), {}, 78, "names none"),
        (("plain.txt", "--shard", "0/2"), {}, 78, "this list is run without shards"),
        (("plain.txt", "-c", "m.txt.run/shard-00000.checkpoint", "-o", "p.jsonl"), {}, 78, "shard '0/3', not ''"),
        (("m.txt", "--shard", "1/3", "-c", "c"), {}, 2, "--checkpoint and shards cannot be combined"),
        (("m.txt", "--shard", "1/3", "-o", "o.jsonl"), {}, 2, "--output and shards cannot be combined"),
        (("m.txt", "--shard", "1/3", "--dry-run"), {}, 2, "--dry-run and shards cannot be combined"),
        (("m.txt", "--shard", "1"), {}, 2, "expected a shard such as 0/8"),
        (("m.txt",), {"JOB_COMPLETION_INDEX": "1"}, 2, "JOB_COMPLETION_INDEX is set, but not the number"),
        (("m.txt",), {"JOB_COMPLETION_INDEX": "1", "BATCHER_SHARDS": "4"}, 78, "the job has 3 shards, not 4"),
    ]
    for given, more, code, said in refused:
        ran = await run(service, *given, environment=one_of | more)
        assert (ran.code, said in ran.stderr) == (code, True), (given, ran)
    write(folder / "m.txt", [*ROWS[:-1], "z"])
    ran = await run(service, "m.txt", "--shard", "1/3")
    assert (ran.code, "the manifest is not the one that the job began with" in ran.stderr) == (78, True), ran
    assert service.ledger.requests.total() == before
    write(folder / "m.txt")
    lock = Lock(folder / "m.txt.run/shard-00001.checkpoint")
    try:
        assert (await run(service, "m.txt", "--shard", "1/3")).code == 75
    finally:
        lock.release()
    # A flag wins over the environment, whatever that says.
    assert (await run(service, "m.txt", "--shard", "1/3", environment=one_of | {"JOB_COMPLETION_INDEX": "2"})).code in {
        0,
        1,
    }
    scheduled = {"SLURM_ARRAY_TASK_ID": "12", "SLURM_ARRAY_TASK_MIN": "10", "BATCHER_SHARDS": "3"}
    assert (await run(service, "m.txt", environment=one_of | scheduled)).code in {0, 1}
    assert started(service) == Counter(["a", *set(ROWS) - {"\x00"}])


@pytest.mark.usefixtures("folder")
async def test_a_list_that_can_be_read_only_once_is_piped_into_every_shard_and_needs_the_name_of_a_folder(emulator):
    service = await emulator()
    piped = "".join(f"key {number}\n" for number in range(50)).encode()
    ran = await run(service, "-", "--format", "txt", "--shard", "0/2", stdin=piped)
    assert (ran.code, "Give --run-dir DIR" in ran.stderr) == (2, True), ran
    for number in range(2):
        ran = await run(service, "-", "--format", "txt", "--shard", f"{number}/2", "--run-dir", "r", stdin=piped)
        assert ran.code == 0, ran
    assert started(service) == Counter(f"key {number}" for number in range(50))


async def test_a_wrong_command_leaves_no_plan_that_the_right_one_would_have_to_follow(folder, emulator):
    service = await emulator()
    write(folder / "m.txt", ["a", "b"])
    ran = await batcher(*("run", "m.txt", "-w", "absent", "-e", service.url, "-b", "videos", "--shard", "0/2"))
    assert ran.code != 0, ran
    assert not os.path.lexists("m.txt.run/plan.json")
    assert [each.code for each in await shards(service, "m.txt", 2)] == [0, 0]


async def test_a_program_runs_shards_and_its_environment_assigns_none(folder, emulator):
    service = await emulator()
    keys = service.settings.credentials
    environment = {
        "OBS_ACCESS_KEY_ID": keys.access_key,
        "OBS_SECRET_ACCESS_KEY": keys.secret_key,
        "JOB_COMPLETION_INDEX": "1",
    }
    job = {"workflow": "transcode", "endpoint": service.url, "bucket": "videos", "environment": environment}
    rows = [f"key {number}" for number in range(30)]
    seen = []
    for number in range(2):
        async with library.run(rows, shard=f"{number}/2", run_dir="r", **job) as running:
            seen += [record.object async for record in running]
        assert running.exit_code == 0
    assert sorted(seen) == sorted(rows)
    assert started(service) == Counter(rows)
    write(folder / "m.txt", rows)
    async with library.run("m.txt", **job) as running:
        assert {record.status async for record in running} == {Status.STARTED}
    with pytest.raises(OtherJobError):
        async with library.run("m.txt", shard="0/2", **job):
            pass
    assert json.loads((folder / "r/plan.json").read_text())["manifest"] is None


async def test_a_lost_checkpoint_of_a_shard_is_rebuilt_and_its_rows_are_started_once(folder, emulator):
    service = await emulator(faults={FaultKind("reset-after"): 0.2}, seed=4)
    rows = [f"in/{number}" for number in range(200)]
    write(folder / "m.txt", rows)
    homeless = {"environment": ENVIRONMENT | {"XDG_STATE_HOME": "/dev/null"}}
    for number in range(2):
        await run(service, "m.txt", "--shard", f"{number}/2", "--limit", "50", "--concurrency", "4", **homeless)
    checkpoint = folder / "m.txt.run/shard-00001.checkpoint"
    checkpoint.unlink()
    ran = await run(service, "m.txt", "--shard", "1/2", **homeless)
    assert (ran.code, "batcher recover" in ran.stderr) == (78, True), ran
    words_ = ("m.txt", "-w", "transcode", "-e", service.url, "-b", "videos")
    for wrong, code in ((("--shard", "1/3"), 78), ((), 78), (("--shard", "1/2", "-o", "o.jsonl"), 2)):
        assert (await batcher("recover", *words_, *wrong, **homeless)).code == code
    ran = await batcher("recover", *words_, "--shard", "1/2", "--concurrency", "4", **homeless)
    assert (ran.code, "--shard 1/2" in ran.stderr) == (0, True), ran
    service.settings.faults.clear()
    for number in range(2):
        ran = await run(service, "m.txt", "--shard", f"{number}/2", **homeless)
        assert ran.code == 0, ran
    assert started(service) == Counter(rows)


async def test_starts_of_other_shards_are_not_unknown_to_a_shard_that_is_resumed_on_another_machine(folder, emulator):
    service = await emulator()
    write(folder / "m.txt", [f"in/{number}" for number in range(60)])
    homeless = {"environment": ENVIRONMENT | {"XDG_STATE_HOME": "/dev/null"}}
    for words_ in (("0/2", "--limit", "5"), ("1/2",), ("0/2",)):
        ran = await run(service, "m.txt", "--shard", *words_, **homeless)
    assert ran.code == 0, ran
    assert "executions that this checkpoint does not know: none" in ran.stderr
    assert service.ledger.requests["execution"] < 10
    assert started(service) == Counter(f"in/{number}" for number in range(60))


async def test_an_older_copy_of_a_shard_holds_its_rows_and_no_row_is_started_twice(folder, emulator):
    service = await emulator()
    write(folder / "m.txt", [f"in/{number}" for number in range(60)])
    homeless = {"environment": ENVIRONMENT | {"XDG_STATE_HOME": "/dev/null"}}
    await run(service, "m.txt", "--shard", "0/2", "--limit", "5", **homeless)
    shutil.copytree("m.txt.run", "copy")
    for number in range(2):
        assert (await run(service, "m.txt", "--shard", f"{number}/2", **homeless)).code == 0
    for path in (folder / "copy").iterdir():
        shutil.copy(path, folder / "m.txt.run" / path.name)
    ran = await run(service, "m.txt", "--shard", "0/2", **homeless)
    assert (ran.code, "rows that they fit are held" in ran.stderr) == (3, True), ran
    assert started(service) == Counter(f"in/{number}" for number in range(60))


async def test_a_list_and_its_run_folder_can_be_moved_or_copied_together(folder, emulator, monkeypatch):
    service = await emulator()
    (folder / "one").mkdir()
    write(folder / "one/m.txt", [f"in/{number}" for number in range(40)])
    monkeypatch.chdir(folder / "one")
    assert (await run(service, "m.txt", "--shard", "0/2", "--limit", "5")).code == 5
    shutil.copytree(folder / "one", folder / "two")
    monkeypatch.chdir(folder / "two")
    for number in range(2):
        ran = await run(service, "m.txt", "--shard", f"{number}/2")
        assert ran.code == 0, ran
    ran = await batcher("status", "m.txt.run")
    assert "nothing is left to do" in ran.stderr
    assert started(service) == Counter(f"in/{number}" for number in range(40))


async def test_a_shard_goes_on_after_its_settled_prefix_and_counts_the_rows_before_it(folder, emulator):
    service = await emulator()
    rows = [f"{number}/{'x' * 900}" for number in range(200)]
    write(folder / "m.txt", rows)
    assert (await run(service, "m.txt", "--shard", "0/2", "--limit", "60", "--concurrency", "1")).code == 5
    with reading(folder / "m.txt.run/shard-00000.checkpoint") as kept:
        mark = decoded(kept.facts[PREFIX]).mark
    assert 20 < mark.rows <= 60
    assert mark.elsewhere == sum(owner(row, 2) for row in rows[: mark.rows + mark.elsewhere])
    assert mark.offset == sum(len(row) + 1 for row in rows[: mark.rows + mark.elsewhere])
    assert [each.code for each in await shards(service, "m.txt", 2)] == [0, 0]
    assert started(service) == Counter(rows)
    # Read from the mark on, it knows how long the whole list is, and the numbers of its rows in it.
    written = records(folder / "m.txt.run/shard-00000.executions.jsonl")
    assert [record["object"] for record in written] == [rows[record["row"] - 1] for record in written]
    shown = (await batcher("status", "m.txt.run", "--json")).stdout
    assert json.loads(shown)["total"] == 200
    assert "add up" not in shown
    # Nothing more is sent, and nothing is sent by a run that may send rows of the prefix again.
    for more in ((), ("--retry-rejected",)):
        assert [each.code for each in await shards(service, "m.txt", 2, *more)] == [0, 0]
    assert len(service.ledger.starts) == 200
