"""The standard streams of the command: open ones, whose failures do not change how the command ends.

What cannot be written to standard output ends the command with 74. What cannot be written to standard error is lost.
"""

from __future__ import annotations

import io
import os
import select
import sys
from typing import TYPE_CHECKING, NoReturn, TextIO

from batcher.errors import DiskError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def open_streams() -> None:
    """Replace standard output and error by streams that fail as described above.

    The null device takes the place of a stream that is closed, as in a daemon. Otherwise the next file to be opened
    would get its number, and would be written to as if it were the stream.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # This number is the lowest free one, so open() uses it.
            os.open(os.devnull, os.O_RDWR)
    if sys.stdin is None:
        sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = _text(_Output(1, "wb", closefd=False), sys.stdout)
    sys.stderr = _text(_Error(2, "wb", closefd=False), sys.stderr)
    # A line for a terminal, or for a person, is shown at once; what its encoding does not have is escaped.
    sys.stdout.reconfigure(errors="backslashreplace", line_buffering=sys.stdout.isatty())
    sys.stderr.reconfigure(line_buffering=True)


def _text(raw: _Standard, replaced: TextIO | None) -> io.TextIOWrapper:
    """Return a stream that encodes as the replaced one does."""
    encoding, errors = (None, None) if replaced is None else (replaced.encoding, replaced.errors)
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding=encoding, errors=errors)


class _Standard(io.FileIO):
    """A standard stream. It waits for a slow reader, also where another program has made the stream non-blocking."""

    _is_lost = False
    """Whether a write has failed. What follows is dropped, so that nothing fails again when the process exits."""

    def write(self, data: ReadableBuffer, /) -> int:
        """Write all or a part, and return the number of bytes."""
        if self._is_lost:
            return memoryview(data).nbytes
        try:
            while (count := super().write(data)) is None:
                select.select([], [self], [])
        except OSError as error:
            self._is_lost = True
            self._fail(error)
            return memoryview(data).nbytes
        return count

    def _fail(self, error: OSError) -> None:
        """Report a failed write."""


class _Error(_Standard):
    """Standard error. Its reader may be gone (a closed pipe, a lost terminal): the job does not depend on it."""


class _Output(_Standard):
    """Standard output: what is written there was asked for."""

    def _fail(self, error: OSError) -> NoReturn:
        advice = "" if isinstance(error, BrokenPipeError) else "Free some space, or check the disk."
        raise DiskError(f"standard output: {error.strerror}", advice) from None
