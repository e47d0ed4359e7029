"""The witness of a job: a small file outside the job's folder that stores how far the job has come.

The checkpoint counts generations. A checkpoint whose generation is lower than that of its witness is an older copy. The
witness is named after the job's random id, not after a path, so a folder that was copied has the same witness.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec


class Reached(NamedTuple):
    """What a witness knows: the highest generation that was committed, and the path of the checkpoint that had it."""

    generation: int
    checkpoint: str


def new_job_id() -> str:
    """Return a random id for a job."""
    return secrets.token_hex(16)


def witness_path(job_id: str, environment: Mapping[str, str]) -> Path | None:
    """Return the path of a job's witness, None if there is no place for one.

    The place is `batcher` in XDG_STATE_HOME, by default ~/.local/state. A path that is not absolute is ignored, see
    https://specifications.freedesktop.org/basedir-spec/latest/.
    """
    state = environment.get("XDG_STATE_HOME", "")
    if not state.startswith("/"):
        home = environment.get("HOME", "")
        if not home.startswith("/"):
            return None
        state = f"{home}/.local/state"
    return Path(state) / "batcher" / f"{job_id}.json"


def read_witness(path: Path | None) -> Reached | None:
    """Read a witness. Return None if there is none, or if it cannot be read: a witness is not required."""
    if path is None:
        return None
    with suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode(path.read_bytes(), type=Reached)
    return None


def write_witness(path: Path | None, reached: Reached) -> None:
    """Write a witness unless it already knows a higher generation. If it cannot be written, there is no witness.

    The generation must be committed before: otherwise a crash would leave a witness ahead of the newest checkpoint.
    """
    known = read_witness(path)
    if path is None or (known is not None and known.generation >= reached.generation):
        return
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, written = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with open(descriptor, "wb") as file:  # noqa: PTH123 - it is open already
                file.write(msgspec.json.encode(reached))
            Path(written).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(written).unlink()
            raise


def remove_witness(path: Path | None) -> bool:
    """Remove a witness. Return whether there was one. Raises OSError if it cannot be removed."""
    if path is None or not path.exists():
        return False
    os.unlink(path)  # noqa: PTH108 - also for a name that is not UTF-8
    return True
