"""Checkpoints of format 1: real ones, which a former version wrote, are read as they are, resumed, and renewed then.

The job in `data/` was killed with two of its eleven rows on the wire; one was rejected, one is invalid, one repeated.
"""

import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from zlib import crc32

import pytest
from conftest import PARAMETERS
from shell import shell, suggested
from test_after import started
from test_command import batcher, records

from batcher.edges.checkpoint import glance
from batcher.model import Status
from batcher.rules.job.card import Card

DATA = Path(__file__).parent / "data"
ON_THE_WIRE = Counter({"clip 7": 1, "clip 8": 1})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lay_out(folder, url, was=None, facts=None, data="format_1"):
    """Put the job's files into a folder, of an endpoint, as if it had run in the folder `was`."""
    folder.mkdir(exist_ok=True)
    shutil.copy(DATA / f"{data}.csv", folder / "m.csv")
    shutil.copy(DATA / f"{data}.executions.jsonl", folder / "m.csv.executions.jsonl")
    sql = (DATA / f"{data}.sql").read_text().replace("ENDPOINT", url).replace("FOLDER", str(was or folder))
    with closing(sqlite3.connect(folder / "m.csv.checkpoint", isolation_level=None)) as db:
        db.executescript(sql)
        for name, value in (facts or {}).items():
            db.execute("UPDATE header SET value = ? WHERE name = ?", (value, name))
        # The seals of what was put in.
        for name, value in db.execute("SELECT name, value FROM header").fetchall():
            seal = crc32(f"{name}\0{value}".encode())
            db.execute("UPDATE header SET seal = ? WHERE name = ?", (seal, name))


def formats(checkpoint):
    with closing(sqlite3.connect(checkpoint)) as db:
        names = {name for (name,) in db.execute("SELECT name FROM header")}
        return db.execute("PRAGMA user_version").fetchone()[0], names


def again(service, *more):
    words = ("run", "m.csv", "-w", "transcode", "-e", service.url, "-b", "videos", "-i", "note=x")
    return batcher(*words, "--on-doubt", "resend", *more)


async def test_it_is_read_as_it_is_and_its_next_run_finishes_it_and_writes_the_card(folder, emulator):
    service = await emulator()
    lay_out(folder, service.url)
    checkpoint = folder / "m.csv.checkpoint"
    seen = glance(checkpoint)
    assert seen.counts == {
        Status.STARTED: 6,
        Status.REJECTED: 1,
        Status.INVALID: 1,
        Status.DUPLICATE: 1,
        Status.SENDING: 2,
    }
    card = Card(
        service.url,
        "transcode",
        '{"note":"x"}',
        "videos",
        "m.csv",
        "m.csv.executions.jsonl",
        cell_types={name: each.type.value for name, each in PARAMETERS.items()},
    )
    assert seen.card == card
    # It was stopped early, but format 1 does not say so.
    ran = await batcher("status", "m.csv.checkpoint")
    assert [command.split()[1] for command in suggested(ran.stderr)] == ["run", "reconcile", "failures", "run"]
    assert (await batcher("export", "m.csv.checkpoint", "-o", "rows.jsonl")).code == 0
    assert [row["object"] for row in records(folder / "rows.jsonl")][3:5] == ["clip 4", "missing"]
    assert formats(checkpoint)[0] == 1
    ran = await again(service)
    assert ran.code == 1, ran
    assert "11 rows: 8 started, 0 refused, 1 rejected, 1 invalid, 1 duplicate, 0 in doubt" in ran.stderr
    assert started(service) == ON_THE_WIRE
    version, names = formats(checkpoint)
    assert version == 4
    assert names == {
        "generation",
        "highest id of a row",
        "rows of the manifest",
        "job card",
        "job id",
        "length of m.csv.executions.jsonl",
        "limit in millistarts a second",
        "number of controls",
        "output",
        "not proven to be the newest since",
        "rows rely on the default bucket",
        "runs",
        "service's time of the last generation",
        "settled prefix",
        "sum of the tables",
        "the manifest was read to its end",
        "what slowed the last run",
    }
    assert glance(checkpoint).card == card
    assert len(records(folder / "m.csv.executions.jsonl")) == 9 + 2 + 2


@pytest.mark.parametrize("is_copied", [False, True])
async def test_it_goes_on_where_it_was_moved_or_copied_to(folder, emulator, monkeypatch, is_copied):
    service = await emulator()
    former = folder / "former"
    lay_out(folder / "here", service.url, former)
    if is_copied:
        lay_out(former, service.url)
    monkeypatch.chdir(folder / "here")
    ran = await batcher("export", "m.csv.checkpoint", "-o", "rows.jsonl")
    assert ran.stderr == "batcher: rows.jsonl: 11 rows\n"
    ran = await again(service)
    assert ran.code == 1, ran
    assert started(service) == ON_THE_WIRE
    assert glance(folder / "here" / "m.csv.checkpoint").card.manifest == "m.csv"
    if is_copied:
        assert formats(former / "m.csv.checkpoint")[0] == 1
        assert len(records(former / "m.csv.executions.jsonl")) == 9


async def test_an_output_of_the_same_name_that_is_no_copy_is_not_taken_for_it(folder, emulator, monkeypatch):
    service = await emulator()
    lay_out(folder / "former", service.url)
    lay_out(folder / "here", service.url, folder / "former")
    output = folder / "here" / "m.csv.executions.jsonl"
    output.write_bytes(output.read_bytes()[::-1])
    monkeypatch.chdir(folder / "here")
    ran = await again(service)
    assert ran.code == 78, ran
    assert "does not know" in ran.stderr
    assert started(service) == Counter()


async def test_its_bucket_counts_as_one_that_rows_rely_on(folder, emulator):
    service = await emulator()
    lay_out(folder, service.url)
    before = (folder / "m.csv.checkpoint").read_bytes()
    ran = await again(service, "-b", "others")
    assert ran.code == 78, ran
    assert "'videos', and this command gives --bucket others" in ran.stderr
    assert formats(folder / "m.csv.checkpoint")[0] == 1
    assert (folder / "m.csv.checkpoint").read_bytes() == before
    assert started(service) == Counter()


async def test_its_last_manifest_may_have_been_a_side_manifest(folder, emulator):
    service = await emulator()
    (folder / "failed.csv").write_text("object\nmissing\n")
    lay_out(folder, service.url, facts={"manifest": f"{folder}/failed.csv"})
    assert glance(folder / "m.csv.checkpoint").card.manifest == "m.csv"
    words = ("-w", "transcode", "-e", service.url, "-b", "videos", "-i", "note=x", "--on-doubt", "resend")
    files = ("-c", "m.csv.checkpoint", "-o", "m.csv.executions.jsonl")
    ran = await batcher("run", "failed.csv", *words, *files)
    assert ran.code == 5, ran
    codes = [(await shell(command, folder)).code for command in suggested(ran.stderr)]
    assert codes == [1, 0, 1], ran
    assert glance(folder / "m.csv.checkpoint").card.manifest == "m.csv"


async def test_it_is_reconciled_and_dismissed_as_well(folder, emulator):
    service = await emulator()
    lay_out(folder, service.url)
    assert (await batcher("reconcile", "m.csv.checkpoint", "--settle-time", "0.1")).code == 3
    assert formats(folder / "m.csv.checkpoint")[0] == 4
    ran = await batcher("failures", "m.csv", "--dismiss")
    assert "2 rows dismissed" in ran.stderr
    assert (await again(service)).code == 0
    assert started(service) == ON_THE_WIRE
