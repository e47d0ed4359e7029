"""A shell command of the user: run to its end, with the signals passed on that this process gets meanwhile."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from types import FrameType

_STDERR = 2
Handling = Callable[[Callable[[int, FrameType | None], None]], AbstractContextManager[None]]
"""Gives the signals that end a command to a handler during a block."""


def run_command(command: str, environment: Mapping[str, str], handling: Handling) -> int:
    """Run a command with `sh -c`. Return its exit code, or minus the signal that ended it. Raises OSError.

    As git runs its hooks, it has no input, and its output goes to stderr. It has a process group of its own, to which
    signals are passed on: a signal of the terminal reaches it once, and so does one that was sent to this process
    alone.
    """
    group, early = 0, []

    def pass_on(number: int, _: FrameType | None) -> None:
        if not group:
            early.append(number)
            return
        with suppress(ProcessLookupError):
            os.killpg(group, number)

    with handling(pass_on):
        process = subprocess.Popen(  # noqa: S602 - it is the user's own command line
            command, shell=True, stdin=subprocess.DEVNULL, stdout=_STDERR, env=environment, process_group=0
        )
        group = process.pid
        for number in early:
            pass_on(number, None)
        return process.wait()
