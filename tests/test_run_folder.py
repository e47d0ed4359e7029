"""A run folder as one job: what the verbs that look at a job say of all its shards, and that their totals add up."""

import asyncio
import json
import re
from collections import Counter

import pytest
from shell import shell, suggested
from test_after import started
from test_bad_hours import until
from test_command import batcher, records
from test_shard_runs import folder, run, shards  # noqa: F401 - the folder is a fixture

from batcher.app.run_folder import job_at
from batcher.edges.checkpoint import glance, open_checkpoint
from batcher.edges.checkpoint.facts import ELSEWHERE
from batcher.emulator.faults import FaultKind
from batcher.errors import DiskError
from batcher.rules.shards.totals import Count, combined, faults, total_of

ROWS = [*(f"in/clip {number:02}.mp4" for number in range(40)), "in/clip 07.mp4", "\x00", "\x00"]


def write(path, rows=ROWS):
    path.write_text("object\n" + "".join(f"{row}\n" for row in rows))


async def status(*words):
    ran = await batcher("status", *words, "--json")
    assert ran.code == 0, ran
    return json.loads(ran.stdout)


async def test_the_shards_of_a_job_are_shown_exported_and_reported_as_one_and_their_totals_add_up(folder, emulator):  # noqa: F811
    service = await emulator()
    write(folder / "m.csv")
    await asyncio.gather(*(run(service, "m.csv", "--shard", f"{number}/3") for number in (0, 2)))
    seen = await status("m.csv.run")
    assert (seen["not_begun"], seen["faults"], seen["total"], seen["running"]) == ([1], [], 43, False)
    assert [each["shard"] for each in seen["shards"]] == [0, 2]
    assert seen["unread"] == 43 - sum(sum(each["rows"].values()) for each in seen["shards"]) > 0
    ran = await batcher("status", "m.csv")
    assert "not begun: 1 shard, the first is 1/3" in ran.stdout
    # What it says to do next finishes the job.
    first, *_ = suggested(ran.stderr)
    assert (await shell(first, folder)).code in {0, 1}
    assert started(service) == Counter(set(ROWS) - {"\x00"})
    seen = await status("m.csv")
    assert (seen["not_begun"], seen["faults"], seen["total"], seen["unread"]) == ([], [], 43, 0)
    assert seen["rows"]["started"] == 40
    assert sum(seen["rows"].values()) == 43
    ran = await batcher("export", "m.csv.run", "-o", "rows.jsonl")
    assert (ran.code, "rows.jsonl: 43 rows" in ran.stderr) == (0, True), ran
    assert {record["row"]: record["object"] for record in records(folder / "rows.jsonl")} == dict(enumerate(ROWS, 1))
    ran = await batcher("export", "m.csv.run", "-o", "m.csv.run/shard-00001.executions.jsonl")
    assert ran.code == 2, ran
    ran = await batcher("explain", "m.csv.run", "in/clip 07.mp4")
    assert [line for line in ran.stdout.splitlines() if line.startswith("row")] == [
        "row 8: videos/in/clip 07.mp4",
        "row 41: videos/in/clip 07.mp4",
    ]
    assert (await batcher("explain", "m.csv.run", "999")).code == 1
    ran = await batcher("report", "m.csv.run", "-o", "report.html")
    assert ran.code == 0, ran
    page = (folder / "report.html").read_text()
    assert " rows started (" in page
    assert ", 2 failed (" in page
    assert "m.csv.run" in page
    assert "--shard" not in page


async def test_the_failed_rows_of_all_shards_are_written_as_the_next_manifest_and_dismissed_together(folder, emulator):  # noqa: F811
    service = await emulator()
    write(folder / "m.csv")
    await shards(service, "m.csv", 2)
    for given in ("m.csv.run", "m.csv"):
        ran = await batcher("failures", given, "-o", "failed.csv")
        assert (ran.code, "failed.csv: 2 rows" in ran.stderr) == (0, True), ran
    (command,) = suggested(ran.stderr)
    assert "--checkpoint" not in command
    (folder / "failed.csv").write_text("object\nin/fixed\n")
    assert (await shell(command, folder)).code == 0
    assert started(service) == Counter([*set(ROWS) - {"\x00"}, "in/fixed"])
    ran = await batcher("check", "m.csv", "-w", "transcode", "-e", service.url, "-b", "videos")
    assert "m.csv: run in 2 shards; what they have started is not counted" in ran.stderr
    ran = await batcher("forget", "m.csv.run")
    assert (ran.code, len(ran.stderr.splitlines())) == (0, 2), ran
    assert (await batcher("failures", "m.csv.run", "--dismiss")).code == 0
    seen = await status("m.csv.run")
    assert (seen["rows"]["dismissed"], seen["rows"]["invalid"], seen["faults"]) == (2, 0, [])
    assert [each.code for each in await shards(service, "m.csv", 2)] == [0, 0]


async def test_the_rows_in_doubt_of_all_shards_are_settled_by_one_command(folder, emulator):  # noqa: F811
    service = await emulator(faults={FaultKind("reset-after"): 0.4, FaultKind("reset-before"): 0.2}, seed=2)
    write(folder / "m.csv", [f"in/{number}" for number in range(60)])
    ran = await shards(service, "m.csv", 2, "--on-doubt", "hold")
    assert [each.code for each in ran] == [3, 3]
    seen = await status("m.csv.run")
    assert seen["rows"]["in_doubt"] == len(seen["in_doubt"]) > 10
    assert len((await batcher("status", "m.csv.run", "--rows", "in_doubt")).stdout.splitlines()) == len(
        seen["in_doubt"]
    )
    ran = await batcher("reconcile", "m.csv.run", "--settle-time", "4")
    assert (ran.code, "another client" in ran.stderr) == (0, False), ran
    # All shards are looked at before the settle time of one of them has passed.
    assert re.findall(r"shard-(\d+).checkpoint:", ran.stderr) == ["00000", "00001"] * 2
    assert "Run this again later" not in ran.stderr
    service.change_faults({})
    assert [each.code for each in await shards(service, "m.csv", 2)] == [0, 0]
    assert started(service) == Counter(f"in/{number}" for number in range(60))


async def test_running_shards_are_steered_together(folder, emulator):  # noqa: F811
    service = await emulator()
    write(folder / "m.csv", [f"in/{number}" for number in range(400)])
    assert (await batcher("drain", "m.csv.run")).code != 0
    running = asyncio.ensure_future(shards(service, "m.csv", 2, "--max-rate", "10"))

    async def all_run():
        await asyncio.sleep(0)
        return len([*folder.glob("m.csv.run/*.socket")]) == 2

    await until(all_run)
    ran = await batcher("rate", "m.csv.run", "6")
    assert [line.split(": ")[1] for line in ran.stdout.splitlines()] == ["at most 3 starts per second"] * 2, ran
    seen = await status("m.csv.run")
    assert seen["running"]
    assert seen["live"]["on_wire"] >= 0
    ran = await batcher("drain", "m.csv.run")
    assert ran.code == 0, ran
    assert [each.code for each in await running] == [5, 5]
    assert len(suggested(ran.stderr)) == 3
    assert not (await status("m.csv.run"))["running"]


async def test_an_export_has_the_same_bytes_each_time_and_says_what_is_not_in_it(folder, emulator):  # noqa: F811
    service = await emulator()
    write(folder / "m.csv")
    await shards(service, "m.csv", 2)
    for name in ("one.jsonl", "two.jsonl", "one.jsonl"):
        ran = await batcher("export", "m.csv.run", "-o", name)
        assert (ran.code, "warning" in ran.stderr) == (0, False), ran
    assert (folder / "one.jsonl").read_bytes() == (folder / "two.jsonl").read_bytes()
    one, two = (folder / f"m.csv.run/shard-0000{number}.checkpoint" for number in (0, 1))
    kept = two.read_bytes()
    # The checkpoint of a shard under the name of another one would be counted twice.
    two.write_bytes(one.read_bytes())
    for words in (("status", "m.csv.run"), ("export", "m.csv.run", "-o", "three.jsonl"), ("explain", "m.csv.run", "1")):
        ran = await batcher(*words)
        assert (ran.code, "the checkpoint of shard 0/2, which is not what its name says" in ran.stderr) == (78, True), (
            ran
        )
    assert not (folder / "three.jsonl").exists()
    two.unlink()
    ran = await batcher("export", "m.csv.run", "-o", "three.jsonl")
    assert (ran.code, "1 shard of 2 not begun" in ran.stderr) == (0, True), ran
    two.write_bytes(kept)
    async with open_checkpoint(one, None) as checkpoint:
        await checkpoint.remember({ELSEWHERE: 99})
    for words in (("status",), ("export", "-o", "a.csv"), ("report", "-o", "r.html"), ("failures", "-o", "f.csv")):
        ran = await batcher(words[0], "m.csv.run", *words[1:])
        assert (ran.code, "the totals do not add up: the shards have counted" in ran.stdout + ran.stderr) == (
            0,
            True,
        ), ran


def count(rows, elsewhere, *, read_whole=True):
    return Count(rows, elsewhere, read_whole)


@pytest.mark.parametrize(
    ("counts", "total", "said"),
    [
        ({}, None, []),
        ({0: count(3, None)}, None, []),
        ({0: count(3, 4, read_whole=False), 1: count(4, 3)}, 7, []),
        ({0: count(3, 4), 1: count(4, 3)}, 7, []),
        ({0: count(3, 4), 1: count(3, 4)}, 7, ["the shards have 6 rows in all, but the list has 7"]),
        (
            {0: count(3, 4), 1: count(5, None, read_whole=False)},
            7,
            ["the shards have 8 rows in all, but the list has 7"],
        ),
        ({0: count(3, 4), 1: count(4, 4)}, None, ["shard 0: 7, shard 1: 8"]),
    ],
)
def test_totals_that_do_not_add_up_are_said_and_those_that_are_not_known_yet_are_not(counts, total, said):
    found = [*faults(2, counts)]
    assert total_of(2, counts) == total
    assert len(found) == len(said)
    assert all(part in fault for part, fault in zip(said, found, strict=True))


def test_the_figures_of_running_shards_are_summed_and_what_one_does_not_know_is_not_known():
    one = {"rate": 2.0, "on_wire": 3, "limit": 5.0, "eta": [1.0, 2.0]}
    two = {"rate": 4.0, "on_wire": 1, "limit": 7.0, "eta": [3.0, 3.0]}
    summed = {"total": None, "rate": 6.0, "on_wire": 4, "limit": 12.0, "eta": [3.0, 3.0], "state": ""}
    assert combined([one, two]) == summed
    assert combined([one, two | {"limit": None, "eta": None}]) == summed | {"limit": None, "eta": None}
    assert combined([]) == {}


def test_a_folder_that_is_no_run_folder_is_called_that_and_not_a_damaged_disk(tmp_path):
    for look in (glance, job_at):
        with pytest.raises(DiskError, match=r"without plan\.json: neither a checkpoint nor a run folder"):
            look(tmp_path)
