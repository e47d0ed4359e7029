"""Every verb takes the manifest, the checkpoint or the records of a job alike, and no error costs the user a list."""

import json
from pathlib import Path

import pytest
from test_check import run
from test_command import batcher

import batcher as library
from batcher.app.job_places import checkpoint_of
from batcher.cli.verbs import VERBS, module_of
from batcher.options.groups import OfJob

OF_JOB = sorted(verb for verb in VERBS if issubclass(module_of(verb).OPTIONS, OfJob))
MORE = {
    "watch": ("--progress", "none"),
    "redrive": ("--progress", "none"),
    "explain": ("1",),
    "rate": ("auto",),
    "export": ("-o", "out.jsonl"),
    "report": ("-o", "out.html"),
}
STEERING = {"rate", "pause", "resume", "drain"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
async def job(folder, emulator):
    """A job that has ended with one invalid row."""
    service = await emulator()
    (folder / "m.csv").write_text("object\na\n\x00\n")
    assert (await run(service, "m.csv")).code == 1
    return service


@pytest.mark.parametrize("verb", [verb for verb in OF_JOB if verb != "reconcile"])
@pytest.mark.usefixtures("job")
async def test_a_verb_about_a_job_takes_any_of_its_files(folder, verb):
    said = []
    for given in ("m.csv.checkpoint", "m.csv", "m.csv.executions.jsonl"):
        ran = await batcher(verb, given, *MORE.get(verb, ()))
        # Only a running job can be steered.
        assert ran.code == (2 if verb in STEERING else 0), ran
        said.append((ran.stdout, ran.stderr))
        for path in folder.glob("out.*"):
            path.unlink()
    # What is forgotten once is not there the second time, and what has ended is not watched again.
    assert verb in {"forget", "watch", "redrive"} or said[0] == said[1] == said[2]


@pytest.mark.usefixtures("job")
async def test_a_checkpoint_is_found_without_its_manifest_and_a_reconcile_takes_a_manifest(folder):
    assert (await batcher("reconcile", "m.csv")).code in {0, 2}
    (folder / "m.csv").unlink()
    assert "m.csv.checkpoint: workflow transcode at" in (await batcher("status", "m.csv")).stdout


@pytest.mark.usefixtures("folder", "job")
async def test_a_verb_about_a_manifest_takes_the_checkpoint():
    ran = await batcher("failures", "m.csv.checkpoint", "-o", "failed.csv")
    assert (ran.code, "failed.csv: 1 row" in ran.stderr) == (0, True), ran
    ran = await batcher("failures", "m.csv.checkpoint", "--dismiss")
    assert ran.code == 0, ran


async def test_a_run_and_a_check_of_a_checkpoint_are_those_of_its_manifest_with_the_jobs_own_files(folder, job):
    (folder / "n.list").write_text("a\nb\n")
    named = ("-o", "elsewhere.jsonl", "-c", "progress", "--format", "txt")
    assert (await run(job, "n.list", *named)).code == 0
    with (folder / "n.list").open("a") as file:
        file.write("c\n")
    ran = await batcher("check", "progress", "-w", "transcode", "-e", job.url, "-b", "videos", "--json")
    assert (ran.code, json.loads(ran.stdout)["forecast"]["to_start"]) == (0, 1), ran
    ran = await run(job, "progress")
    assert ran.code == 0, ran
    assert len((folder / "elsewhere.jsonl").read_text().splitlines()) == 3
    with (folder / "n.list").open("a") as file:
        file.write("d\n")
    environment = {"OBS_ACCESS_KEY_ID": job.settings.credentials.access_key}
    environment["OBS_SECRET_ACCESS_KEY"] = job.settings.credentials.secret_key
    arguments = {"workflow": "transcode", "endpoint": job.url, "bucket": "videos", "environment": environment}
    async with library.run(folder / "progress", **arguments) as running:
        assert [record.object async for record in running] == ["d"]
    assert sorted(path.name for path in folder.glob("progress*")) == ["progress"]


@pytest.mark.usefixtures("folder")
async def test_the_failures_of_standard_input_cannot_be_written_by_its_checkpoint(emulator):
    service = await emulator()
    ran = await batcher(
        "run", "-", "--format", "txt", "-w", "transcode", "-e", service.url, "-b", "videos", "-o", "o.jsonl", "-c", "c",
        "--progress", "none", stdin=b"a\n\x00\n",
    )  # fmt: skip
    assert ran.code == 1, ran
    ran = await batcher("failures", "c", "-o", "failed.csv")
    assert (ran.code, "the manifest of this job was standard input" in ran.stderr) == (2, True), ran


@pytest.mark.parametrize("content", ["object\na\n", "x" * 5000, "a\n"])
async def test_no_error_about_a_list_advises_to_remove_it(folder, emulator, content):
    service = await emulator()
    (folder / "list.csv").write_text(content)
    (folder / "m.txt").write_text("a\n")
    for words in (
        *((verb, "list.csv", *MORE.get(verb, ())) for verb in OF_JOB),
        ("failures", "m.txt", "-c", "list.csv", "-o", "failed.csv"),
        ("run", "m.txt", "-c", "list.csv", "-w", "transcode", "-e", service.url, "-b", "videos"),
        ("check", "m.txt", "-c", "list.csv", "-w", "transcode", "-e", service.url, "-b", "videos"),
    ):
        ran = await batcher(*words)
        assert ran.code in {2, 74}, (words, ran)
        assert "emove" not in ran.stderr, words
        if words[0] not in STEERING:
            assert "list.csv: not a checkpoint, or one whose beginning is damaged" in ran.stderr, words
    assert (folder / "list.csv").read_text() == content


@pytest.mark.usefixtures("folder")
def test_a_path_that_belongs_to_no_job_stays_as_it_is():
    assert checkpoint_of(Path("nothing.csv")) == Path("nothing.csv")
