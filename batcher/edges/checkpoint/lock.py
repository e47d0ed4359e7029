"""One run at a time: operating system locks, released when the process ends.

A run holds two. The lock on the file beside the checkpoint, whose name readers know, shows that a run is in progress.
The lock on the checkpoint itself, found by device and inode, also meets a run that comes by another path: a symbolic
link, a bind mount, or after the file beside it was deleted. Each is flock(2), not the existence of a file. A clean exit
removes the file beside the checkpoint to leave no clutter.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from batcher.errors import BusyError, DiskError
from batcher.rules.shards.attempts import is_of_shard

GLANCES = 5
GLANCE_SECONDS = 0.05
"""Number of attempts, and seconds between them, to get a lock. A reader of the checkpoint holds it only briefly."""


def lock_path(checkpoint: Path) -> Path:
    """Return the path of a checkpoint's lock file. Symbolic links to the checkpoint lead to the same lock file."""
    real = Path(os.path.realpath(checkpoint))
    return real.with_name(real.name + ".lock")


_held: set[tuple[int, int]] = set()
"""The device and inode of each checkpoint that this process has locked. Such a file must not be opened once more."""


class Lock:
    """An exclusive lock on a checkpoint, taken on construction. Raises BusyError if another run holds it."""

    def __init__(self, checkpoint: Path) -> None:
        self._checkpoint = checkpoint
        self._path = path = lock_path(checkpoint)
        self._file: int | None = None
        while True:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            _take(self._fd, checkpoint)
            if _leads_to(path, self._fd):
                return
            os.close(self._fd)

    def take_file(self) -> None:
        """Lock the checkpoint itself, which must exist. Raises BusyError if another run holds it.

        That of a shard is locked by SQLite: over NFS, a lock by flock(2) would keep SQLite's own from being taken.
        """
        if is_of_shard(self._checkpoint.name):
            return
        while True:
            if _identity(self._checkpoint.stat()) in _held:
                raise _busy(self._checkpoint)
            file = os.open(self._checkpoint, os.O_RDWR | os.O_CLOEXEC)
            _take(file, self._checkpoint)
            if _leads_to(self._checkpoint, file):
                self._file = file
                _held.add(_identity(os.fstat(file)))
                return
            os.close(file)

    def release(self) -> None:
        """Release the locks, and remove the file beside the checkpoint. SQLite must have closed the checkpoint.

        To close a file drops all of SQLite's locks on it in this process, even those of another descriptor.
        """
        if self._file is not None:
            _held.discard(_identity(os.fstat(self._file)))
            os.close(self._file)
        # Removed before its lock is released: no process can lock a file that is about to vanish. The file is not the
        # lock: if it cannot be removed (the disk became read-only), it stays and does no harm.
        with suppress(OSError):
            if _leads_to(self._path, self._fd):
                self._path.unlink()
        os.close(self._fd)


def _busy(checkpoint: Path) -> BusyError:
    return BusyError(
        f"{checkpoint}: another run is using this checkpoint",
        "Wait for that run, or stop it. The lock is released when its process ends.",
    )


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _leads_to(path: Path, descriptor: int) -> bool:
    """Return whether a path still leads to an open file. Another run may have removed the file before it was locked."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def observing(checkpoint: Path) -> Iterator[Callable[[], bool]]:
    """Yield a function that returns whether a run has locked the checkpoint, for a reader of it.

    SQLite must open the checkpoint after the block begins and close it before the block ends, see `Lock.release`. Of a
    shard's checkpoint SQLite opens a copy, and the file beside it is looked at.
    """
    if is_of_shard(checkpoint.name):
        yield partial(_is_locked_beside, lock_path(checkpoint))
        return
    if _identity(checkpoint.stat()) in _held:
        yield lambda: True
        return
    file = os.open(checkpoint, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield partial(_is_held, file)
    finally:
        os.close(file)


def _is_locked_beside(path: Path) -> bool:
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return _is_held(file)
    finally:
        os.close(file)


def _is_held(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        # No locks here, so no run.
        return False
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False


def locked(descriptor: int) -> bool:
    """Lock an open file. Return False if another run has it. Waits for a process that only reads the checkpoint.

    Raises OSError where the filesystem has no locks.
    """
    for _ in range(GLANCES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(GLANCE_SECONDS)
        else:
            return True
    return False


_NO_LOCKS = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS})


def _take(descriptor: int, checkpoint: Path) -> None:
    """Lock an open file for a run, or close it and raise the error."""
    try:
        is_ours = locked(descriptor)
    except OSError as error:
        os.close(descriptor)
        if error.errno not in _NO_LOCKS:
            raise
        raise DiskError(
            f"{checkpoint}: this filesystem has no locks, so that two runs could start the same rows",
            "Put the checkpoint and the output on another filesystem, with --checkpoint FILE and --output FILE.",
        ) from error
    if not is_ours:
        os.close(descriptor)
        raise _busy(checkpoint)
