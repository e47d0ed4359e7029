"""The witness of a job: a small file outside the job's folder that stores how far the job has come.

The checkpoint counts generations. A checkpoint whose generation is lower than that of its witness is an older copy. The
witness is named after the job's random id, not after a path, so a folder that was copied has the same witness.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from batcher.rules.xdg import user_folder

_MOST = 64 * 1024
"""Bytes of a witness that are read."""


class Reached(NamedTuple):
    """What a witness knows: the highest generation that was committed, and the path of the checkpoint that had it.

    `length` is the number of bytes in all outputs of the job at that time, 0 if it is not known.
    """

    generation: int
    checkpoint: str
    length: int = 0


def new_job_id() -> str:
    """Return a random id for a job."""
    return secrets.token_hex(16)


def state_folder(environment: Mapping[str, str]) -> Path | None:
    """Return the folder for what outlives a run and belongs to no job's folder, None if there is no place for it.

    It is `batcher` in XDG_STATE_HOME, by default ~/.local/state.
    """
    state = user_folder(environment, "XDG_STATE_HOME", ".local/state")
    return None if state is None else Path(state) / "batcher"


def witness_path(job_id: str, environment: Mapping[str, str]) -> Path | None:
    """Return the path of a job's witness, None if there is no place for one."""
    folder = state_folder(environment)
    return None if folder is None else folder / f"{job_id}.json"


class Witness:
    """The witness at a path, held for one run; without a path, or where it cannot be written, there is none.

    `lock` locks an open file and returns whether that was possible; where there are no locks it raises OSError, and the
    witness is used without.

    `known` is what it knew at first, None if nothing. `is_held_elsewhere` is whether another run holds it: then this
    one must end.
    """

    def __init__(self, path: Path | None, lock: Callable[[int], bool]) -> None:
        self._path = path
        self._file = _opened(path)
        self.is_held_elsewhere = False
        if self._file is not None:
            with suppress(OSError):
                self.is_held_elsewhere = not lock(self._file)
        self.known = None if self._file is None else _read(self._file)

    def write(self, reached: Reached) -> None:
        """Write what the job has reached, unless the witness knows more. Failures are ignored.

        The generation must be committed before: otherwise a crash would leave a witness ahead of the newest checkpoint.
        """
        if self._file is None or (self.known is not None and self.known.generation >= reached.generation):
            return
        # In ASCII: a path may hold bytes that are not UTF-8.
        content = json.dumps(reached).encode()
        with suppress(OSError):
            # In place, since the lock is on this file. A torn content counts as no witness.
            os.pwrite(self._file, content, 0)
            os.ftruncate(self._file, len(content))
            self.known = reached

    def close(self) -> None:
        """Release the witness. One that knows nothing is removed."""
        if self._file is None:
            return
        with suppress(OSError):
            if self._path is not None and not self.is_held_elsewhere and not os.fstat(self._file).st_size:
                self._path.unlink()
        os.close(self._file)


def _opened(path: Path | None) -> int | None:
    if path is None:
        return None
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    return None


def _read(descriptor: int) -> Reached | None:
    with suppress(OSError, ValueError, msgspec.ValidationError):
        return msgspec.convert(json.loads(os.pread(descriptor, _MOST, 0)), Reached)
    return None


def remove_witness(path: Path | None) -> bool:
    """Remove a witness. Return whether there was one. Raises OSError if it cannot be removed."""
    if path is None or not path.exists():
        return False
    os.unlink(path)  # noqa: PTH108 - also for a name that is not UTF-8
    return True
