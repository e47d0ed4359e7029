"""Reading a checkpoint without holding it, also while a run goes on: what `status` shows, and what `check` needs."""

from __future__ import annotations

import fcntl
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from batcher.edges.checkpoint.lock import lock_path
from batcher.edges.checkpoint.schema import Header, check_header, open_database, translated
from batcher.edges.checkpoint.settled import SettledRows
from batcher.edges.checkpoint.store import Store
from batcher.edges.checkpoint.unsettled import UnsettledRows
from batcher.model import State, Unsettled

COPY = 256
"""What a copy is multiplied with, so that a state fits below it."""


class Glance(NamedTuple):
    """A checkpoint at one moment. `running` tells whether a run holds it; if none does, intents are doubts."""

    header: Header
    running: bool
    states: Counter[State]
    unsettled: list[Unsettled]
    """The rows with an intent and those in doubt."""


def glance(path: Path) -> Glance:
    """Look at the checkpoint at `path`. Raises DiskError or OtherJobError where it cannot be read as one."""
    with translated(path), closing(Store.open(path, None)) as store:
        return Glance(
            store.header, _is_held(lock_path(path)), store.count(), store.unsettled({State.INTENT, State.IN_DOUBT})
        )


class Snapshot:
    """All that a checkpoint knows at one moment, whatever a run does meanwhile."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def recall(self, name: str) -> str | int | None:
        """Give a fact of the job, None where there is none."""
        found = self._db.execute("SELECT value FROM header WHERE name = ?", (name,)).fetchone()
        return None if found is None else found[0]

    def entries(self) -> Iterator[tuple[bytes, int]]:
        """Give each row's key and a number, COPY times which copy of its content it is, plus its state."""
        SettledRows(self._db).compare()
        for _, row, state, copy, _ in UnsettledRows(self._db).admitted():
            yield row.key, copy * COPY + state
        # Millions of them: SQLite reckons faster.
        yield from self._db.execute(f"SELECT key, copy * {COPY} + state FROM rows")  # noqa: S608 - a number of ours
        for key, copy in self._db.execute("SELECT key, copy FROM doubts"):
            yield key, copy * COPY + State.IN_DOUBT


@contextmanager
def snapshot(path: Path, header: Header) -> Iterator[Snapshot | None]:
    """Look at the checkpoint of a job; None where the job has none yet.

    Raises OtherJobError where it is another job's, DiskError where it cannot be read.
    """
    if not path.exists() or path.stat().st_size == 0:
        yield None
        return
    with translated(path), closing(open_database(path, None)) as db:
        check_header(db, path, header)
        db.execute("BEGIN")
        yield Snapshot(db)


def _is_held(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
