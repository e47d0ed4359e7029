"""What a command says to a person: one line at a time, on stderr unless somebody else listens.

A voice is a value: the command has one that prints, the library one that logs, the simulation one that notes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress

from msgspec import Struct

from batcher.errors import JobError
from batcher.rules.text import printable

SAID, WARNING, ERROR = "", "warning: ", "error: "
"""The kinds of what is said."""


def _print(kind: str, text: str) -> None:
    # The stream is looked up each time: a progress bar replaces it while it is shown. The reader may be gone (a closed
    # pipe, a lost terminal): the job does not depend on it.
    with suppress(OSError):
        # What was printed before is shown before, also where both streams are one.
        sys.stdout.flush()
        # Names of columns, objects and paths are part of the text, and may hold anything.
        print(f"batcher: {kind}{printable(text)}", file=sys.stderr, flush=True)


def show(line: str) -> None:
    """Print a line of a result on standard output."""
    print(printable(line))


class Voice(Struct, frozen=True):
    """Speaks to `listener`, which takes the kind of what is said (SAID, WARNING or ERROR) and the text."""

    listener: Callable[[str, str], None] = _print

    def say(self, text: str) -> None:
        """Say what a person should know."""
        self.listener(SAID, text)

    def warn(self, text: str) -> None:
        """Say what does not stop the command, and is worth a look."""
        self.listener(WARNING, text)

    def complain(self, error: JobError) -> None:
        """Say what went wrong, and what to do next."""
        self.listener(ERROR, str(error))
        if error.advice:
            self.say(error.advice)


TERMINAL = Voice()
"""The voice of the command line."""
say, warn, complain = TERMINAL.say, TERMINAL.warn, TERMINAL.complain
