"""`batcher failures`, by the real command: what failed is the next manifest, and runs."""

import csv
import dataclasses
import json
import shlex
from collections import Counter

import pyarrow as pa
import pytest
from pyarrow import parquet
from test_after import run, started, write
from test_command import batcher, records, write_csv

KEYS = [f"in/{'abc'[number % 3]}/clip {number}.mp4" for number in range(40)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


CASES = [("csv", "csv"), ("tsv", "csv"), ("jsonl", "jsonl"), ("txt", "tsv")]


def manifest(folder, format_):
    """Write a manifest with a column of its own and a bad row, if its format has such things."""
    path = folder / f"m.{format_}"
    if format_ in {"csv", "tsv"}:
        with path.open("w", newline="") as file:
            rows = [["mine", "object", "note"], *([number, key, f"n, {number}"] for number, key in enumerate(KEYS))]
            csv.writer(file, delimiter="\t" if format_ == "tsv" else ",").writerows([*rows, ["", "", "no key"]])
    elif format_ == "jsonl":
        lines = [{"mine": number, "object": key, "inputs": {"note": "é"}} for number, key in enumerate(KEYS)]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"mine": 40}\n')
    else:
        path.write_text("".join(f"{key}\n" for key in KEYS) + "x" * 1100 + "\n")
    return path


@pytest.mark.parametrize(("format_", "next_"), CASES)
async def test_the_rows_that_failed_are_the_next_manifest_and_it_runs(folder, emulator, format_, next_):
    service = await emulator(reject_share=0.3, seed=2)
    path = manifest(folder, format_)
    assert (await run(service, path.name)).code == 1
    rejected = {
        row["object"] for row in records(folder / f"{path.name}.executions.jsonl") if row["status"] == "rejected"
    }
    failed = folder / f"failed.{next_}"
    ran = await batcher("failures", path.name, "-o", failed.name)
    assert ran.code == 0, ran
    assert f"{failed.name}: {len(rejected) + 1} rows" in ran.stderr
    if next_ == "jsonl":
        rows = records(failed)
        assert {row["mine"] for row in rows} == {KEYS.index(key) for key in rejected} | {40}
    else:
        with failed.open(newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t" if next_ == "tsv" else ","))
        if format_ != "txt":
            assert {row["note"] for row in rows} == {f"n, {KEYS.index(key)}" for key in rejected} | {"no key"}
    assert Counter(row["error_code"] for row in rows) == {"SYS.0015": len(rejected), "InvalidRow": 1}
    assert {row["error_message"] for row in rows if row["error_code"] == "SYS.0015"} == {"The object does not exist."}
    # As the command says it should go on:
    service.settings = dataclasses.replace(service.settings, reject_share=0.0)
    words = ("--checkpoint", f"{path.name}.checkpoint", "--output", f"{path.name}.executions.jsonl")
    ran = await run(service, failed.name, *words, "--retry-rejected")
    assert ran.code == 1, ran
    assert f"{len(rejected) + 1} rows: {len(rejected)} started, 0 refused, 0 rejected, 1 invalid" in ran.stderr
    assert started(service) == Counter(KEYS)
    ran = await run(service, path.name)
    assert f"{len(KEYS) + 1} rows: {len(KEYS)} started, 0 refused, 0 rejected, 1 invalid" in ran.stderr
    assert started(service) == Counter(KEYS)


async def test_the_command_that_failures_gives_runs_the_next_manifest(folder, emulator):
    service = await emulator(reject_share=0.3, seed=2)
    write_csv(folder / "m n.csv", [["object"], *([key] for key in KEYS)])
    assert (await run(service, "m n.csv", "-i", "note=it's", "--limit", "30")).code == 5
    ran = await batcher("failures", "m n.csv", "-o", "failed.csv")
    service.settings = dataclasses.replace(service.settings, reject_share=0.0)
    command = ran.stderr.splitlines()[-1].removeprefix("batcher: next, after fixing it: batcher ")
    ran = await batcher(*shlex.split(command))
    # The job's own manifest has rows that no run has read yet.
    assert ran.code == 5, ran
    assert "Every row of this manifest is started, but other rows of the job are left." in ran.stderr
    assert started(service) == Counter(KEYS[:30])


async def test_rows_that_left_the_manifest_are_counted_and_no_failure_writes_nothing(folder, emulator):
    service = await emulator(reject_share=0.3, seed=2)
    write(folder / "m.jsonl", KEYS)
    assert (await run(service, "m.jsonl")).code == 1
    ends = {row["object"]: row["status"] for row in records(folder / "m.jsonl.executions.jsonl")}
    rejected = [key for key in KEYS if ends[key] == "rejected"]
    write(folder / "m.jsonl", [key for key in KEYS if key != rejected[0]])
    ran = await batcher("failures", "m.jsonl", "-o", "failed.jsonl")
    assert "1 row that failed, but no longer in m.jsonl" in ran.stderr
    assert [row["object"] for row in records(folder / "failed.jsonl")] == rejected[1:]
    (folder / "failed.jsonl").unlink()
    write(folder / "fine.jsonl", ["a"])
    assert (await run(await emulator(), "fine.jsonl")).code == 0
    ran = await batcher("failures", "fine.jsonl", "-o", "failed.jsonl")
    assert (ran.code, "no row is rejected or invalid" in ran.stderr) == (0, True)
    assert not (folder / "failed.jsonl").exists()


async def test_a_row_that_was_refused_to_its_last_attempt_is_no_failure_of_the_row(folder, emulator):
    service = await emulator(rate=0.001, burst=1)
    write(folder / "m.jsonl", ["a", "b"])
    ran = await run(service, "m.jsonl", "--max-attempts", "1", "--max-duration", "3s")
    assert ran.code in {1, 5}, ran
    ran = await batcher("status", "m.jsonl.checkpoint", "--json")
    rows = json.loads(ran.stdout)["rows"]
    assert (rows["started"], rows["refused"], rows["rejected"]) == (1, 1, 0)
    ran = await batcher("failures", "m.jsonl", "-o", "failed.jsonl")
    assert "no row is rejected or invalid" in ran.stderr
    assert (await batcher("export", "m.jsonl.checkpoint", "-o", "rows.jsonl")).code == 0
    assert sorted(row["status"] for row in records(folder / "rows.jsonl")) == ["refused", "started"]


async def test_the_failures_of_a_list_that_another_tool_has_made_are_a_table_that_runs(folder, emulator):
    service = await emulator(reject_share=0.3, seed=2)
    (folder / "m.txt").write_text("Object list:\n" + "".join(f"obs://videos/{key}\n" for key in [*KEYS, "dir/"]))
    objects = [*KEYS, None]
    table = pa.table({"object": objects, "note": [f"n {number}" for number in range(len(objects))]})
    parquet.write_table(table, folder / "m.parquet")
    for name, more in (("m.txt", ("--keep-placeholders", "-i", "note=x")), ("m.parquet", ())):
        assert (await run(service, name, *more)).code == 1
    for name, bad in (("m.txt", 0), ("m.parquet", 1)):
        lines = records(folder / f"{name}.executions.jsonl")
        rejected = sorted(line["object"] for line in lines if line["status"] == "rejected")
        ran = await batcher("failures", name, "-o", f"{name}.csv")
        assert f"{name}.csv: {len(rejected) + bad} rows" in ran.stderr
        with (folder / f"{name}.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert sorted(row["object"] for row in rows if row["error_code"] == "SYS.0015") == rejected
        assert Counter(row["error_code"] for row in rows) == Counter({"SYS.0015": len(rejected), "InvalidRow": bad})
        service.settings = dataclasses.replace(service.settings, reject_share=0.0)
        command = ran.stderr.splitlines()[-1].removeprefix("batcher: next, after fixing it: batcher ")
        assert ("--keep-placeholders" in command) == ("dir/" in rejected)
        ran = await batcher(*shlex.split(command))
        assert f"{len(rejected)} started, 0 refused, 0 rejected, {bad} invalid" in ran.stderr, ran
    contents = [("videos", key, '{"note":"x"}') for key in [*KEYS, "dir/"]]
    contents += [("videos", key, f'{{"note":"n {number}"}}') for number, key in enumerate(KEYS)]
    assert service.ledger.counts() == Counter(contents)
