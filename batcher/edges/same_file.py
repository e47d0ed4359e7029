"""Notices that a file which a run has open is no longer the one at its path: deleted, renamed, or replaced.

What is written to it after that is lost, or is not where the next run looks for it.
"""

from __future__ import annotations

import os
from pathlib import Path

from batcher.errors import DiskError


class SameFile:
    """An open file, as it was found at its path when this was made. `what` names it in the error."""

    def __init__(self, path: Path, what: str) -> None:
        self._path = path
        self._what = what
        self._found = self._look()

    def need(self) -> None:
        """Raise DiskError if another file is at the path by now, or none. Costs a few microseconds."""
        if self._look() == self._found:
            return
        raise DiskError(
            f"{self._path}: the {self._what} was deleted, renamed or replaced during the run",
            "Nothing more is sent. Put the file back, then run the same command again.",
        )

    def _look(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._path)  # noqa: PTH116 - faster, and called for each block of records
        except OSError:
            return None
        return found.st_dev, found.st_ino
