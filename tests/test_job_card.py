"""The job card: a job goes on wherever its files have gone, as what it was, and with no other manifest in its place."""

import json
import shutil
import sqlite3
import subprocess
from collections import Counter
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from peek import kept_rows
from shell import shell, suggested
from test_after import run, started, write
from test_command import batcher, records, write_csv

from batcher.edges.checkpoint import glance
from batcher.edges.checkpoint.lock import Lock
from batcher.errors import OtherJobError
from batcher.model import Mark, Status
from batcher.rules.job.card import Card, Difference, decoded, difference, encoded, renewed
from batcher.rules.rows.settled_prefix import Prefix, dismissed

KEYS = [f"clip {number}.mp4" for number in range(8)]
paths = st.text(st.characters(exclude_characters="\0"), max_size=20)
cards = st.builds(
    Card,
    endpoint=st.text(),
    workflow=st.text(),
    static_inputs=st.dictionaries(st.text(), st.integers() | st.text()).map(json.dumps),
    bucket=st.text(),
    # The name of a file may hold bytes that are no text: Python writes these as lone surrogates.
    manifest=paths | st.just("a\udcff"),
    output=paths,
    format=st.sampled_from(("", "csv")),
    storage_classes=st.lists(st.text()).map(tuple),
    keep_placeholders=st.booleans(),
    allow_duplicates=st.booleans(),
    cell_types=st.none() | st.dictionaries(st.text(), st.text()),
    project=st.text(),
)


@given(cards)
def test_a_card_is_read_back_as_it_was_written(card):
    text = encoded(card)
    assert decoded(text) == card
    assert text.isascii()


def test_a_card_of_a_later_version_is_refused_with_what_to_do():
    later = encoded(Card("https://obs.x.com", "w")).replace('"version": 1', '"version": 4')
    with pytest.raises(OtherJobError, match="version 4") as caught:
        decoded(later)
    assert caught.value.advice == "Use the version of batcher that last worked on this job, or a newer one."


def test_a_bucket_is_part_of_the_job_only_where_rows_rely_on_it():
    kept, wanted = Card("e", "w", bucket="a"), Card("e", "w", bucket="b")
    assert difference(kept, wanted, is_bucket_used=False) is None
    assert difference(kept, wanted, is_bucket_used=True) == Difference("bucket", "a", "b")
    assert difference(kept, structs.replace(kept, output="o", manifest="m"), is_bucket_used=True) is None


def test_a_side_manifest_replaces_nothing_on_the_card():
    own = Card("e", "w", manifest="m.csv", output="o", format="inventory", storage_classes=("WARM",), cell_types={})
    side = Card("e", "w", manifest="failed.csv", output="p", bucket="b")
    assert renewed(own, side, is_side=True) == structs.replace(own, bucket="b")
    assert renewed(own, side, is_side=False) == structs.replace(side, cell_types={})


def test_a_prefix_counts_dismissed_rows_as_such():
    states = {Status.STARTED: 3, Status.REJECTED: 2, Status.INVALID: 1}
    prefix = Prefix(Mark(6, 7, 60, "d"), states, "rules")
    assert dismissed(prefix) == prefix._replace(counts={Status.STARTED: 3, Status.DISMISSED: 3})
    sound = prefix._replace(counts={Status.STARTED: 6})
    assert dismissed(sound) == sound


# Where the files are


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    if (tmp_path / "bound").exists():
        monkeypatch.chdir("/")
        subprocess.run(["umount", tmp_path / "bound"], check=True)


def move(folder):
    (folder / "job").rename(folder / "moved")
    return "moved"


def copy(folder):
    shutil.copytree(folder / "job", folder / "copied")
    return "copied"


def link(folder):
    (folder / "link").symlink_to("job")
    return "link"


def detour(_folder):
    return "job/../job"


def bind(folder):
    (folder / "bound").mkdir()
    mounted = subprocess.run(["mount", "--bind", folder / "job", folder / "bound"], check=False, capture_output=True)
    if mounted.returncode != 0:
        (folder / "bound").rmdir()
        pytest.skip("only root may mount a folder elsewhere")
    return "bound"


@pytest.mark.parametrize("way", [move, copy, link, detour, bind])
async def test_the_same_command_goes_on_wherever_the_jobs_folder_is(folder, emulator, monkeypatch, way):
    service = await emulator(reject_share=0.3, seed=2)
    (folder / "job").mkdir()
    write(folder / "job" / "m.jsonl", KEYS)
    assert (await run(service, "job/m.jsonl", "--limit", "3")).code == 5
    place = way(folder)
    ran = await run(service, f"{place}/m.jsonl")
    assert ran.code == 1, ran
    lines = records(folder / place / "m.jsonl.executions.jsonl")
    rejected = [line["object"] for line in lines if line["status"] == "rejected"]
    assert len(lines) == len(KEYS)
    assert len(rejected) > 0
    assert started(service) == Counter(set(KEYS) - set(rejected))
    # From elsewhere, and from within, each command finds all files.
    for here, there in ((".", place), (place, "."))[: 2 if way is move else 1]:
        monkeypatch.chdir(folder / here)
        checkpoint = f"{there}/m.jsonl.checkpoint"
        ran = await batcher("export", checkpoint, "-o", "rows.jsonl")
        assert (ran.code, ran.stderr) == (0, "batcher: rows.jsonl: 8 rows\n")
        assert [row["object"] for row in records(folder / here / "rows.jsonl")] == KEYS
        ran = await batcher("failures", f"{there}/m.jsonl", "-o", "failed.jsonl")
        assert f"failed.jsonl: {len(rejected)} rows" in ran.stderr
        ran = await batcher("explain", checkpoint, "1")
        assert f"row 1: videos/{KEYS[0]}" in ran.stdout
        ran = await batcher("report", checkpoint, "-o", "report.html")
        assert (ran.code, ran.stderr) == (0, "batcher: report:     report.html\n")
        assert (await batcher("reconcile", checkpoint)).code == 0
        ran = await run(service, f"{there}/m.jsonl")
        assert ran.code == 1, ran
    assert started(service) == Counter(set(KEYS) - set(rejected))


async def test_every_output_of_a_job_is_found_after_a_move_below_the_folder_and_elsewhere(folder, emulator):
    service = await emulator()
    (folder / "job" / "out").mkdir(parents=True)
    write(folder / "job" / "m.jsonl", KEYS)
    for output, limit in (("job/first.jsonl", 2), ("job/out/second.csv", 2), ("third.jsonl", 1)):
        assert (await run(service, "job/m.jsonl", "-o", output, "--limit", limit)).code == 5
    (folder / "job").rename(folder / "moved")
    ran = await batcher("export", "moved/m.jsonl.checkpoint", "-o", "rows.jsonl")
    assert (ran.code, ran.stderr) == (0, "batcher: rows.jsonl: 5 rows\n")
    assert [row["object"] for row in records(folder / "rows.jsonl")] == KEYS[:5]
    for output in ("moved/out/second.csv", "third.jsonl", "moved/first.jsonl"):
        assert (await run(service, "moved/m.jsonl", "-o", output, "--limit", "1")).code in {0, 5}
    assert started(service) == Counter(KEYS)


async def test_an_output_is_known_again_by_another_name_of_the_same_file(folder, emulator):
    service = await emulator()
    write(folder / "m.jsonl", KEYS)
    assert (await run(service, "m.jsonl", "--limit", "2")).code == 5
    (folder / "link.jsonl").symlink_to("m.jsonl.executions.jsonl")
    ran = await run(service, "m.jsonl", "-o", "link.jsonl")
    assert ran.code == 0, ran
    assert len(records(folder / "m.jsonl.executions.jsonl")) == len(KEYS)
    assert started(service) == Counter(KEYS)


async def test_two_names_of_one_checkpoint_are_one_lock(folder, emulator):
    service = await emulator()
    write(folder / "m.jsonl", KEYS)
    (folder / "m.jsonl.checkpoint").symlink_to("kept")
    assert (await run(service, "m.jsonl", "--limit", "2")).code == 5
    assert len(kept_rows(folder / "kept")) == 2
    lock = Lock(folder / "kept")
    assert (await run(service, "m.jsonl")).code == 75
    lock.release()
    assert (await run(service, "m.jsonl")).code == 0
    assert started(service) == Counter(KEYS)


# The default bucket


async def test_a_resume_with_another_default_bucket_is_refused_and_starts_nothing(folder, emulator):
    service = await emulator()
    write(folder / "m.jsonl", KEYS)
    assert (await run(service, "m.jsonl", "--limit", "3")).code == 5
    before = (folder / "m.jsonl.checkpoint").read_bytes()
    for verb in ("run", "check"):
        ran = await batcher(verb, "m.jsonl", "-w", "transcode", "-e", service.url, "-b", "others")
        assert ran.code == 78, ran
        assert "rely on its default bucket, 'videos', and this command gives --bucket others" in ran.stderr
        assert "Give --bucket videos to continue the job." in ran.stderr
    assert (folder / "m.jsonl.checkpoint").read_bytes() == before
    assert (await run(service, "m.jsonl")).code == 0
    assert started(service) == Counter(KEYS)


async def test_where_every_row_names_its_bucket_another_default_one_makes_no_difference(folder, emulator):
    service = await emulator()
    named = [["object", "bucket"], *([key, "videos"] for key in KEYS)]
    write_csv(folder / "m.csv", named)
    assert (await run(service, "m.csv", "--limit", "3")).code == 5
    words = ("run", "m.csv", "-w", "transcode", "-e", service.url)
    ran = await batcher(*words, "-b", "others")
    assert ran.code == 0, ran
    assert started(service) == Counter(KEYS)
    # From the first row on that names none, it is part of the job.
    write_csv(folder / "m.csv", [*named, ["new", ""]])
    assert (await batcher(*words, "-b", "others")).code == 0
    ran = await batcher(*words, "-b", "videos")
    assert ran.code == 78, ran
    assert service.ledger.counts()["others", "new", "{}"] == 1
    assert started(service) == Counter([*KEYS, "new"])


async def test_a_bucket_that_no_row_was_admitted_with_can_still_be_corrected(folder, emulator):
    service = await emulator()
    write_csv(folder / "m.csv", [["object", "bucket"], *([key, "videos"] for key in KEYS), ["last", ""]])
    words = ("run", "m.csv", "-w", "transcode", "-e", service.url)
    assert (await batcher(*words, "-b", "vidoes", "--limit", len(KEYS))).code == 5
    assert (await batcher(*words, "-b", "videos")).code == 0
    assert service.ledger.counts()["videos", "last", "{}"] == 1
    # Without a default bucket such a row is invalid, which is nothing to rely on.
    assert (await batcher("run", "m.csv", "-w", "transcode", "-e", service.url, "-c", "c", "-o", "o")).code == 1
    assert (await batcher(*words, "-b", "more", "-c", "c", "-o", "o")).code == 0
    assert service.ledger.counts()["more", "last", "{}"] == 1


# A side manifest


async def failed_job(folder, service):
    """Run a job of which one row is rejected; give the words by which a side manifest runs under its checkpoint."""
    service.misses = lambda order: order.object == "tpyo.mp4"
    write(folder / "m.jsonl", [*KEYS, "tpyo.mp4"])
    ran = await run(service, "m.jsonl", "--allow-duplicates")
    assert ran.code == 1, ran
    return ("-c", "m.jsonl.checkpoint", "-o", "m.jsonl.executions.jsonl", "--retry-rejected")


def assert_own(folder):
    card = glance(folder / "m.jsonl.checkpoint").card
    assert (card.manifest, card.format, card.allow_duplicates) == ("m.jsonl", "", True)


async def test_a_side_manifest_does_not_take_the_place_of_the_jobs_own(folder, emulator):
    service = await emulator()
    words = await failed_job(folder, service)
    write_csv(folder / "failed.csv", [["object"], ["typo.mp4"]])
    ran = await run(service, "failed.csv", *words)
    # The fixed row is a new one. The one that failed is left until a person says that it is settled.
    assert ran.code == 5, ran
    assert "Every row of this manifest is started, but other rows of the job are left." in ran.stderr
    assert "Nothing is left to do" not in ran.stderr
    assert suggested(ran.stderr)[0].startswith(f"batcher failures {folder}/m.jsonl ")
    assert_own(folder)
    ran = await batcher("failures", "m.jsonl", "--dismiss")
    assert (ran.code, ran.stderr.splitlines()) == (
        0,
        ["batcher: 1 row dismissed: never sent again, and no longer counted as left"],
    )
    ran = await run(service, "failed.csv", *words)
    assert ran.code == 0, ran
    assert "Every row is started. Nothing is left to do." in ran.stderr
    ran = await run(service, "m.jsonl", "--allow-duplicates", "--retry-rejected")
    assert ran.code == 0, ran
    assert "9 rows: 8 started, 0 refused, 0 rejected, 0 invalid, 0 duplicate, 0 in doubt, 1 dismissed" in ran.stderr
    assert "Every row is started or dismissed. Nothing is left to do." in ran.stderr
    assert started(service) == Counter([*KEYS, "typo.mp4"])
    assert_own(folder)


async def test_a_side_manifest_ends_with_0_when_nothing_of_the_job_is_left(folder, emulator):
    service = await emulator()
    words = await failed_job(folder, service)
    service.misses = lambda _order: False
    write_csv(folder / "failed.csv", [["object"], ["tpyo.mp4"]])
    ran = await run(service, "failed.csv", *words)
    assert ran.code == 0, ran
    assert "Every row is started. Nothing is left to do." in ran.stderr
    assert started(service) == Counter([*KEYS, "tpyo.mp4"])


async def test_rows_that_no_run_has_read_are_left_after_a_side_manifest(folder, emulator):
    service = await emulator()
    write(folder / "m.jsonl", KEYS)
    assert (await run(service, "m.jsonl", "--limit", "4")).code == 5
    write(folder / "side.jsonl", KEYS[:4])
    words = ("-c", "m.jsonl.checkpoint", "-o", "other.jsonl")
    ran = await run(service, "side.jsonl", *words)
    assert ran.code == 5, ran
    (command,) = suggested(ran.stderr)
    assert (await shell(command, folder)).code == 0
    assert started(service) == Counter(KEYS)
    assert (await run(service, "side.jsonl", *words)).code == 0
    # A job that grew and was stopped again has unread rows again.
    write(folder / "m.jsonl", [*KEYS, "new 1", "new 2"])
    assert (await run(service, "m.jsonl", "--limit", "1")).code == 5
    assert (await run(service, "side.jsonl", *words)).code == 5


async def test_another_manifest_takes_the_place_of_one_that_is_gone_and_of_one_without_rows(folder, emulator):
    service = await emulator()
    write(folder / "m.jsonl", KEYS[:4])
    assert (await run(service, "m.jsonl")).code == 0
    (folder / "m.jsonl").rename(folder / "n.jsonl")
    words = ("-c", "m.jsonl.checkpoint", "-o", "m.jsonl.executions.jsonl")
    assert (await run(service, "n.jsonl", *words)).code == 0
    assert glance(folder / "m.jsonl.checkpoint").card.manifest == "n.jsonl"
    (folder / "link.jsonl").symlink_to("n.jsonl")
    assert (await run(service, "link.jsonl", *words)).code == 0
    assert glance(folder / "m.jsonl.checkpoint").read_whole
    assert started(service) == Counter(KEYS[:4])


async def test_standard_input_is_known_by_what_the_checkpoint_says_is_left(folder, emulator):
    service = await emulator()
    service.misses = lambda order: order.object == "tpyo"
    words = ("run", "-", "-w", "transcode", "-e", service.url, "-b", "videos", "--format", "txt")
    files = ("-c", "c", "-o", "o.jsonl")
    assert (await batcher(*words, *files, stdin=b"a\ntpyo\n")).code == 1
    ran = await batcher(*words, *files, stdin=b"typo\n")
    assert ran.code == 5, ran
    (command,) = suggested(ran.stderr)
    assert command.startswith(f"batcher run - --workflow transcode --endpoint {service.url} ")
    assert command.endswith(f" --format txt --checkpoint {folder}/c --output {folder}/o.jsonl --retry-rejected")
    write(folder / "file.jsonl", ["a"])
    assert (await run(service, "file.jsonl", *files)).code == 5
    assert glance(folder / "c").card.manifest == "-"
    assert (await batcher("failures", "-", "-c", "c", "--dismiss")).code == 0
    assert (await batcher(*words, *files, stdin=b"typo\n")).code == 0
    assert started(service) == Counter(["a", "typo"])


# Dismissed rows


async def test_dismissed_rows_are_settled_for_good_and_shown_as_such_everywhere(folder, emulator):
    service = await emulator()
    service.misses = lambda order: order.object == "missing"
    write(folder / "m.jsonl", [*KEYS, "missing", "x" * 1100])
    assert (await run(service, "m.jsonl")).code == 1
    ran = await batcher("failures", "m.jsonl", "--dismiss")
    assert "2 rows dismissed" in ran.stderr
    states = {Status.STARTED: len(KEYS), Status.DISMISSED: 2}
    assert Counter(row.status for row in kept_rows(folder / "m.jsonl.checkpoint")) == states
    service.misses = lambda _order: False
    for words in ((), ("--retry-rejected",)):
        assert (await run(service, "m.jsonl", *words)).code == 0
    assert started(service) == Counter(KEYS)
    ran = await batcher("failures", "m.jsonl", "--dismiss")
    assert ran.stderr == "batcher: no row is rejected or invalid: nothing to dismiss\n"
    ran = await batcher("failures", "m.jsonl", "-o", "failed.jsonl")
    assert "no row is rejected or invalid" in ran.stderr
    ran = await batcher("status", "m.jsonl.checkpoint")
    assert "dismissed             2" in ran.stdout
    assert ran.stderr == "batcher: next: nothing is left to do\n"
    await batcher("export", "m.jsonl.checkpoint", "-o", "rows.jsonl")
    rows = {row["object"]: row for row in records(folder / "rows.jsonl")}
    assert rows["missing"]["status"] == rows["x" * 1100]["status"] == "dismissed"
    assert rows["missing"]["error"]["code"] == "SYS.0015"
    ran = await batcher("explain", "m.jsonl.checkpoint", "missing")
    assert "now: dismissed (it was rejected or invalid" in ran.stdout


async def test_a_dismissal_is_refused_for_another_manifest_and_while_a_run_holds_the_job(folder, emulator):
    service = await emulator()
    await failed_job(folder, service)
    write(folder / "failed.jsonl", ["tpyo.mp4"])
    ran = await batcher("failures", "failed.jsonl", "-c", "m.jsonl.checkpoint", "--dismiss")
    assert ran.code == 2, ran
    assert f"the job's own manifest is {folder}/m.jsonl" in ran.stderr
    for more in ((), ("--dismiss", "-o", "failed.jsonl")):
        ran = await batcher("failures", "m.jsonl", *more)
        assert ran.code == 2, ran
        assert "give one of --output and --dismiss" in ran.stderr
    lock = Lock(folder / "m.jsonl.checkpoint")
    assert (await batcher("failures", "m.jsonl", "--dismiss")).code == 75
    lock.release()
    assert glance(folder / "m.jsonl.checkpoint").counts[Status.REJECTED] == 1


async def test_after_a_dismissal_a_resume_still_passes_over_what_has_ended(folder, emulator):
    service = await emulator()
    service.misses = lambda order: order.object.endswith("7")
    write(folder / "m.jsonl", [f"clip {number}" for number in range(60)])
    assert (await run(service, "m.jsonl")).code == 1
    assert (await batcher("failures", "m.jsonl", "--dismiss")).code == 0
    with closing(sqlite3.connect(folder / "m.jsonl.checkpoint")) as db:
        (prefix,) = db.execute("SELECT value FROM header WHERE name = 'settled prefix'").fetchone()
    *mark, states, _ = json.loads(prefix)
    assert mark[0] == 60
    assert states == {"2": 54, "8": 6}
    ran = await run(service, "m.jsonl")
    assert ran.code == 0, ran
    assert "60 rows: 54 started, 0 refused, 0 rejected, 0 invalid, 0 duplicate, 0 in doubt, 6 dismissed" in ran.stderr
    with closing(sqlite3.connect(folder / "m.jsonl.checkpoint")) as db:
        assert db.execute("SELECT value FROM header WHERE name = 'settled prefix'").fetchone() == (prefix,)
