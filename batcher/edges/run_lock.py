"""The lock on a run folder: one command at a time starts the workers of its shards.

It is flock(2) on the folder itself, which leaves no file, and ends with the process.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from batcher.errors import BusyError, DiskError


@contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Hold a run folder during the block, and make it first. Raises BusyError if another command holds it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise DiskError(f"{folder}: {error.strerror or error}", "Give another --run-dir.") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise BusyError(
            f"{folder}: another command runs the shards of this job", "Wait for it, or end it with batcher drain."
        ) from None
    finally:
        os.close(descriptor)
