"""One run at a time: an operating system lock beside the checkpoint, released when the process ends.

The lock is flock(2) on the file, not the file's existence. A clean exit removes the file to leave no clutter.
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
"""Number of attempts, and seconds between them, to get a lock. A reader of the checkpoint holds it only briefly."""


def lock_path(checkpoint: Path) -> Path:
    """Return the path of a checkpoint's lock file. Symbolic links to the checkpoint lead to the same lock file."""
    real = Path(os.path.realpath(checkpoint))
    return real.with_name(real.name + ".lock")


class Lock:
    """An exclusive lock on a checkpoint, taken on construction. Raises BusyError if another process holds it."""

    def __init__(self, checkpoint: Path) -> None:
        self._path = path = lock_path(checkpoint)
        while True:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if not _locked(self._fd):
                os.close(self._fd)
                raise BusyError(
                    f"{checkpoint}: another run is using this checkpoint",
                    "Wait for that run, or stop it. The lock is released when its process ends.",
                )
            if self._is_current():
                return
            os.close(self._fd)

    def _is_current(self) -> bool:
        # The previous holder may have removed the file between our open and our lock.
        try:
            return os.path.samestat(os.fstat(self._fd), self._path.stat())
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Remove the file, then release the lock. In this order no process can lock a file that is about to vanish."""
        # The file is not the lock: if it cannot be removed (the disk became read-only), it stays and does no harm.
        with suppress(OSError):
            self._path.unlink()
        os.close(self._fd)


def _locked(descriptor: int) -> bool:
    """Take the lock. Return False if another run has it. Waits for a process that only reads the checkpoint."""
    for _ in range(GLANCES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(GLANCE_SECONDS)
        else:
            return True
    return False
