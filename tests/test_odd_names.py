"""Names are bytes to the system: what is not UTF-8 works in every verb, is printed escaped, leads to the same file."""

import asyncio
import json
import os
import subprocess
import sys

import pytest
from independent import judging
from shell import shell, suggested, suggested_on
from test_command import ENVIRONMENT, batcher

from batcher.edges.checkpoint.lock import locked
from batcher.edges.witness import Reached, Witness
from batcher.rules.shell import command_line
from batcher.rules.text import printable

NAME = os.fsdecode(b"\xca\xd3\xc6\xb5.txt")
"""What a file is called that was unpacked from an archive in GBK."""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    folder = tmp_path / os.fsdecode(b"videos \xc4")
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


async def test_a_job_whose_files_are_not_named_in_utf_8_passes_through_every_verb(folder):
    odd = os.fsdecode(b"\xff")
    (folder / NAME).write_text("a\nb\n\u4e2d\n")
    async with judging() as judge:
        words = ("run", NAME, "-w", "transcode", "-e", judge.url, "-b", "videos", "-o", f"{odd}.csv")
        files = ("--log-file", f"{odd}.log", "--metrics-file", f"{odd}.prom", "--report", f"{odd}.html")
        first = await batcher(*words, *files, "--limit", "1")
        assert first.code == 5, first
        assert "records:    \\xff.csv" in first.stderr
        assert r"\\xca" in (folder / f"{odd}.prom").read_text()
        # What is suggested, here and on the page, leads to the same files, and starts the rest.
        (again,) = suggested(first.stderr)
        assert again.isprintable()
        assert again in suggested_on(folder / f"{odd}.html")
        assert (await shell(again, folder)).code == 0
        assert sorted(judge.objects()) == ["a", "b", "\u4e2d"]
    checkpoint = f"{NAME}.checkpoint"
    ended = {
        verb: await batcher(*verb.split(), checkpoint, *more)
        for verb, more in {
            "status": (),
            "status --json": (),
            "explain": ("\u4e2d",),
            "export": ("-o", f"{odd}.jsonl"),
            "report": ("-o", "again.html"),
            "rate": ("5",),
            "reconcile": (),
            "forget": (),
        }.items()
    }
    assert {verb: ran.code for verb, ran in ended.items()} == dict.fromkeys(ended, 0) | {"rate": 2}
    assert ended["status"].stdout.startswith(r"\xca\xd3")
    assert json.loads(ended["status --json"].stdout)["checkpoint"] == checkpoint
    assert len((folder / f"{odd}.jsonl").read_bytes().splitlines()) == 3


async def test_a_verb_prints_on_a_terminal_whose_encoding_lacks_a_character(folder):
    (folder / "m.txt").write_text("caf\u00e9 \u4e2d\n")
    async with judging() as judge:
        assert (await batcher("run", "m.txt", "-w", "transcode", "-e", judge.url, "-b", "videos")).code == 0
    words = (sys.executable, "-m", "batcher", "explain", "m.txt.checkpoint", "1")
    environment = ENVIRONMENT | {"PYTHONIOENCODING": "latin-1"}
    process = await asyncio.create_subprocess_exec(*words, env=environment, stdout=subprocess.PIPE)
    stdout, _ = await process.communicate()
    assert process.returncode == 0
    assert stdout.splitlines()[0] == b"row 1: videos/caf\xe9 \\u4e2d"


@pytest.mark.parametrize(
    "name", [NAME, "a\nb", "it's 100% \\x \x1b[2J", "-dash\t", "\u4e2d plain", "$(touch x) \udcff"]
)
def test_a_suggested_command_is_printable_and_a_shell_reads_the_same_words(name):
    line = command_line(["printf", "%s|", "before", name, "after"])
    assert line.isprintable()
    ran = subprocess.run(["/bin/sh", "-c", line], capture_output=True, check=True)
    assert ran.stdout == os.fsencode(f"before|{name}|after|")


def test_a_byte_that_is_not_utf_8_is_printed_as_one():
    assert printable(os.fsdecode(b"\xca\xd3 \xe4\xb8\xad\n")) == r"\xca\xd3 " + "\u4e2d" + r"\n"


def test_a_witness_knows_a_checkpoint_by_any_name(tmp_path):
    witness = Witness(tmp_path / "job.json", locked)
    witness.write(Reached(3, NAME))
    witness.close()
    again = Witness(tmp_path / "job.json", locked)
    assert again.known == Reached(3, NAME)
    again.close()
