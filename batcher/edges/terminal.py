"""The terminal of a person who can be asked: whether there is one, and one question with its answer.

The event loop goes on while the person thinks, so that a signal is handled.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import suppress


def has_person() -> bool:
    """Return whether standard input and error are terminals, and this process is not in the background of a shell."""
    try:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            return False
        # In the background no one can answer: to read would stop the process.
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except OSError:
        # This is a terminal, but not the one of this session, so no shell sends it to the background.
        return True


async def answers(question: str) -> AsyncIterator[str]:
    """Ask, and yield the answer: one line, in lower case. It is empty if the person has closed the input."""
    with suppress(OSError):
        sys.stderr.write(f"{question} ")
        sys.stderr.flush()
    loop, readable = asyncio.get_running_loop(), asyncio.Event()
    # A terminal is readable as soon as a whole line was typed.
    loop.add_reader(sys.stdin.fileno(), readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(sys.stdin.fileno())
    try:
        yield sys.stdin.readline().strip().lower()
    except OSError:
        yield ""
