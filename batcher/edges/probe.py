"""The probe of a run folder: whether all machines that are to use it see one another's files. For engines.

Each machine calls `leave` with a name of its own. When all have answered, each calls `unseen` with all names: any
name that it gets back is that of a machine that writes elsewhere, and no shard may be begun.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

_PREFIX = ".probe-"


def new_name() -> str:
    """Return a random name for a machine in one probe, a nonce."""
    return secrets.token_hex(16)


def leave(folder: Path, name: str) -> None:
    """Leave a durable file with this name. Raises OSError, also if the name was left before."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / f"{_PREFIX}{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, name.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unseen(folder: Path, names: Collection[str]) -> list[str]:
    """Return those of the names whose files are not here, or not with their content."""
    return [name for name in names if not _is_seen(folder / f"{_PREFIX}{name}", name)]


def _is_seen(path: Path, name: str) -> bool:
    try:
        return path.read_text() == name
    except OSError:
        return False


def remove(folder: Path, name: str) -> None:
    """Remove the file with this name, once all have looked. Failures are ignored: it does no harm."""
    with suppress(OSError):
        (folder / f"{_PREFIX}{name}").unlink()
