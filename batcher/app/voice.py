"""What the command says to a person: on stderr, one `batcher:` line at a time, or to whoever has asked to hear it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar

from batcher.errors import JobError
from batcher.rules.text import printable


def _print(kind: str, text: str) -> None:
    # The stream is looked up each time: a progress bar takes it over while it is shown. Whoever listened may have gone
    # (a closed pipe, a lost terminal): what is done does not depend on it.
    with suppress(OSError):
        # Names of columns, keys and paths are part of what is said, and may hold anything.
        print(f"batcher: {kind}{printable(text)}", file=sys.stderr, flush=True)


HEARD: ContextVar[Callable[[str, str], None]] = ContextVar("heard", default=_print)
"""Hears everything that is said: its kind (one of the three below) and the text."""

SAID, WARNING, ERROR = "", "warning: ", "error: "


def say(text: str) -> None:
    """Say what a person should know."""
    HEARD.get()(SAID, text)


def warn(text: str) -> None:
    """Say what does not stop the command, and is worth a look."""
    HEARD.get()(WARNING, text)


def complain(error: JobError) -> None:
    """Say what went wrong, and what to do next."""
    HEARD.get()(ERROR, str(error))
    if error.advice:
        say(error.advice)
