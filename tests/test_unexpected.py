"""What nobody expected has an exit code of its own, one line for the person, and a traceback in a file."""

import asyncio
import errno
import json
import subprocess
import sys

import pytest
from independent import judging
from test_command import ENVIRONMENT

from batcher.app.unexpected import expected, frames, internal
from batcher.errors import DiskError, SystemLimitError, UsageError

BROKEN = """
import sys
from {module} import {name}
def broken(*_, **__): raise KeyError("CANARY")
{name}.{method} = broken
from batcher.cli.main import main
main()
"""


async def broken(folder, state, module, name, method, *words):
    """Run the command with one method that raises what nobody expects. Gives its exit code and its stderr."""
    script = BROKEN.format(module=module, name=name, method=method)
    environment = ENVIRONMENT | {"XDG_STATE_HOME": str(state)}
    command = [sys.executable, "-c", script, *words]
    process = await asyncio.create_subprocess_exec(*command, cwd=folder, env=environment, stderr=subprocess.PIPE)
    _, stderr = await process.communicate()
    return process.returncode, stderr.decode().splitlines()


SORRY = (
    "batcher: error: a fault in batcher itself (KeyError). Sorry. The files of the job are safe; the traceback is in "
)


async def test_a_fault_is_one_line_and_70_and_its_traceback_is_in_the_log_or_in_the_state_folder(tmp_path):
    (tmp_path / "m.txt").write_text("a\n")
    state = tmp_path / "state"
    fault = ("batcher.edges.manifest.manifest", "Manifest", "blocks")
    async with judging() as judge:
        words = ("run", "m.txt", "-w", "transcode", "-e", judge.url, "-b", "videos", "--progress", "none")
        logged = ("--log-file", "run.log", "--log-format", "json")
        code, lines = await broken(tmp_path, state, *fault, *words, *logged)
        assert (code, lines[-2]) == (70, f"{SORRY}run.log")
        *_, failed = map(json.loads, (tmp_path / "run.log").read_text().splitlines())
        assert (failed["event"], failed["exit_code"], failed["error"]) == ("run_failed", 70, "KeyError")
        code, lines = await broken(tmp_path, state, *fault, *words)
        kept = state / "batcher" / "last-error.txt"
        assert (code, lines[-2]) == (70, f"{SORRY}{kept}")
        assert kept.stat().st_mode & 0o777 == 0o600
    for traceback in (failed["traceback"], kept.read_text()):
        assert traceback.startswith("Traceback (most recent call last):")
        assert "in broken" in traceback
        assert "CANARY" not in traceback.replace('raise KeyError("CANARY")', "")


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (UsageError("as it is"), UsageError, "as it is"),
        (MemoryError(), SystemLimitError, "not enough memory"),
        (RuntimeError("can't start new thread"), SystemLimitError, "the system allows no more threads"),
        (OSError(errno.EMFILE, "Too many open files", "m.csv"), SystemLimitError, "m.csv: Too many open files"),
        (OSError(errno.EAGAIN, "Try again"), SystemLimitError, "Try again"),
        (OSError(errno.ENOSPC, "No space left on device"), DiskError, "No space left on device"),
        (PermissionError(errno.EACCES, "Permission denied", "m.csv"), DiskError, "m.csv: Permission denied"),
        (FileNotFoundError(errno.ENOENT, "gone"), DiskError, "the working directory: gone"),
    ],
)  # fmt: skip
def test_a_limit_of_the_system_and_a_file_are_no_faults_of_the_program(error, kind, text):
    found = expected(error)
    assert (type(found), str(found)) == (kind, text)


@pytest.mark.parametrize(
    "error", [KeyError("x"), RuntimeError("x"), ConnectionResetError(104, "reset"), ImportError("x")]
)
def test_whatever_else_ends_a_command_is_a_fault_and_never_code_1(error):
    assert expected(error) is None
    # Without a place for the traceback, it is what the person gets.
    found = internal(error, {})
    assert (found.exit_code, found.advice) == (70, frames(error))
