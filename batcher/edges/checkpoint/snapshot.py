"""A copy of a checkpoint that a process may be writing, made without its locks: for the checkpoints of shards.

They are open in SQLite's exclusive locking mode, in which the write-ahead log needs no memory that is shared with other
processes, see https://www.sqlite.org/wal.html#noshm. The price is that no other process can open the file. The copy has
everything that was committed before it began: the log is copied after the file, and both again if the log was begun
anew meanwhile.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from batcher.edges.checkpoint.facts import GENERATION, INHERITED, JOB_ID
from batcher.edges.checkpoint.schema import create, open_database, read_facts, sync, translated, write_facts
from batcher.edges.checkpoint.settled_rows import SettledRows
from batcher.edges.checkpoint.unsettled_rows import UnsettledRows
from batcher.errors import DiskError
from batcher.rules.shards.attempts import named
from batcher.rules.shards.merging import OPEN, decoded, encoded

TRIES = 100
"""The maximum number of times a copy is begun. A log is begun anew after about 1,000 pages."""
_HEAD = 32
"""The bytes at the beginning of a log, with the numbers that are new when it is begun anew (its salts)."""


@contextmanager
def snapshot(path: Path) -> Iterator[Path]:
    """Yield the path of a copy of the checkpoint at `path`, in a folder of its own. Raises what copying raises."""
    with tempfile.TemporaryDirectory(prefix="batcher-") as folder:
        copy = Path(folder) / "checkpoint"
        copy_to(path, copy)
        yield copy


def copy_to(path: Path, copy: Path) -> None:
    """Copy a checkpoint with its log. Raises OSError, and DiskError if it never stands still for long enough."""
    for _ in range(TRIES):
        before = _state(path)
        shutil.copyfile(path, copy)
        _copy_log(_log(path), _log(copy))
        if _state(path) == before:
            return
    raise DiskError(f"{path}: the checkpoint changes too fast to be read", "Try again.")


def inherit(path: Path, successor: Path) -> None:
    """Make the checkpoint of the next attempt, which begins with all that the one at `path` knows.

    It is complete and durable when it has its name. It is no copy of the same job for those who look for older copies.
    Raises DiskError or OtherJobError if `path` cannot be read.
    """
    making = successor.with_name(f".{successor.name}.{os.getpid()}")
    with translated(path):
        try:
            create(making)
            copy_to(path, making)
            with closing(open_database(making, None)) as db:
                db.execute("DELETE FROM header WHERE name IN (?, ?)", (JOB_ID, GENERATION))
                write_facts(db, {INHERITED: _inherited(db, path)})
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
            sync(making)
            making.replace(successor)
            sync(successor.parent)
        finally:
            for left in (making, _log(making), making.with_name(making.name + "-shm")):
                left.unlink(missing_ok=True)


def _inherited(db: sqlite3.Connection, path: Path) -> str:
    """Return the fact about the rows that are open in the attempt with the checkpoint at `path`, and before it."""
    opened = {row.id for row in UnsettledRows(db, SettledRows(db)).list(OPEN, -1)}
    earlier = decoded(str(read_facts(db).get(INHERITED, "")))
    found = named(path.name)
    still = {number: ids & opened for number, ids in earlier.items()}
    return encoded(still | {found.number if found else 1: opened})


def _state(path: Path) -> tuple[object, ...]:
    """Return what is the same before and after a copy that is good."""
    try:
        with _log(path).open("rb") as file:
            head = file.read(_HEAD)
    except FileNotFoundError:
        head = b""
    if len(head) == _HEAD:
        # The file itself may change meanwhile: all that it takes over is in the log.
        return (head,)
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _copy_log(log: Path, copy: Path) -> None:
    try:
        shutil.copyfile(log, copy)
    except FileNotFoundError:
        copy.unlink(missing_ok=True)


def _log(path: Path) -> Path:
    return path.with_name(path.name + "-wal")
