"""Rows not read yet are part of a job: the pure rule, and then the same run as every output shows it."""

import json
import os
import re

import pytest
from test_check import run
from test_command import batcher

from batcher.emulator.faults import FaultKind
from batcher.model import Status
from batcher.rules.progress.extent import Length, decoded, encoded, extent, percent


def exactly(rows):
    return Length(rows, is_exact=True)


def about(rows):
    return Length(rows, is_exact=False)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("counts", "length", "read_whole", "expected"),
    [
        # Two of three rows are done; the one in doubt is not.
        ({Status.STARTED: 1, Status.INVALID: 1, Status.IN_DOUBT: 1}, None, True, (3, True, 0, 2)),
        ({Status.STARTED: 100}, exactly(1000), False, (1000, True, 900, 100)),
        ({Status.STARTED: 100, Status.REFUSED: 5}, about(1000), False, (1000, False, 895, 100)),
        # The manifest was edited: the checkpoint knows rows that it no longer has.
        ({Status.STARTED: 1100}, exactly(1000), False, (1100, True, 0, 1100)),
        ({Status.STARTED: 1100}, exactly(1000), True, (1100, True, 0, 1100)),
        ({Status.STARTED: 100}, None, False, (None, False, None, 100)),
        ({}, None, True, (0, True, 0, 0)),
    ],
)
def test_the_extent_of_a_job_includes_the_rows_that_were_not_read(counts, length, read_whole, expected):
    assert extent(counts, length, read_whole=read_whole) == expected


def test_what_is_unknown_has_no_share_and_nothing_left_and_only_all_is_all():
    unknown = extent({Status.STARTED: 100}, None, read_whole=False)
    assert (unknown.left, unknown.share, unknown.words) == (None, None, "unknown")
    almost = extent({Status.STARTED: 99_999, Status.PENDING: 1}, None, read_whole=True)
    assert (almost.left, percent(almost.share), almost.words) == (1, ">99.9%", "100,000")
    estimated = extent({Status.STARTED: 10}, about(1000), read_whole=False)
    assert (estimated.left, percent(estimated.share), estimated.words) == (990, "1.0%", "about 1,000")
    assert percent(extent({}, None, read_whole=True).share) == "100.0%"
    assert [percent(share) for share in (0.0, 0.0001, 0.0867, 0.5)] == ["0.0%", "<0.1%", "8.7%", "50.0%"]


@pytest.mark.parametrize("length", [exactly(1000), exactly(0), about(12_345)])
def test_a_length_reads_back_as_it_was_written(length):
    assert decoded(encoded(length)) == length
    assert decoded(None) is None


def test_a_length_is_stored_when_it_is_exact_or_has_changed_much():
    assert about(1000).is_news(None)
    assert not about(1009).is_news(about(1000))
    assert about(1011).is_news(about(1000))
    assert exactly(1000).is_news(about(1000))
    assert not exactly(1000).is_news(exactly(1000))


async def test_after_a_tenth_of_the_list_every_output_shows_a_tenth(folder, emulator):
    service = await emulator()
    (folder / "m.csv").write_text("".join(["object\n", *(f"o{number}\n" for number in range(1000))]))
    ran = await run(service, "m.csv", "--limit", "100", "--report", "r.html", "--progress", "line")
    assert ran.code == 5, ran
    assert re.search("^10% done, .* 900 left, eta 0s, ", ran.stderr, re.MULTILINE)
    assert re.search("^batcher: 100 of (about )?1,000 rows done, 900 left: 100 started, ", ran.stderr, re.MULTILINE)
    page = (folder / "r.html").read_text()
    assert "Every row" not in page
    assert re.search(
        'id="headline">100 of (about )?1,000 rows started .10.0%., (about )?900 not started yet .90.0%..<', page
    )
    assert re.search('id="done">10.0%</strong> done, <strong id="left">900</strong> left', page)
    assert re.search('id="total-unread">900</td><td class="number">90.0%', page)
    assert re.search('id="total">(about )?1,000<', page)
    seen = await batcher("status", "m.csv.checkpoint")
    assert re.search(
        "^(about )?1,000 rows in all: 10.0% done, 900 left, 900 of them not read yet$", seen.stdout, re.MULTILINE
    )
    seen = json.loads((await batcher("status", "m.csv.checkpoint", "--json")).stdout)
    assert {name: seen[name] for name in ("total", "unread", "done", "left", "share", "eta")} == {
        "total": 1000, "unread": 900, "done": 100, "left": 900, "share": 0.1, "eta": None,
    }  # fmt: skip
    (step,) = seen["next"]
    assert step.startswith("batcher run ")
    ran = await run(service, "m.csv", "--progress", "line", "--report", "r.html")
    assert ran.code == 0, ran
    assert "\n100% done, 1,000 rows read, " in f"\n{ran.stderr}"
    assert "batcher: 1,000 rows: 1,000 started, " in ran.stderr
    assert 'id="headline">All 1,000 rows are started.<' in (folder / "r.html").read_text()
    seen = await batcher("status", "m.csv.checkpoint")
    assert "\n1,000 rows in all: 100.0% done, 0 left\n" in seen.stdout


async def test_where_the_length_of_the_list_is_unknown_so_are_total_and_share(folder, emulator):
    service = await emulator()
    os.mkfifo("m.txt")
    # Nobody can tell how much more will come, as long as it is open.
    with (folder / "m.txt").open("r+b", buffering=0) as pipe:
        pipe.write(b"a\nb\nc\n")
        ran = await run(service, "m.txt", "--limit", "1", "--report", "r.html", "--progress", "line")
    assert ran.code == 5, ran
    assert "rows read (total unknown), 1 started, " in ran.stderr
    assert re.search("^batcher: 3 rows read, their total is unknown: 1 started, ", ran.stderr, re.MULTILINE)
    page = (folder / "r.html").read_text()
    assert "Every row" not in page
    assert re.search('id="read">1<', page)
    assert re.search('id="total">unknown<', page)
    assert "% done" not in ran.stderr + page
    seen = await batcher("status", "m.txt.checkpoint")
    assert "\n1 row done; the total is unknown, and so is what is left\n" in seen.stdout
    seen = json.loads((await batcher("status", "m.txt.checkpoint", "--json")).stdout)
    assert [seen[name] for name in ("total", "unread", "left", "share")] == [None] * 4


async def test_rows_in_doubt_are_left_and_no_output_says_that_all_is_done(folder, emulator):
    service = await emulator(faults={FaultKind("reset-after"): 1.0})
    (folder / "m.txt").write_text("a\nb\n")
    ran = await run(service, "m.txt", "--on-doubt", "hold", "--progress", "line", "--report", "r.html")
    assert ran.code == 3, ran
    assert re.search("^0% done, 2 rows read, .* 2 left, ", ran.stderr, re.MULTILINE)
    assert 'id="left">2</strong> left' in (folder / "r.html").read_text()
    assert "\n2 rows in all: 0.0% done, 2 left\n" in (await batcher("status", "m.txt.checkpoint")).stdout
