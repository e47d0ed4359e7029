"""The witness of a job, outside its folder: an older copy of a checkpoint is refused even if its output is as old."""

import asyncio
import json
import shutil
import sys
from contextlib import closing
from pathlib import Path

import pytest
from independent import judging
from test_command import ENVIRONMENT, batcher

from batcher.app.generation import INTERVAL, Generation
from batcher.edges.checkpoint import glance
from batcher.edges.checkpoint.lock import locked
from batcher.edges.witness import Reached, Witness, witness_path
from batcher.errors import OtherJobError

FILES = ("m.txt.checkpoint", "m.txt.executions.jsonl")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    (tmp_path / "job").mkdir()
    monkeypatch.chdir(tmp_path / "job")
    Path("m.txt").write_text("".join(f"o{number}\n" for number in range(1, 31)))
    return tmp_path


@pytest.fixture
def environment(folder):
    return ENVIRONMENT | {"XDG_STATE_HOME": str(folder / "state")}


def run(judge, environment, *more):
    words = ("run", "m.txt", "-w", "transcode", "-e", judge.url, "-b", "videos", "--progress", "none")
    return batcher(*words, *more, environment=environment)


def witnesses(folder):
    return sorted((folder / "state" / "batcher").iterdir())


def put_aside(names=FILES):
    return {name: Path(name).read_bytes() for name in names}


def put_back(contents):
    for name, content in contents.items():
        Path(name).write_bytes(content)


async def assert_refused(judge, environment):
    before, arrived = put_aside(), len(judge.bodies)
    ran = await run(judge, environment)
    assert (ran.code, "this is an older copy of the job's checkpoint" in ran.stderr) == (78, True), ran
    assert "Rows would be started twice." in ran.stderr
    assert (put_aside(), len(judge.bodies)) == (before, arrived)


async def test_an_older_checkpoint_and_output_restored_together_are_refused_until_the_witness_is_forgotten(
    folder, environment
):
    async with judging() as judge:
        assert (await run(judge, environment, "--limit", "10")).code == 5
        older = put_aside()
        assert (await run(judge, environment, "--limit", "10")).code == 5
        newest = put_aside()
        put_back(older)
        await assert_refused(judge, environment)
        put_back(newest)
        assert (await run(judge, environment, "--limit", "5")).code == 5
        assert len(set(judge.objects())) == len(judge.objects()) == 25
        put_back(older)
        (path,) = witnesses(folder)
        forgotten = await batcher("forget", FILES[0], environment=environment)
        assert (forgotten.code, forgotten.stderr) == (0, f"batcher: removed: {path}\n")
        again = await batcher("forget", FILES[0], environment=environment)
        assert (again.code, again.stderr) == (0, "batcher: this job has no witness here\n")
        # A person has said so: the rows after the copy are started again.
        assert (await run(judge, environment)).code == 0
        assert len(judge.objects()) == 45


async def test_an_older_checkpoint_whose_output_is_lost_is_refused(environment):
    async with judging() as judge:
        assert (await run(judge, environment, "--limit", "10")).code == 5
        older = put_aside(FILES[:1])
        assert (await run(judge, environment, "--limit", "10")).code == 5
        put_back(older)
        Path(FILES[1]).unlink()
        ran = await run(judge, environment)
        assert (ran.code, len(judge.bodies), Path(FILES[1]).exists()) == (78, 20, False), ran


async def test_a_copied_folder_goes_on_until_its_twin_has_gone_further(folder, environment, monkeypatch):
    async with judging() as judge:
        assert (await run(judge, environment, "--limit", "10")).code == 5
        shutil.copytree(folder / "job", folder / "twin")
        monkeypatch.chdir(folder / "twin")
        assert (await run(judge, environment, "--limit", "10")).code == 5
        monkeypatch.chdir(folder / "job")
        await assert_refused(judge, environment)
        monkeypatch.chdir(folder / "twin")
        assert (await run(judge, environment)).code == 0
        assert sorted(judge.objects()) == sorted(f"o{number}" for number in range(1, 31))
        assert len(witnesses(folder)) == 1


@pytest.mark.parametrize("places", [{"XDG_STATE_HOME": "/dev/null"}, {"XDG_STATE_HOME": "relative", "HOME": ""}])
async def test_without_a_place_for_a_witness_there_is_none_and_no_error(places, folder, environment):
    async with judging() as judge:
        for limit in ("10", "10", "30"):
            ran = await run(judge, environment | places, "--limit", limit)
            assert (ran.code, "error" in ran.stderr) == (0 if limit == "30" else 5, False), ran
        assert len(set(judge.objects())) == len(judge.objects()) == 30
    assert not (folder / "state").exists()


async def test_a_witness_is_written_a_few_times_in_a_run_and_names_the_checkpoint(folder, environment):
    async with judging() as judge:
        assert (await run(judge, environment)).code == 0
    (path,) = witnesses(folder)
    generation, checkpoint, length = json.loads(path.read_bytes())
    assert (generation, checkpoint) == (2, str(Path(FILES[0]).resolve()))
    assert length == Path(FILES[1]).stat().st_size
    assert path.stat().st_mode & 0o077 == 0
    assert glance(Path(FILES[0])).counts.total() == 30


def _generation(environment, facts, now=lambda: 0.0):
    return closing(Generation(Path("c"), facts, environment, now))


async def test_a_crash_between_commit_and_witness_leaves_a_checkpoint_that_is_accepted(environment):
    with _generation(environment, {}) as generation:
        facts = generation.following()
        await generation.attest()
        # Committed, but the process died before it wrote the witness.
        facts = generation.following()
    with _generation(environment, facts) as generation:
        facts = generation.following()
        await generation.attest()
    assert facts["generation"] == 3
    with pytest.raises(OtherJobError, match="has generation 2, and the job has reached generation 3"):
        _generation(environment, facts | {"generation": 2})
    with _generation(environment, facts) as generation:
        assert generation.following()["generation"] == 4


def test_a_new_generation_begins_at_intervals(environment):
    times = iter([0.0, INTERVAL - 1, INTERVAL, INTERVAL, INTERVAL + 1])
    with closing(Generation(Path("c"), {}, environment, lambda: next(times))) as generation:
        assert [generation.is_due, generation.is_due] == [False, True]
        assert generation.following()["generation"] == 1
        assert not generation.is_due


def known(path):
    with closing(Witness(path, locked)) as witness:
        return witness.known


def write(path, reached):
    with closing(Witness(path, locked)) as witness:
        witness.write(reached)


def test_a_witness_never_goes_back_and_what_cannot_be_read_is_no_witness(folder):
    path = witness_path("id", {"HOME": str(folder)})
    assert path == folder / ".local/state/batcher/id.json"
    assert known(path) is None
    assert not path.exists()
    write(path, Reached(5, "a long name"))
    write(path, Reached(4, "b"))
    assert known(path) == Reached(5, "a long name")
    write(path, Reached(6, "c"))
    assert known(path) == Reached(6, "c")
    path.write_text("{")
    assert known(path) is None
    write(path, Reached(1, "d"))
    assert known(path) == Reached(1, "d")


async def test_a_copy_that_was_made_during_a_run_does_not_run_beside_it(folder, environment, monkeypatch):
    command = (sys.executable, "-m", "batcher", "run", "-", "-w", "transcode", "-b", "videos", "--format", "txt")
    files = ("-c", FILES[0], "-o", FILES[1], "--progress", "none")
    async with judging() as judge:
        words = (*command, "-e", judge.url, *files)
        first = await asyncio.create_subprocess_exec(*words, env=environment, stdin=asyncio.subprocess.PIPE)
        first.stdin.write(b"o1\n")
        await judge.received(1)
        shutil.copytree(folder / "job", folder / "twin", ignore=shutil.ignore_patterns("*.socket"))
        monkeypatch.chdir(folder / "twin")
        ran = await batcher(*words[3:], environment=environment, stdin=b"o1\no2\n")
        assert (ran.code, "another run of this job is in progress" in ran.stderr) == (75, True), ran
        first.stdin.write(b"o2\n")
        first.stdin.close()
        assert await first.wait() == 0
        ran = await batcher(*words[3:], environment=environment, stdin=b"o1\no2\n")
        assert (ran.code, "this is an older copy of the job's checkpoint" in ran.stderr) == (78, True), ran
        assert judge.objects() == ["o1", "o2"]
