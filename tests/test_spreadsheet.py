"""Files for spreadsheets: `--spreadsheet` of run and export. And the mode of files that were there before."""

import csv
import json

import pytest
from independent import judging
from test_command import batcher, run

NAMES = ["=HYPERLINK(1)", "+1", "-1", "@SUM(1)", "'quoted", "plain \u4e2d"]
SHOWN = ["'=HYPERLINK(1)", "'+1", "'-1", "'@SUM(1)", "''quoted", "plain \u4e2d"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def objects(path):
    # As a spreadsheet reads it: the mark says that it is UTF-8.
    assert path.read_bytes().startswith(b"\xef\xbb\xbfrow,")
    with path.open(encoding="utf-8-sig", newline="") as file:
        return sorted(row["object"] for row in csv.DictReader(file))


async def test_records_and_an_export_for_spreadsheets_are_text_and_the_job_reads_them_back(folder):
    (folder / "m.jsonl").write_text("".join(json.dumps({"object": name}) + "\n" for name in NAMES))
    async with judging() as judge:
        first = await run(judge, "m.jsonl", "-o", "o.csv", "--spreadsheet", "--limit", "3")
        assert first.code == 5, first
        # The file remains what it is, with the option or without.
        assert (await run(judge, "m.jsonl", "-o", "o.csv", "--limit", "1")).code == 5
        assert (await run(judge, "m.jsonl", "-o", "o.csv", "--spreadsheet")).code == 0
        assert sorted(judge.objects()) == sorted(NAMES)
    assert objects(folder / "o.csv") == sorted(SHOWN)
    exports = {
        "e.csv": await batcher("export", "m.jsonl.checkpoint", "-o", "e.csv", "--spreadsheet"),
        "plain.csv": await batcher("export", "m.jsonl.checkpoint", "-o", "plain.csv"),
        "e.jsonl": await batcher("export", "m.jsonl.checkpoint", "-o", "e.jsonl", "--spreadsheet"),
    }
    assert [ran.code for ran in exports.values()] == [0, 0, 2]
    assert "--spreadsheet: e.jsonl is not a CSV file" in exports["e.jsonl"].stderr
    assert objects(folder / "e.csv") == sorted(SHOWN)
    with (folder / "plain.csv").open(newline="", encoding="utf-8") as file:
        assert sorted(row["object"] for row in csv.DictReader(file)) == sorted(NAMES)


@pytest.mark.parametrize(("output", "told"), [("o.jsonl", "is not a CSV file"), ("o.csv", "was begun without it")])
async def test_an_output_that_cannot_be_for_spreadsheets_is_refused_before_anything_is_sent(folder, output, told):
    (folder / "m.txt").write_text("a\nb\n")
    async with judging() as judge:
        if output == "o.csv":
            assert (await run(judge, "m.txt", "-o", output, "--limit", "1")).code == 5
        sent = len(judge.bodies)
        ran = await run(judge, "m.txt", "-o", output, "--spreadsheet")
        assert (ran.code, len(judge.bodies)) == (2, sent)
        assert told in ran.stderr


async def test_a_file_that_other_users_can_read_is_named_and_left_as_it_is(folder):
    (folder / "m.txt").write_text("a\n")
    files = ["m.txt.executions.jsonl", "m.txt.checkpoint"]
    async with judging() as judge:
        first = await run(judge, "m.txt")
        assert (first.code, "other users" in first.stderr) == (0, False)
        for name in files:
            (folder / name).chmod(0o644)
        again = await run(judge, "m.txt")
        assert again.code == 0
    for name in files:
        assert f"warning: {name}: other users can read this file; run chmod 600 {name}" in again.stderr
        assert (folder / name).stat().st_mode & 0o777 == 0o644
