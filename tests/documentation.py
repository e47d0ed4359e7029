"""Run the shell and Python blocks of the documentation literally, and compare the outputs shown there.

`python tests/documentation.py [PAGE ...]` prints the differences; with `--update` it rewrites the shown outputs.

The blocks of a page run in order, in one shell, in an empty folder. A ```text block right after a block shows its
output. Times, ids, ports and the like are masked before the two are compared. A block that ends with `&` starts a
process in the background: the page goes on once that has printed as many lines as the page shows, or one. What is left
running ends with the page.
"""

from __future__ import annotations

import argparse
import os
import re
import select
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from difflib import unified_diff
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

PROJECT = Path(__file__).parents[1]
PAGES = (PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md")))
BATCHER = Path(str(find_spec("batcher").origin)).parents[1]  # type: ignore[union-attr]
"""Where this Python finds batcher: in the checkout, or where it is installed."""
NEEDS_AN_ACCOUNT = "<!-- needs an account -->"
SETS_UP = "<!-- not run: sets up the environment -->"
NOT_RUN = {NEEDS_AN_ACCOUNT, SETS_UP}
PORT = "8080"
"""The port that pages name. A free one takes its place."""
HOME = "/home/me/videos"
"""What pages show for the folder that they run in."""
PATIENCE = 60.0
"""Seconds after which a block that does not end is given up."""

MASKS = (
    (r"\b127\.0\.0\.1:\d+", "ADDRESS"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", "TIME"),
    (r"\b\d+:\d\d:\d\d\b", "CLOCK"),
    (r"\b\d+\.\d+(e[+-]\d+)?", "NUMBER"),
    (r"\b[0-9A-Fa-f]{12,}\b", "ID"),
    (r"\b\d+(?= ?(s|ms|us)\b)", "NUMBER"),
    (r"\b\d+(?=/s\b)", "NUMBER"),
    (r"\b[\d,]+(?= bytes of records)", "NUMBER"),
    (r" +", " "),
)


class Block(NamedTuple):
    """A fenced block: its language and text, where its text stands in the page's lines, and the comment before it."""

    language: str
    text: str
    begin: int
    end: int
    comment: str

    @property
    def is_run(self) -> bool:
        """Say whether it is run."""
        return self.language in {"sh", "python"} and self.comment not in NOT_RUN

    @property
    def is_background(self) -> bool:
        """Say whether it leaves a process running."""
        return self.text.rstrip().endswith("&")


class Shown(NamedTuple):
    """A block that was run, the output that its page shows, if any, and what it printed."""

    block: Block
    expected: Block | None
    printed: str


class DocumentationError(Exception):
    """A block failed, or did not end."""


def blocks(page: str) -> list[Block]:
    """Give the fenced blocks of a page."""
    found, lines, opened, above = [], page.splitlines(), None, ""
    for number, line in enumerate(lines):
        if opened is None and line.startswith("```"):
            opened = number
        elif line == "```" and opened is not None:
            text = "".join(f"{each}\n" for each in lines[opened + 1 : number])
            found.append(Block(lines[opened].removeprefix("```"), text, opened + 1, number, above))
            opened, above = None, ""
        elif opened is None and line:
            above = line if line.startswith("<!--") else ""
    return found


def run_page(page: str) -> list[Shown]:
    """Run a page's blocks. Raises DocumentationError where a command fails and the page does not show its exit code."""
    found = blocks(page)
    shown = []
    with _shell() as shell:
        for block, follower in pairwise([*found, None]):
            if block.is_run:
                expected = follower if follower is not None and _shows(page, block, follower) else None
                shown.append(Shown(block, expected, shell.run(block, expected)))
    return shown


def masked(text: str) -> str:
    """Mask what differs between two runs. Lines of JSON come in any order: rows end as they end."""
    for pattern, instead in MASKS:
        text = re.sub(pattern, instead, text)
    lines = [line.rstrip() for line in text.splitlines()]
    records = iter(sorted(line for line in lines if line.startswith("{")))
    return "".join(f"{next(records) if line.startswith('{') else line}\n" for line in lines)


def differences(shown: list[Shown]) -> list[str]:
    """Give the lines in which shown and real outputs differ."""
    return [
        line
        for each in shown
        if each.expected is not None
        for line in unified_diff(
            masked(each.expected.text).splitlines(),
            masked(each.printed).splitlines(),
            f"line {each.expected.begin}, as shown",
            "as printed",
            lineterm="",
        )
    ]


def updated(page: str, shown: list[Shown]) -> str:
    """Give the page with the outputs that were printed, where they differ from those it shows."""
    lines = page.splitlines(keepends=True)
    for each in reversed(shown):
        if each.expected is not None and masked(each.expected.text) != masked(each.printed):
            lines[each.expected.begin : each.expected.end] = each.printed.splitlines(keepends=True)
    return "".join(lines)


def _shows(page: str, block: Block, follower: Block) -> bool:
    between = page.splitlines()[block.end + 1 : follower.begin - 1]
    return follower.language == "text" and not any(between)


@contextmanager
def _shell() -> Iterator[_Shell]:
    with TemporaryDirectory(prefix="batcher-docs-") as name, ExitStack() as stack:
        folder = Path(name).resolve()
        work, tools = folder / "work", folder / "tools"
        work.mkdir()
        tools.mkdir()
        _write_commands(tools)
        environment = {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "HOME": str(folder),
            "XDG_STATE_HOME": str(folder / ".state"),
            "PYTHONPATH": str(BATCHER),
            "COLUMNS": "100",
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
        }
        process = subprocess.Popen(["bash"], cwd=work, env=environment, stdin=subprocess.PIPE, bufsize=0)
        stack.enter_context(process)
        stack.callback(process.kill)
        shell = _Shell(process, work, tools, stack)
        stack.callback(shell.end)
        yield shell


def _write_commands(tools: Path) -> None:
    for command, words in (("batcher", [sys.executable, "-m", "batcher"]), ("python", [sys.executable])):
        path = tools / command
        path.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        path.chmod(0o755)


class _Shell:
    """The shell that runs the blocks of a page, and the processes that it has left running."""

    def __init__(self, process: subprocess.Popen[bytes], work: Path, tools: Path, stack: ExitStack) -> None:
        self._process, self._work, self._tools, self._stack = process, work, tools, stack
        self._port = _free_port()

    def run(self, block: Block, expected: Block | None) -> str:
        """Run a block and give what it printed."""
        path, failed = self._tools / f"block-{block.begin}", self._tools / f"failed-{block.begin}"
        path.write_text(block.text.replace(PORT, self._port))
        command = f". {path}" if block.language == "sh" else f"python {path}"
        if "echo $?" not in block.text:
            command = f"trap 'echo \"$BASH_COMMAND: exit code $?\" >>{failed}' ERR; {command}; trap - ERR"
        if block.is_background:
            lines = 1 if expected is None else expected.text.count("\n")
            printed = self._printed(command, lambda text: text.count(b"\n") >= lines)
        else:
            printed = self._answer(command)
        text = printed.decode().replace(self._port, PORT).replace(str(self._work), HOME)
        if failed.exists():
            raise DocumentationError(f"line {block.begin}: {failed.read_text()}{text}")
        return text

    def end(self) -> None:
        """End what the blocks have left running, each process by its id, and wait for it."""
        for pid in map(int, self._answer("jobs -pr").split()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        self._answer("wait")

    def _answer(self, command: str) -> bytes:
        return self._printed(f"{command}; printf '\\0'", lambda text: text.endswith(b"\0")).removesuffix(b"\0")

    def _printed(self, command: str, is_all: Callable[[bytes], bool]) -> bytes:
        """Give what a command prints until that is all. It has a pipe of its own, since it may go on printing."""
        path = self._tools / "pipe"
        os.mkfifo(path)
        # Opened for both, so that it has no end while the shell has not opened it yet.
        pipe = os.open(path, os.O_RDWR)
        self._stack.callback(os.close, pipe)
        assert self._process.stdin is not None
        self._process.stdin.write(f"{{ {command}; }} </dev/null >{path} 2>&1\n".encode())
        text = b""
        while not is_all(text):
            if not select.select([pipe], [], [], PATIENCE)[0]:
                raise DocumentationError(f"it has not ended: {command}\n{text.decode()}")
            text += os.read(pipe, 65536)
        path.unlink()
        return text


def _free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


def main() -> int:
    """Run the pages, and print or rewrite what differs."""
    parser = argparse.ArgumentParser(description="Run the blocks of the documentation, and compare their outputs.")
    parser.add_argument("pages", nargs="*", type=Path, default=PAGES, metavar="PAGE", help="all pages without one")
    parser.add_argument("--update", action="store_true", help="rewrite the outputs that pages show")
    given = parser.parse_args()
    differing = 0
    for path in given.pages:
        page = path.read_text()
        shown = run_page(page)
        found = differences(shown)
        differing += bool(found)
        print(path, *found or ["as shown"], sep="\n")  # noqa: T201 - the report of a script
        if given.update:
            path.write_text(updated(page, shown))
    return int(differing > 0 and not given.update)


if __name__ == "__main__":
    sys.exit(main())
