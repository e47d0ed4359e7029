"""What a person finds without a page to read: help, the manual page, completion, and the next command."""

import os
import shutil
import subprocess
import sys

import pytest
from independent import judging
from test_command import ENVIRONMENT, batcher

from batcher import __version__
from batcher.cli.man import page
from batcher.cli.verbs import VERBS, module_of
from batcher.errors import MEANINGS
from batcher.options.declaring import settable
from batcher.rules.roff import escaped, paragraphs


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
    for option in settable(module_of(verb).OPTIONS):
        assert option.flag in lines
        assert f"BATCHER_{option.key.replace('-', '_').upper()}" in lines
    assert "BATCHER_CONFIG" in lines


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"]])
async def test_the_help_tells_every_exit_code(words):
    shown = (await batcher(*words, environment=ENVIRONMENT | {"COLUMNS": "200"})).stdout
    lines = [line.split(maxsplit=1) for line in shown.splitlines()]
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
        for option in settable(module_of(verb).OPTIONS):
            (term,) = (n for n, line in enumerate(lines) if option.flag in line.split() and line.startswith(".B "))
            assert f"BATCHER_{option.key.replace('-', '_').upper()}" in lines[term + 1]
            assert option.option.help.split(".")[0].replace("'", "\\(aq") in lines[term + 1]
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
        'eval "$(_BATCHER_COMPLETE=bash_source batcher)"\n'
        # bash itself runs this outside of a completion, where it may not be called
        'compopt() { echo "file names"; }\n'
        'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))\n'
        "_batcher_completion batcher\n"
        "printf '%s\\n' \"${COMPREPLY[@]}\"\n"
    )
    command = folder / "bin" / "batcher"
    command.parent.mkdir()
    command.write_text(f"#!{sys.executable}\nfrom batcher.cli.main import main\nmain()\n")
    command.chmod(0o755)
    environment = environment | {"PATH": f"{command.parent}:{os.environ['PATH']}"}
    command = ["bash", "--norc", "-c", script, "-", *line.split(" ")]
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True, timeout=60)
    assert ran.stderr == ""
    return [word for word in ran.stdout.split("\n") if word]


@pytest.mark.long(small=1 / 2, ci=1 / 2)
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("batcher st", ["status"]),
        ("batcher run m.csv --on-d", ["--on-doubt"]),
        ("batcher run m.csv --on-doubt ", ["reconcile", "hold", "resend"]),
        ("batcher run m.csv --progress j", ["json"]),
        ("batcher status m.checkpoint --rows ", ["in_doubt"]),
        ("batcher emulator --input-shape ", ["plain", "records"]),
        ("batcher config rec", ["reconcile", "recover"]),
        ("batcher rate m.checkpoint ", ["auto"]),
        ("batcher emulator --quirk no", ["no-filter", "no-date", "no-times", "no-urn"]),
        ("batcher emulator --fault 500", ["500=", "500-after="]),
        ("batcher run m", ["file names"]),
        ("batcher run m.csv --output m", ["file names"]),
        ("batcher status m", ["file names"]),
        ("batcher run m.csv --bucket m", []),
    ],
)
def test_bash_completes_verbs_flags_and_choices_and_leaves_the_rest_to_file_names(folder, line, words):
    # of no concern to whoever has not run anything yet
    (folder / "batcher.toml").write_text("limit =\n")
    assert completed(line, folder) == words


@pytest.mark.parametrize(
    ("shell", "script", "startup"),
    [
        ("bash", ".bash_completions/batcher.sh", ".bashrc"),
        ("zsh", ".zfunc/_batcher", ".zshrc"),
        ("fish", ".config/fish/completions/batcher.fish", None),
    ],
)
async def test_completion_is_shown_and_installed_once_for_the_shell_that_is_used(folder, shell, script, startup):
    environment = ENVIRONMENT | {"SHELL": f"/bin/{shell}", "HOME": str(folder)}
    if startup:
        (folder / startup).write_text("# mine\n")
    shown = await batcher("--show-completion", environment=environment)
    assert shown.code == 0
    assert "_BATCHER_COMPLETE" in shown.stdout
    for _ in range(2):
        installed = await batcher("--install-completion", environment=environment)
        assert (installed.code, str(folder / script) in installed.stdout) == (0, True)
    assert (folder / script).read_text() == shown.stdout
    if startup:
        (lines,) = [(folder / startup).read_text()]
        assert lines.startswith("# mine\n")
        assert lines.count(script.partition("/")[0]) == 1


async def test_completion_follows_the_folders_of_the_user_and_names_what_is_missing(folder):
    environment = ENVIRONMENT | {"HOME": str(folder)}
    fish = await batcher(
        "--install-completion", environment=environment | {"SHELL": "fish", "XDG_CONFIG_HOME": str(folder / "xdg")}
    )
    assert (fish.code, (folder / "xdg/fish/completions/batcher.fish").exists()) == (0, True)
    (folder / ".bashrc").write_bytes(b"# caf\xe9\n")
    assert (await batcher("--install-completion", environment=environment | {"SHELL": "bash"})).code == 0
    assert (folder / ".bashrc").read_bytes().startswith(b"# caf\xe9\n\nsource ")
    homeless = {name: value for name, value in environment.items() if name != "HOME"}
    ran = await batcher("--install-completion", environment=homeless | {"SHELL": "bash"})
    assert (ran.code, ran.stderr.splitlines()[0]) == (
        2,
        "batcher: error: no home folder to install the completion in",
    )


async def test_a_shell_that_has_no_completion_is_named_with_those_that_have():
    ran = await batcher("--install-completion", environment=ENVIRONMENT | {"SHELL": "/bin/tcsh"})
    assert (ran.code, ran.stdout) == (2, "")
    assert ran.stderr.splitlines() == [
        "batcher: error: no completion for the shell 'tcsh'",
        "batcher: Set SHELL to one of bash, zsh, fish and try again.",
    ]


PANELS = [
    "Arguments", "Service", "Manifest", "Objects of a bucket", "Shards", "Ledger", "Pace", "Stopping",
    "Retries and doubts", "Canary", "Watching", "Output", "Logs and metrics",
]  # fmt: skip


@pytest.mark.parametrize("columns", [80, 100])
async def test_the_help_of_run_has_a_panel_for_each_group_and_fits_the_terminal(columns):
    ran = await batcher("run", "--help", environment=ENVIRONMENT | {"COLUMNS": str(columns)})
    lines = ran.stdout.split("Arguments:\n")[1].splitlines()
    headings = [line.removesuffix(":") for line in lines if line and not line.startswith(" ")]
    assert headings == [*PANELS[1:], "General"]
    assert max(map(len, lines)) < columns
    # the options of a group are under its heading
    pace = ran.stdout.split("\nPace:\n")[1].split("\n\n")[0]
    assert [word for word in pace.split() if word.startswith("--")] == [
        "--concurrency",
        "--max-rate",
        "--remember-rate",
    ]


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (["run"], ["missing argument 'MANIFEST'", "See batcher run --help."]),
        (["rnu"], ["no such command 'rnu'. Did you mean 'run'?", "See batcher --help."]),
        (["run", "m", "-w", "t", "--max-rat", "5"], ["no such option '--max-rat'. (Did you mean one of:"]),
        (["run", "m", "-w", "t", "--max-rate", "x"], ["--max-rate x: expected a number, at least 0.001"]),
        (["run", "m", "-w", "t", "--limit", "0"], ["--limit 0: expected a whole number, at least 1"]),
        (["run", "m", "-w", "t"], ["no endpoint given", "Give --endpoint URL or --region NAME, or set OBS_ENDPOINT."]),
        (
            ["rate", "c", "0"],
            ["RATE 0: not a rate", "Give starts per second, such as 200 or 0.5, or auto."],
        ),
    ],
)
async def test_what_is_wrong_on_the_command_line_is_one_error_line_with_its_advice(words, lines):
    ran = await batcher(*words)
    assert (ran.code, ran.stdout) == (2, "")
    printed = ran.stderr.splitlines()
    assert len(printed) <= 2
    assert printed[0].startswith(f"batcher: error: {lines[0]}")
    assert [line.removeprefix("batcher: ") for line in printed[1:]][: len(lines) - 1] == lines[1:]


async def test_without_words_the_help_is_an_error_and_asked_for_it_is_none():
    bare, asked, short, version = [await batcher(*words) for words in ([], ["--help"], ["-h"], ["--version"])]
    assert (bare.code, bare.stdout, bare.stderr) == (2, "", asked.stdout)
    assert (asked.code, asked.stdout) == (0, short.stdout)
    assert (version.code, version.stdout) == (0, f"batcher {__version__}\n")


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
