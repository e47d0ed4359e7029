"""What ends a command although no part of it expected that: a limit of the system, a file, or a fault in batcher.

It becomes an error with an exit code of its own. The traceback of a fault goes to a file, not to the person.
"""

from __future__ import annotations

import errno
import os
import traceback
from collections.abc import Mapping
from contextlib import suppress

from batcher.edges.witness import state_folder
from batcher.errors import DiskError, InternalError, JobError, SystemLimitError

_AGAIN = "Then run the same command again."
_LIMITS = {
    errno.EMFILE: f"Allow more open files (ulimit -n). {_AGAIN}",
    errno.ENFILE: f"The whole machine has too many open files. Close some. {_AGAIN}",
    errno.EAGAIN: f"Allow more processes (ulimit -u, or TasksMax of a service). {_AGAIN}",
    errno.ENOMEM: f"Free some memory, or allow more. {_AGAIN}",
}
"""What to do if the system refuses what a command needs, by errno."""
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EFBIG, errno.ENXIO, errno.ESTALE}
"""Numbers of errors that are about a file, also where the error has no name of one."""
_LOST = {errno.ENOENT, errno.EACCES}
"""Numbers of errors that are about the working directory, which was removed or closed, where they name no file."""
_KEPT = "last-error.txt"


def expected(error: BaseException) -> JobError | None:
    """Return what an error is for a person: itself, a limit of the system, or a file. None for a fault in batcher."""
    if isinstance(error, JobError):
        return error
    if isinstance(error, MemoryError):
        return SystemLimitError("not enough memory", _LIMITS[errno.ENOMEM])
    # threading says so by this text only.
    if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        return SystemLimitError("the system allows no more threads", _LIMITS[errno.EAGAIN])
    return _of_the_system(error) if isinstance(error, OSError) else None


def _of_the_system(error: OSError) -> JobError | None:
    text = f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error)
    if error.errno in _LIMITS:
        return SystemLimitError(text, _LIMITS[error.errno])
    if error.errno in _FULL:
        return DiskError(text, "Free some space, or check the disk.")
    if error.filename:
        return DiskError(text, "Check the path and the permissions.")
    return DiskError(f"the working directory: {text}", "Change to another one.") if error.errno in _LOST else None


def frames(error: BaseException) -> str:
    """Return the traceback of an error and of its causes, without their texts, which may hold anything."""
    parts = []
    seen: BaseException | None = error
    while seen is not None:
        name = f"{type(seen).__module__}.{type(seen).__qualname__}"
        parts.append(f"Traceback (most recent call last):\n{''.join(traceback.format_tb(seen.__traceback__))}{name}\n")
        seen = seen.__cause__ or seen.__context__
    return "\n".join(reversed(parts))


def internal(error: Exception, environment: Mapping[str, str]) -> InternalError:
    """Return the apology for a fault, which names the file with its traceback.

    A run has noted on the error where it has logged it. Otherwise the file is in the state folder; it holds the last
    traceback only. Without such a folder the traceback is the advice.
    """
    shown = frames(error)
    kept = getattr(error, "__notes__", None) or _keep(shown, environment)
    text = f"a fault in batcher itself ({type(error).__name__}). Sorry. The files of the job are safe"
    if kept:
        return InternalError(
            f"{text}; the traceback is in {kept[-1]}", "Please report it, then run the same command again."
        )
    return InternalError(text, shown)


def _keep(shown: str, environment: Mapping[str, str]) -> list[str]:
    folder = state_folder(environment)
    if folder is None:
        return []
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Only its owner may read it, as the log.
        with open(folder / _KEPT, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(shown)
        return [str(folder / _KEPT)]
    return []
