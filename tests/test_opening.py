"""What a run shows, and asks, before its first start: the lines by their values, and the command at a real terminal."""

import asyncio
import os
import pty
from contextlib import suppress

import pytest
from conftest import AK
from launching import launched
from test_check import check, run
from test_command import ENVIRONMENT, batcher

from batcher.rules.job.card import Card
from batcher.rules.progress.extent import Length
from batcher.rules.report.opening import Opening, lines, question

CARD = Card("https://obs.x.com", "transcode", bucket="videos")
API = "API obs-v2, POST /v2/workflows/transcode"
OPENING = Opening(CARD, API, "environment A, access key ...KEY0", None, None, None, "-", "o.jsonl", "c")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_first_lines_name_what_is_started_where_as_whom_and_in_which_files():
    assert lines(OPENING) == [
        f"workflow:    transcode at https://obs.x.com ({API})",
        "bucket:      videos",
        "credentials: environment A, access key ...KEY0",
        "rows:        an unknown number of rows in standard input",
        "files:       o.jsonl (records), c (progress)",
    ]
    known = OPENING._replace(
        card=Card("https://obs.x.com", "w"), rows=Length(1000, is_exact=False), most=100, rate=502.7, manifest="m.csv"
    )
    assert lines(known)[1:] == [
        "bucket:      as each row names it",
        "credentials: environment A, access key ...KEY0",
        "rows:        about 1,000 rows in m.csv; at most 100 of them in this run",
        "rate:        from about 503 starts per second, found earlier",
        "files:       o.jsonl (records), c (progress)",
    ]


def test_the_question_has_the_number_and_the_workflow():
    assert question(10_000, "w", Length(15_000, is_exact=False)) == (
        "This run starts more than 10,000 executions of the workflow w (the list has about 15,000 rows). Continue?"
    )
    assert question(5, "w", None) == "This run starts more than 5 executions of the workflow w. Continue?"


async def test_a_run_opens_with_these_lines_before_anything_else(folder, emulator):
    service = await emulator()
    (folder / "m.csv").write_text("object\na\nb\n")
    ran = await run(service, "m.csv")
    assert ran.code == 0, ran
    assert ran.stderr.splitlines()[:5] == [
        f"batcher: workflow:    transcode at {service.url} ({API})",
        "batcher: bucket:      videos",
        f"batcher: credentials: environment OBS_ACCESS_KEY_ID, access key ...{AK[-4:]}",
        "batcher: rows:        about 2 rows in m.csv",
        "batcher: files:       m.csv.executions.jsonl (records), m.csv.checkpoint (progress)",
    ]


async def test_a_dry_run_is_a_check_of_the_same_command(folder, emulator):
    service = await emulator()
    (folder / "m.txt").write_text("a\nb\n\x00\n")
    checked, dry = await check(service, "m.txt"), await run(service, "m.txt", "--dry-run", "-o", "o.jsonl")
    assert (dry.code, dry.stdout, dry.stderr) == (checked.code, checked.stdout, checked.stderr)
    limited = await run(service, "m.txt", "--dry-run", "--limit", "1")
    assert limited.stderr == checked.stderr + "batcher: --limit: this run would send at most 1 row of them.\n"
    assert checked.code == 65, checked
    assert not service.ledger.counts()
    assert [path.name for path in folder.iterdir()] == ["m.txt"]


def _talked(leader, answer):
    """Read what a terminal is sent, and answer the first question. Gives all of it."""
    said, is_answered = b"", False
    with suppress(OSError):  # how the end of a terminal reads on Linux
        while data := os.read(leader, 65_536):
            said += data
            if not is_answered and b"[y/N]" in said:
                os.write(leader, answer)
                is_answered = True
    os.close(leader)
    return said.decode()


async def at_terminal(service, answer, *words):
    """Run the command at a terminal. Gives its exit code, and what it said."""
    leader, follower = pty.openpty()
    command = ["run", *words, "-w", "transcode", "-e", service.url, "-b", "videos", "--progress", "line"]
    with launched(command, ENVIRONMENT, os.getcwd(), [follower] * 3) as ended:  # noqa: PTH109 - as the launcher takes it
        os.close(follower)
        said, code = await asyncio.gather(asyncio.to_thread(_talked, leader, answer), ended())
    return code, said


def write(folder, rows):
    (folder / "m.txt").write_text("".join(f"o{number}\n" for number in range(rows)))


@pytest.mark.parametrize(
    "answer", [b"n\n", b"\n", b"what?\n", b"\x04"], ids=["no", "nothing", "another word", "the end"]
)
async def test_without_a_yes_nothing_is_started(folder, emulator, answer):
    service = await emulator()
    write(folder, 10)
    code, said = await at_terminal(service, answer, "m.txt", "--confirm-above", "3")
    assert code == 64, said
    assert "This run starts more than 3 executions of the workflow transcode (the list has about 10 rows)." in said
    assert "error: not confirmed: nothing was started" in said
    assert not service.ledger.counts()


async def test_after_a_yes_every_row_is_started_once_and_a_resume_asks_about_new_rows_only(folder, emulator):
    service = await emulator()
    write(folder, 10)
    code, said = await at_terminal(service, b"y\n", "m.txt", "--confirm-above", "3")
    assert (code, said.count("[y/N]")) == (0, 1), said
    assert "10 rows: 10 started" in said
    # Three new rows are not more than three; a repeated row and an invalid one are not sent.
    with (folder / "m.txt").open("a") as file:
        file.write("o10\no11\no12\no0\n\x00\n")
    code, said = await at_terminal(service, b"n\n", "m.txt", "--confirm-above", "3")
    assert (code, said.count("[y/N]")) == (1, 0), said
    write(folder, 17)
    code, said = await at_terminal(service, b"YES\n", "m.txt", "--confirm-above", "3")
    assert (code, said.count("[y/N]")) == (0, 1), said
    assert sorted(service.ledger.counts().values()) == [1] * 17


@pytest.mark.parametrize("words", [("--yes",), ("--confirm-above", "0"), ("--limit", "3"), ("--confirm-above", "10")])
async def test_nobody_is_asked_who_has_answered_or_has_few_rows(folder, emulator, words):
    service = await emulator()
    write(folder, 10)
    code, said = await at_terminal(service, b"n\n", "m.txt", "--confirm-above", "3", *words)
    assert code == (5 if "--limit" in words else 0), said
    assert "[y/N]" not in said


async def test_many_blocks_are_counted_once_and_the_list_is_read_once(folder, emulator):
    service = await emulator()
    write(folder, 1500)
    ran = await batcher(
        "run", "m.txt", "-w", "transcode", "-e", service.url, "-b", "videos", "--limit", "600", "--progress", "none"
    )
    assert ran.code == 5, ran
    # 900 new rows, a few of them behind known ones, in blocks of known, mixed and new rows.
    code, said = await at_terminal(service, b"y\n", "m.txt", "--confirm-above", "800")
    assert (code, said.count("[y/N]")) == (0, 1), said
    assert "1,500 rows: 1,500 started, 0 refused, 0 rejected, 0 invalid, 0 duplicate, 0 in doubt" in said
    assert sorted(service.ledger.counts().values()) == [1] * 1500


async def test_without_a_terminal_nobody_is_asked(folder, emulator):
    service = await emulator()
    write(folder, 10)
    ran = await run(service, "m.txt", "--confirm-above", "3")
    assert (ran.code, "[y/N]" in ran.stderr) == (0, False), ran


async def test_a_command_with_several_processes_asks_once_before_all_of_them(folder, emulator):
    service = await emulator()
    write(folder, 10)
    words = ("m.txt", "--confirm-above", "3", "--processes", "2")
    code, said = await at_terminal(service, b"n\n", *words)
    assert (code, said.count("[y/N]"), service.ledger.starts) == (64, 1, []), said
    code, said = await at_terminal(service, b"y\n", *words)
    assert (code, said.count("[y/N]")) == (0, 1), said
    code, said = await at_terminal(service, b"n\n", *words)
    assert (code, said.count("[y/N]")) == (0, 0), said
    assert sorted(service.ledger.counts().values()) == [1] * 10
