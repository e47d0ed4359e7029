"""What a person asks after a run, by the real command, of jobs that ran against the emulator."""

import asyncio
import csv
import dataclasses
import json
import sqlite3
import stat
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import CREDENTIALS
from independent import judging
from test_command import ODD_KEYS, batcher, records

from batcher.app.history import open_past
from batcher.edges.checkpoint import glance
from batcher.emulator.faults import FaultKind
from batcher.emulator.server import serve
from batcher.emulator.settings import Settings
from batcher.model import Status

KEYS = [f"in/{'abc'[number % 3]}/clip {number}.mp4" for number in range(60)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(service, manifest, *words):
    command = ("run", manifest, "-w", "transcode", "-e", service.url, "-b", "videos", "--progress", "none")
    return batcher(*command, "--settle-time", "0.2", *words)


def write(path, keys):
    path.write_text("".join(json.dumps({"object": key}) + "\n" for key in keys))
    return path


def started(service):
    """Give what the ledger says has started, by object key."""
    counts = Counter()
    for (_bucket, key, _inputs), count in service.ledger.counts().items():
        counts[key] += count
    return counts


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


async def exported(checkpoint, file):
    ran = await batcher("export", checkpoint, "-o", file)
    assert ran.code == 0, ran
    return ran


class Troubled(NamedTuple):
    """A job in which rows were rejected, lost, repeated and invalid: its files, and the executions by their objects."""

    checkpoint: Path
    output: Path
    names: dict[str, str]


@pytest.fixture(scope="module")
def troubled(tmp_path_factory):
    """Run such a job, once for those who only look at it."""
    manifest = tmp_path_factory.mktemp("troubled") / "m.jsonl"
    write(manifest, [*KEYS, KEYS[0], "x" * 1100])
    manifest.write_text(manifest.read_text() + "no JSON\n")

    async def ran():
        faults = {FaultKind("500-after"): 0.2, FaultKind("500"): 0.2}
        settings = Settings(credentials=CREDENTIALS, reject_share=0.2, faults=faults, seed=5)
        async with serve(settings) as service:
            ran = await run(service, manifest)
            assert ran.code == 1, ran
            return {start.object: start.execution_name for start in service.ledger.starts}

    names = asyncio.run(ran())
    return Troubled(Path(f"{manifest}.checkpoint"), Path(f"{manifest}.executions.jsonl"), names)


async def test_export_has_each_row_once_with_its_last_truth(folder, troubled):
    for file in ("rows.jsonl", "rows.csv"):
        ran = await exported(troubled.checkpoint, file)
        assert ran.stderr == f"batcher: {file}: 63 rows\n"
    rows = records(folder / "rows.jsonl")
    assert [row["row"] for row in rows] == list(range(1, 64))
    assert [row["object"] for row in rows[:62]] == [*KEYS, KEYS[0], "x" * 1100]
    counts = Counter(row["status"] for row in rows)
    assert counts == glance(troubled.checkpoint).counts
    assert counts["invalid"] == 2
    assert counts["duplicate"] == 1
    assert {row["object"]: row["execution_name"] for row in rows if row["status"] == "started"} == troubled.names
    assert [(row["row"], row["status"], row["execution_name"] or "") for row in rows] == [
        (int(row["row"]), row["status"], row["execution_name"]) for row in table(folder / "rows.csv")
    ]
    assert stat.S_IMODE((folder / "rows.csv").stat().st_mode) == 0o600


async def test_export_to_parquet_says_the_same(folder, troubled):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    await exported(troubled.checkpoint, "rows.parquet")
    await exported(troubled.checkpoint, "rows.csv")
    read = parquet.read_table(folder / "rows.parquet").to_pylist()
    as_text = [{name: "" if value is None else str(value) for name, value in row.items()} for row in read]
    assert as_text == table(folder / "rows.csv")
    assert {type(row["row"]) for row in read} == {int}


async def test_export_of_odd_keys_is_exact_and_reads_records_in_csv(folder, emulator):
    service = await emulator()
    write(folder / "m.jsonl", ODD_KEYS)
    ran = await run(service, "m.jsonl", "-o", "out.csv", "--keep-placeholders")
    assert ran.code == 0, ran
    await exported("m.jsonl.checkpoint", "rows.jsonl")
    assert [row["object"] for row in records(folder / "rows.jsonl")] == ODD_KEYS


async def test_export_reads_every_output_of_a_job_and_follows_rows_to_new_numbers(folder, emulator):
    service = await emulator(reject_share=0.3, seed=2)
    write(folder / "m.jsonl", KEYS)
    assert (await run(service, "m.jsonl")).code == 1
    service.settings = dataclasses.replace(service.settings, reject_share=0.0)
    write(folder / "m.jsonl", [*reversed(KEYS), "new"])
    ran = await run(service, "m.jsonl", "-o", "second.jsonl", "--retry-rejected")
    assert ran.code == 0, ran
    await exported("m.jsonl.checkpoint", "rows.jsonl")
    rows = records(folder / "rows.jsonl")
    assert Counter(row["object"] for row in rows) == started(service) == Counter([*KEYS, "new"])
    assert {row["object"]: row["execution_name"] for row in rows} == {
        start.object: start.execution_name for start in service.ledger.starts
    }


async def test_rows_that_only_the_checkpoint_knows_are_exported_too(folder, emulator):
    service = await emulator()
    write(folder / "m.jsonl", KEYS[:3])
    assert (await run(service, "m.jsonl")).code == 0
    (folder / "m.jsonl.executions.jsonl").unlink()
    ran = await batcher("export", "m.jsonl.checkpoint", "-o", "rows.jsonl")
    assert ran.code == 0, ran
    assert f"{folder}/m.jsonl.executions.jsonl: this output is missing" in ran.stderr
    rows = records(folder / "rows.jsonl")
    assert [(row["row"], row["object"], row["status"]) for row in rows] == [(n, None, "started") for n in (1, 2, 3)]
    assert {row["execution_name"] for row in rows} == {start.execution_name for start in service.ledger.starts}


async def test_a_torn_end_is_passed_over_and_damage_before_it_is_told(folder, emulator):
    service = await emulator()
    write(folder / "m.jsonl", KEYS[:3])
    assert (await run(service, "m.jsonl")).code == 0
    output = folder / "m.jsonl.executions.jsonl"
    whole = output.read_bytes()
    output.write_bytes(whole + b'{"row":4,"bucket\0\0\n')
    await exported("m.jsonl.checkpoint", "rows.jsonl")
    assert len(records(folder / "rows.jsonl")) == 3
    output.write_bytes(whole.replace(b'"row":2', b'"row"!2'))
    ran = await batcher("export", "m.jsonl.checkpoint", "-o", "rows.jsonl")
    assert ran.code == 74, ran
    place = whole.index(b'{"row":2')
    assert f"the record at byte {place} is damaged" in ran.stderr


@pytest.mark.parametrize("verb", ["export", "report", "failures"])
async def test_what_is_made_never_replaces_what_it_is_made_from(folder, emulator, verb):
    service = await emulator(reject_share=0.5, seed=2)
    write(folder / "m.jsonl", KEYS[:8])
    assert (await run(service, "m.jsonl")).code == 1
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    (folder / "link.jsonl").symlink_to("m.jsonl")
    for target in ("m.jsonl", "link.jsonl", "m.jsonl.executions.jsonl"):
        source = "m.jsonl" if verb == "failures" else "m.jsonl.checkpoint"
        ran = await batcher(verb, source, "-o", target)
        assert ran.code == 2, ran
        assert f"{target}: this is one of the files of the job" in ran.stderr
    (folder / "link.jsonl").unlink()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("export", "m.checkpoint", "-o", "rows.xls"), 2, "rows.xls: the suffix does not show the format"),
        (("export", "gone.checkpoint", "-o", "rows.csv"), 74, "no such checkpoint"),
        (("report", "gone.checkpoint", "-o", "r.html"), 74, "no such checkpoint"),
        (("explain", "gone.checkpoint", "1"), 74, "no such checkpoint"),
        (("failures", "m.csv", "-o", "failed.csv"), 74, "no such checkpoint"),
        (("failures", "m.jsonl", "-o", "failed.csv"), 2, "Name a file with .jsonl or .ndjson."),
        (("failures", "m.csv", "-o", "failed.jsonl"), 2, "Name a file with .csv or .tsv."),
        (
            ("run", "m.csv", "-w", "w", "-e", "http://127.0.0.1:1", "--report", "no/r.html"),
            2,
            "no such folder",
        ),
    ],
)
async def test_what_cannot_be_made_is_told_and_leaves_nothing(folder, words, code, told):
    ran = await batcher(*words)
    assert ran.code == code, ran
    assert told in ran.stderr
    assert list(folder.iterdir()) == []


async def test_a_folder_that_is_not_there_is_exit_74_and_a_device_is_no_file(folder, troubled):
    ran = await batcher("export", troubled.checkpoint, "-o", "gone/rows.csv")
    assert ran.code == 74, ran
    assert "gone/rows.csv: cannot be written: No such file or directory" in ran.stderr
    ran = await batcher("report", troubled.checkpoint, "-o", "/dev/null")
    assert ran.code == 2, ran
    assert "/dev/null: not a regular file" in ran.stderr
    assert list(folder.iterdir()) == []


async def test_explain_tells_how_a_doubt_was_settled(troubled):
    lines = records(troubled.output)
    doubts = [line["row"] for line in lines if line["status"] == "in_doubt"]
    adopted = next(line for line in lines if line.get("reconciled"))
    again = next(line for line in lines if line["row"] in doubts and line["status"] == "started" and line["attempts"])
    ran = await batcher("explain", troubled.checkpoint, adopted["row"])
    assert ran.code == 0, ran
    name, doubt, settled, found, now = ran.stdout.splitlines()
    assert name == f"row {adopted['row']}: videos/{adopted['object']}"
    assert "in doubt: HTTP 500" in doubt
    assert settled == "  doubt resolved: found in the execution list, so it is started"
    assert f"started: execution {adopted['execution_name']}" in found
    assert now == f"  now: started, as execution {adopted['execution_name']}"
    ran = await batcher("explain", troubled.checkpoint, f"videos/{again['object']}")
    assert "doubt resolved: not in the execution list" in ran.stdout
    assert f"HTTP 200, execution {again['execution_name']}" in ran.stdout
    assert f"request id {again['request_id']}" in ran.stdout


async def test_explain_shows_every_row_that_fits(troubled):
    ran = await batcher("explain", troubled.checkpoint, KEYS[0])
    assert ran.code == 0, ran
    heads = [line for line in ran.stdout.splitlines() if line.startswith("row ")]
    assert heads == [f"row 1: videos/{KEYS[0]}", f"row 61: videos/{KEYS[0]}"]
    ran = await batcher("explain", troubled.checkpoint, "63")
    assert ran.stdout.splitlines()[0] == "row 63: name unknown"
    assert "InvalidRow (line 63: not JSON" in ran.stdout
    ran = await batcher("explain", troubled.checkpoint, "nothing")
    assert (ran.code, ran.stdout) == (1, "")
    assert "no row matches 'nothing'" in ran.stderr


async def test_explain_finds_a_row_in_doubt_by_its_number_and_by_its_key(folder, emulator):
    service = await emulator(faults={FaultKind("500"): 1.0})
    write(folder / "m.jsonl", ["a"])
    assert (await run(service, "m.jsonl", "--on-doubt", "hold")).code == 3
    for asked in ("a", "videos/a", "1"):
        ran = await batcher("explain", "m.jsonl.checkpoint", asked)
        assert ran.code == 0, ran
        assert "now: in doubt (it may have been started" in ran.stdout
        assert "not sent before 20" in ran.stdout


async def test_status_is_plain_in_a_pipe_and_json_for_programs(troubled):
    ran = await batcher("status", troubled.checkpoint)
    kept = glance(troubled.checkpoint).counts
    counts = dict(line.rsplit(None, 1) for line in ran.stdout.splitlines() if line.startswith(" "))
    counts = {name.strip(): count for name, count in counts.items()}
    assert counts["started"] == str(kept[Status.STARTED])
    assert list(counts) == list(Status)
    ran = await batcher("status", troubled.checkpoint, "--json")
    assert json.loads(ran.stdout)["rows"] == {name: int(count) for name, count in counts.items()}


async def test_a_look_back_while_a_run_goes_on_is_of_one_moment(folder, emulator):
    service = await emulator()
    write(folder / "m.jsonl", KEYS)
    assert (await run(service, "m.jsonl")).code == 0
    checkpoint = folder / "m.jsonl.checkpoint"
    with open_past(checkpoint) as past:
        before = past.checkpoint.count()
        with closing(sqlite3.connect(checkpoint, isolation_level=None)) as writer:
            writer.executescript("DELETE FROM settled; DELETE FROM header WHERE name = 'sum of the tables'")
        assert past.checkpoint.count() == before
        assert len(list(past.truths())) == 60
    assert glance(checkpoint).counts.total() == 0


async def test_a_run_writes_its_report_at_its_end_however_it_ends(folder, emulator):
    service = await emulator(reject_share=0.2, seed=2)
    write(folder / "m.jsonl", KEYS)
    ran = await run(service, "m.jsonl", "--report", "report.html")
    assert ran.code == 1, ran
    assert "batcher: report:     report.html" in ran.stderr
    assert f"{len(service.ledger.starts)}</td>" in (folder / "report.html").read_text()


async def test_a_run_that_stops_early_writes_its_report_too(folder):
    (folder / "m.txt").write_text("a\n")
    async with judging() as judge:
        judge.answer_with = (403, b"<Error><Code>InvalidAccessKeyId</Code></Error>")
        command = ("run", "m.txt", "-w", "transcode", "-e", judge.url, "-b", "videos", "--report", "report.html")
        ran = await batcher(*command)
    assert ran.code == 77, ran
    assert "0 of 1 row started (0.0%), 1 not started yet (100.0%)." in (folder / "report.html").read_text()


async def test_a_limit_counts_the_rows_in_doubt_that_are_sent_again(folder, emulator):
    service = await emulator(faults={FaultKind.RESET_BEFORE: 1.0})
    manifest = write(folder / "m.jsonl", KEYS[:30])
    assert (await run(service, manifest, "--on-doubt", "hold")).code == 3
    assert started(service) == {}
    service.change_faults({})
    write(manifest, KEYS[:40])
    ran = await run(service, manifest, "--limit", "12")
    assert ran.code == 5, ran
    # The ten new rows, and two of the thirty that were in doubt.
    assert (len(started(service)), started(service).total()) == (12, 12)
    assert set(KEYS[30:40]) < set(started(service))
    assert (await run(service, manifest, "--limit", "12")).code == 5
    assert started(service).total() == 24
    assert (await run(service, manifest)).code == 0
    assert started(service) == Counter(KEYS[:40])
