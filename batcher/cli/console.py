"""What the command says to a person: always on stderr, one `batcher:` line at a time."""

from __future__ import annotations

import sys
from contextlib import suppress

from batcher.model import JobError
from batcher.rules.ending import printable


def say(text: str) -> None:
    """Print a line. The stream is looked up each time: a progress bar takes it over while it is shown."""
    # Whoever listened may have gone (a closed pipe, a lost terminal): what is done does not depend on it.
    with suppress(OSError):
        # Names of columns, keys and paths are part of what is said, and may hold anything.
        print(f"batcher: {printable(text)}", file=sys.stderr, flush=True)


def warn(text: str) -> None:
    """Print what does not stop the command, and is worth a look."""
    say(f"warning: {text}")


def complain(error: JobError) -> None:
    """Print what went wrong, and what to do next."""
    say(f"error: {error}")
    if error.advice:
        say(error.advice)
