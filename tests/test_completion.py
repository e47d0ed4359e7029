"""Completion, installed as a user does, in the real shells: what a Tab makes of a line."""

import asyncio
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress

import pytest
from test_command import ENVIRONMENT, batcher, folder  # noqa: F401 - the folder is a fixture

LINES = {
    "batcher stat": "batcher status ",
    "batcher run --on-do": "batcher run --on-doubt ",
    "batcher run objects.csv --on-doubt ho": "batcher run objects.csv --on-doubt hold ",
    "batcher run --on-doubt=ho": "batcher run --on-doubt=hold ",
    "batcher report objects.csv --output=videos/re": "batcher report objects.csv --output=videos/report.html ",
    "batcher run obj": "batcher run objects.csv ",
    "batcher report objects.csv -o videos/re": "batcher report objects.csv -o videos/report.html ",
}
"""Lines before a Tab, and after it: with verbs, flags, choices and files, as words of their own and behind =."""

SHOW = {
    "bash": """bind -x '"\\C-g": printf "%s\\n" "$READLINE_LINE" > ~/line'\n""",
    "zsh": 'show() { print -r -- "$BUFFER" > ~/line }\nzle -N show\nbindkey "^G" show\n',
}
"""What writes the line to a pipe at Control-G, in the start-up file of a shell."""
TAB, SHOWN, PROMPT = b"\t", b"\x07", b"READY"


@contextmanager
def terminal(shell, environment):
    """Run an interactive shell in a terminal of its own. Gives a function that types."""
    child, keyboard = pty.fork()
    if not child:
        os.execvpe(shell, [shell, "-i"], environment)

    is_ready = threading.Event()

    def watch():
        seen = b""
        with suppress(OSError):
            while part := os.read(keyboard, 4096):
                seen += part
                if PROMPT in seen:
                    is_ready.set()

    screen = threading.Thread(target=watch)
    screen.start()
    try:
        # What is typed before the shell edits lines is for the terminal itself.
        assert is_ready.wait(60)
        yield lambda typed: os.write(keyboard, typed)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        screen.join()
        os.close(keyboard)


def completed_in_terminal(shell, environment, home):
    startup = home / f".{shell}rc"
    startup.write_text(f"{startup.read_text()}PS1='{PROMPT.decode()} '\n{SHOW[shell]}")
    os.mkfifo(home / "line")
    pipe = os.open(home / "line", os.O_RDWR)
    found = {}
    for line in LINES:
        with terminal(shell, environment) as type_:
            type_(line.encode() + TAB + SHOWN)
            ready, _, _ = select.select([pipe], [], [], 60)
            assert ready, line
            found[line] = os.read(pipe, 4096).decode().removesuffix("\n")
    os.close(pipe)
    return found


def completed_in_fish(environment):
    """Ask fish for its candidates, each with a description after a tab, for each line."""
    found = {}
    for line in LINES:
        ran = subprocess.run(
            ["fish", "-c", 'complete -C "$argv"', "--", line],
            env=environment, capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        (candidate,) = {each.split("\t")[0] for each in ran.stdout.splitlines()}
        found[line] = f"{line[: line.rindex(' ') + 1]}{candidate} "
    return found


@pytest.mark.long(small=1 / 3)
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_a_tab_completes_verbs_flags_choices_and_files_in_a_real_shell(folder, shell):  # noqa: F811
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    tools = folder / "tools"
    tools.mkdir()
    (tools / "batcher").write_text(f'#!/bin/sh\nexec {sys.executable} -m batcher "$@"\n')
    (tools / "batcher").chmod(0o755)
    (folder / "videos").mkdir()
    for name in ("objects.csv", "videos/report.html"):
        (folder / name).touch()
    environment = ENVIRONMENT | {
        "HOME": str(folder), "SHELL": shell, "PATH": f"{tools}:{os.environ['PATH']}", "TERM": "xterm",
    }  # fmt: skip
    for name in ("XDG_CONFIG_HOME", "ZDOTDIR"):
        environment.pop(name, None)
    installed = await batcher("--install-completion", environment=environment)
    assert installed.code == 0, installed
    ask = (completed_in_fish, environment) if shell == "fish" else (completed_in_terminal, shell, environment, folder)
    assert await asyncio.to_thread(*ask) == LINES
