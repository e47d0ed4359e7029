"""One run at a time: an operating system lock beside the checkpoint, gone the moment its process is.

The lock is the flock(2) on the file, never the file's existence; a clean end removes the file to leave no clutter.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

from batcher.errors import BusyError

GLANCES = 5
GLANCE_SECONDS = 0.05
"""So often, and so long each time, a lock is waited for that only a look at the checkpoint may have."""


def lock_path(checkpoint: Path) -> Path:
    """Give the path of a checkpoint's lock file, one for all names that lead to the checkpoint."""
    real = Path(os.path.realpath(checkpoint))
    return real.with_name(real.name + ".lock")


class Lock:
    """An exclusive hold on a checkpoint, taken on construction; BusyError where another process has it."""

    def __init__(self, checkpoint: Path) -> None:
        self._path = path = lock_path(checkpoint)
        while True:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if not _locked(self._fd):
                os.close(self._fd)
                raise BusyError(
                    f"{checkpoint}: another run is working with this checkpoint",
                    "Wait for it to end, or end it; its lock goes with its process.",
                )
            if self._is_current():
                return
            os.close(self._fd)

    def _is_current(self) -> bool:
        # The former holder may have removed the file between our open and our lock.
        try:
            return os.path.samestat(os.fstat(self._fd), self._path.stat())
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Remove the file and let go, in this order, so that no newcomer can lock a file that is about to vanish."""
        # The lock is not the file: one that cannot be removed (a disk gone read-only) stays, and hinders nobody.
        with suppress(OSError):
            self._path.unlink()
        os.close(self._fd)


def _locked(descriptor: int) -> bool:
    """Take the lock; False where another run has it. A look at the checkpoint, brief as it is, is waited out."""
    for _ in range(GLANCES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(GLANCE_SECONDS)
        else:
            return True
    return False
