"""Handles standard streams that are closed, as in a daemon, and files that cannot be read or written."""

from __future__ import annotations

import os
import sys
from typing import NoReturn


def open_streams() -> None:
    """Open the null device in place of standard input, output or error, if it is closed.

    Otherwise the next file to be opened would get its number, and would be written to as if it were the stream.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            # This number is the lowest free one, so open() uses it.
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, closefd=False))


def give_up(error: OSError) -> NoReturn:
    """Exit with 74 for a file that cannot be read or written, if no verb reports the error itself."""
    # Imported here, since the help does not need it.
    from batcher.app.voice import complain
    from batcher.errors import DiskError

    # Discard what was printed but not written, since Python would try to write it again at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    complain(
        DiskError(
            f"{error.filename or 'standard output'}: {error.strerror or error}", "Free some space, or check the disk."
        )
    )
    sys.exit(DiskError.exit_code)
