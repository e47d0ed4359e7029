"""What a person finds without a page to read: help, the manual page, completion, and the next command."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from independent import judging
from test_command import ENVIRONMENT, batcher

from batcher.cli.configured import key, options
from batcher.cli.man import page
from batcher.cli.verbs import VERBS, verb_command
from batcher.rules.report.summary import MEANINGS
from batcher.rules.roff import escaped, paragraphs

BIN = Path(sys.executable).parent


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("verb", VERBS)
async def test_a_help_begins_with_examples_and_names_the_environment_beside_each_flag(verb):
    ran = await batcher(verb, "--help", environment=ENVIRONMENT | {"COLUMNS": "200"})
    assert ran.code == 0
    assert ran.stdout.split("\n\n")[2].startswith("  Examples:")
    lines = " ".join(ran.stdout.split())
    for option in options(verb_command(verb)):
        assert f"--{key(option)}" in lines
        assert f"BATCHER_{key(option).replace('-', '_').upper()}" in lines
    assert "BATCHER_CONFIG" in lines


async def test_the_help_of_run_tells_every_exit_code():
    lines = [line.split(maxsplit=1) for line in (await batcher("run", "--help")).stdout.splitlines()]
    assert [[str(code.value), meaning] for code, meaning in MEANINGS.items()] == [
        line for line in lines if line and line[0].isdigit()
    ]


def parts(text):
    """Give the page's sections and their parts, each with its text, as a reader gets it."""
    found, name = {}, ""
    for line in text.splitlines():
        if line.startswith((".SH ", ".SS ")):
            name = line[4:]
            found[name] = []
        else:
            found.setdefault(name, []).append(line.replace("\\-", "-"))
    return found


def test_the_manual_page_has_every_verb_and_every_flag_with_its_name_in_the_environment():
    found = parts(page())
    assert [name for name in found if name.startswith("batcher ")] == [f"batcher {verb}" for verb in VERBS]
    for verb in VERBS:
        lines = found[f"batcher {verb}"]
        for option in options(verb_command(verb)):
            (term,) = (
                n for n, line in enumerate(lines) if f"--{key(option)}" in line.split() and line.startswith(".B ")
            )
            assert f"BATCHER_{key(option).replace('-', '_').upper()}" in lines[term + 1]
            assert option.help.split(".")[0].replace("'", "\\(aq") in lines[term + 1]
    assert [line[3:] for line in found["EXIT STATUS"] if line.startswith(".B ")] == [
        str(code.value) for code in MEANINGS
    ]


async def test_the_command_prints_the_page_and_the_page_is_the_same_each_time():
    ran = await batcher("man")
    assert (ran.code, ran.stdout, ran.stderr) == (0, page(), "")


@pytest.mark.parametrize(
    "command",
    [
        ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"],
        ["groff", "-man", "-ww", "-Tutf8", "-z"],
        ["mandoc", "-T", "lint", "-W", "warning"],
    ],
    ids=lambda command: command[0],
)
def test_the_page_is_good_roff(folder, command):
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    (folder / "batcher.1").write_text(page())
    environment = os.environ | {"LC_ALL": "C.UTF-8", "MANROFFSEQ": "", "MANWIDTH": "80"}
    ran = subprocess.run(
        [*command, "batcher.1"], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("-a 'b' \\", r"\-a \(aqb\(aq \e"),
        (".x", r"\&.x"),
        ('~/^`"', r"\(ti/\(ha\(ga\(dq"),
        ("caf\u00e9", r"caf\[u00E9]"),
    ],
)
def test_text_is_written_so_that_it_is_read_as_it_stands(text, written):
    assert escaped(text) == written


def test_paragraphs_are_filled_but_those_that_keep_their_lines():
    assert paragraphs("a\nb\n\n\b\nHead:\n  .c\n    d\n\n\b\n  e\n") == (
        ".PP\na b\n.PP\nHead:\n.PP\n.nf\n\\&.c\n  d\n.fi\n.PP\n.nf\ne\n.fi\n"
    )


def completed(line, folder, environment=ENVIRONMENT):
    """Complete the last word of a line in a real bash, by the script that the command gives for it."""
    script = (
        'eval "$(_BATCHER_COMPLETE=source_bash batcher)"\n'
        'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))\n'
        "_batcher_completion batcher\n"
        "printf '%s\\n' \"${COMPREPLY[@]}\"\n"
    )
    environment = environment | {"PATH": f"{BIN}:{os.environ['PATH']}"}
    command = ["bash", "--norc", "-c", script, "-", *line.split(" ")]
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True, timeout=60)
    assert ran.stderr == ""
    return [word for word in ran.stdout.split("\n") if word]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("batcher st", ["status"]),
        ("batcher run m.csv --on-d", ["--on-doubt"]),
        ("batcher run m.csv --on-doubt ", ["reconcile", "hold", "resend"]),
        ("batcher run m.csv --progress j", ["json"]),
        ("batcher status m.checkpoint --rows ", ["in_doubt"]),
        ("batcher emulator --input-shape ", ["plain", "records"]),
        ("batcher config rec", ["reconcile"]),
        ("batcher rate m.checkpoint ", ["auto"]),
        # nothing of its own: bash completes the names of files, see below
        ("batcher run m", []),
        ("batcher run m.csv --output m", []),
        ("batcher status m", []),
    ],
)
def test_bash_completes_verbs_flags_and_choices_and_leaves_the_rest_to_file_names(folder, line, words):
    # of no concern to whoever has not run anything yet
    (folder / "batcher.toml").write_text("limit =\n")
    assert completed(line, folder) == words


def test_where_nothing_else_fits_bash_completes_file_names():
    environment = ENVIRONMENT | {"_BATCHER_COMPLETE": "source_bash"}
    command = [BIN / "batcher"]
    script = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60).stdout
    assert script.strip().splitlines()[-1] == "complete -o default -F _batcher_completion batcher"


async def test_completion_can_be_installed_and_shown():
    shown = (await batcher("--help")).stdout
    assert "--install-completion" in shown
    assert "--show-completion" in shown


async def test_each_verb_names_the_next_command(folder):
    (folder / "m.txt").write_text("a\n")
    checkpoint = "m.txt.checkpoint"
    async with judging() as judge:
        judge.answer_with = (500, b"")
        words = ("m.txt", "-w", "transcode", "-e", judge.url, "-b", "videos", "--on-doubt", "hold")
        held = await batcher("run", *words)
        doubtful = await batcher("status", checkpoint)
        for_programs = [await batcher("status", checkpoint, *more) for more in (["--json"], ["--rows", "in_doubt"])]
    assert (held.code, "batcher reconcile" in held.stderr.splitlines()[-1]) == (3, True)
    assert doubtful.stderr == f"batcher: next: batcher reconcile {folder}/{checkpoint}\n"
    assert [ran.stderr for ran in for_programs] == ["", ""]
