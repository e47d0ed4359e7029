"""What a command suggests does what the job does: each suggestion is run, word for word, and the ledger judges."""

import asyncio
import dataclasses
from collections import Counter

import pytest
from independent import judging
from shell import shell, suggested, suggested_on
from test_after import run, started, write
from test_command import batcher

from batcher.edges.checkpoint import glance
from batcher.emulator.faults import FaultKind
from batcher.emulator.settings import Declared, ParameterType
from batcher.model import Status

WANTED = [*(f"hot/clip%20{number}" for number in range(6)), "hot/dir/", "hot/twice", "hot/twice", "hot/gone"]
NAMES = Counter(key.replace("%20", " ") for key in WANTED)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Work in a folder whose name a shell would take apart."""
    folder = tmp_path / "it's a job"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def inventory(folder):
    """Write an inventory under a name that says nothing, half of it objects that the job excludes."""
    lines = ["Bucket,Key,StorageClass"]
    for number, key in enumerate(WANTED):
        lines += [f"videos,{key},STANDARD", f"videos,cold/{number},WARM"]
    (folder / "stock list").write_text("".join(f"{line}\n" for line in lines))


async def job(service, *more):
    words = ("run", "stock list", "--format", "inventory", "--storage-class", "standard", "--keep-placeholders")
    files = ("-c", "the checkpoint", "-o", "records.jsonl")
    inputs = ("-i", "note=it's; $HOME", "-i", "speed:=1.5", "-w", "transcode", "-e", service.url)
    return await batcher(*words, "--allow-duplicates", *inputs, "-b", "unused", *files, *more)


def contents(names):
    inputs = '{"note":"it\'s; $HOME","speed":1.5}'
    return Counter({("videos", name, inputs): count for name, count in names.items()})


async def test_each_suggestion_of_a_job_that_selects_starts_just_what_the_job_selects(folder, emulator):
    parameters = {"note": Declared(ParameterType.STRING, ""), "speed": Declared(ParameterType.FLOAT, "1")}
    service = await emulator(workflows={"transcode": parameters})
    service.misses = lambda order: order.object in {"hot/gone", "hot/dir/"}
    inventory(folder)
    ran = await job(service, "--limit", "4")
    assert ran.code == 5, ran
    # The summary, the status and the report suggest the same command; it leads to what comes after.
    first = suggested(ran.stderr)
    assert suggested((await batcher("status", "the checkpoint")).stderr) == first
    assert (await batcher("report", "the checkpoint", "-o", "report.html")).code == 0
    assert suggested_on(folder / "report.html")[:-2] == first
    assert [command.split()[1] for command in first] == ["run"]
    ran = await shell(first[0], folder)
    assert ran.code == 1, ran
    assert service.ledger.counts() == contents(NAMES - Counter(["hot/gone", "hot/dir/"]))
    # Two rows failed: they become a manifest, and it is run under the job's checkpoint.
    commands = suggested(ran.stderr)
    assert [command.split()[1] for command in commands] == ["failures", "run"]
    assert suggested((await batcher("status", "the checkpoint")).stderr) == commands
    service.misses = lambda order: order.object == "hot/gone"
    made = await shell(commands[0], folder)
    assert made.code == 0, made
    assert "failed.csv: 2 rows" in made.stderr
    assert "--keep-placeholders" in commands[1]
    ran = await shell(suggested(made.stderr)[0], folder)
    assert ran.code == 1, ran
    service.misses = lambda _order: False
    ran = await shell(commands[1], folder)
    assert ran.code == 0, ran
    assert service.ledger.counts() == contents(NAMES)
    await batcher("report", "the checkpoint", "-o", "report.html")
    for command in suggested_on(folder / "report.html"):
        assert (await shell(command, folder)).code == 0, command
    assert (await job(service)).code == 0
    assert service.ledger.counts() == contents(NAMES)


async def test_each_suggestion_on_the_page_of_a_troubled_job_finishes_it(folder, emulator):
    service = await emulator(faults={FaultKind("500-after"): 0.3, FaultKind("500"): 0.3}, seed=3)
    service.misses = lambda order: order.object == "o3"
    keys = [f"o{number}" for number in range(12)]
    write(folder / "m.jsonl", keys)
    assert (await run(service, "m.jsonl", "--limit", "9", "--on-doubt", "hold", "--concurrency", "1")).code == 5
    assert glance(folder / "m.jsonl.checkpoint").counts[Status.IN_DOUBT] > 0
    await batcher("report", "m.jsonl.checkpoint", "-o", "report.html")
    commands = suggested_on(folder / "report.html")
    assert [command.split()[1] for command in commands] == ["run", "reconcile", "failures", "run", "export", "explain"]
    service.settings = dataclasses.replace(service.settings, faults={})
    service.misses = lambda _order: False
    codes = [(await shell(command, folder)).code for command in commands]
    assert set(codes) <= {0, 1, 3}, codes
    # Rows that were found absent are free to be sent, as the next look says.
    while "nothing is left to do" not in (said := (await batcher("status", "m.jsonl.checkpoint")).stderr):
        for command in suggested(said):
            await shell(command, folder)
    assert started(service) == Counter(keys)


async def test_a_drain_names_the_command_that_goes_on(folder):
    keys = [f"o{number}" for number in range(60)]
    write(folder / "m.jsonl", keys)
    async with judging() as judge:
        running = asyncio.create_task(run(judge, "m.jsonl", "--max-rate", "2"))
        await judge.received(1)
        steering = suggested((await batcher("status", "m.jsonl.checkpoint")).stderr)
        words = ("rate m.jsonl.checkpoint auto", "pause m.jsonl.checkpoint", "drain m.jsonl.checkpoint")
        assert steering == [f"batcher {each}" for each in words]
        ran = await shell(steering[-1], folder)
        assert ran.code == 0, ran
        assert (await running).code == 5
        look, go_on = suggested(ran.stderr)
        assert (await shell(look, folder)).code == 0
        assert (await shell(go_on, folder)).code == 0
        assert sorted(judge.objects()) == sorted(keys)
