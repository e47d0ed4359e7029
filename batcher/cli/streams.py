"""The standard streams, where something is wrong with them: closed as daemons leave them, or with no room behind."""

from __future__ import annotations

import os
import sys
from typing import NoReturn


def open_streams() -> None:
    """Put the null device where standard input, output or error is closed.

    Another file would take its number, and be written to as what it is not.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free is this one.
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, closefd=False))


def give_up(error: OSError) -> NoReturn:
    """End the command for something that cannot be read or written, and that no verb has words of its own for."""
    # Imported late: the help needs none of it.
    from batcher.app.voice import complain
    from batcher.errors import DiskError

    # What was printed and not written is lost: Python would try once more at its end.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    complain(
        DiskError(f"{error.filename or 'standard output'}: {error.strerror or error}", "Free the disk or mend it.")
    )
    sys.exit(DiskError.exit_code)
