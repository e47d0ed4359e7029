"""The store of the ends: the executions that a job has started, and how each of them ended. Synchronous.

Memory does not grow with the number of executions. Counts by end are kept up to date in memory.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from batcher.edges.ends.schema import connected, create, packed, translated, unpacked
from batcher.errors import BusyError
from batcher.rules.ends.followed import Followed, Known, Settled
from batcher.rules.ends.redriven import Change, Doubt, Doubted, Intent, Redriven, Restored
from batcher.rules.ends.summary import Cause

_LOOKED_UP = 500
"""The number of names that are looked up in one statement."""
RENAMES = "renames"
"""The name of a fact: the service has answered a restore with another name than that of the execution."""
_CAUSES = """
SELECT end, state, message, count(*) FROM executions WHERE end <> 'succeeded' AND state IS NOT NULL
GROUP BY end, state, message ORDER BY count(*) DESC, end, state, message
"""
_RESTORED = """
UPDATE executions SET former = end, end = NULL, state = NULL, message = NULL, redrives = redrives + 1, redriven_at = ?
WHERE id = ? AND end IS NOT NULL RETURNING former
"""
_COLUMNS = "id, name, row, bucket, object, at, end, ended_at, state, message, redrives, redriven_at, former"


@contextmanager
def open_ends(path: Path) -> Iterator[EndStore]:
    """Open the file of ends at `path` for writing, or create it, and lock it for this process.

    Raises BusyError if another process follows the same executions, OtherJobError if it is another file, DiskError if
    it cannot be read or written, and DamageError if it is damaged.
    """
    with translated(path):
        create(path)
        lock = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with translated(path):
            _take(lock, path)
            db = connected(path, is_new=True)
        # SQLite closes the file before the lock is closed: a close drops all of its own locks on the file.
        with closing(db):
            yield EndStore(db, path)
    finally:
        os.close(lock)


@contextmanager
def reading_ends(path: Path) -> Iterator[EndStore | None]:
    """Open the file of ends for reading, as it is now. Yields None if there is none. Raises what `open_ends` raises."""
    if not path.exists() or path.stat().st_size == 0:
        yield None
        return
    with translated(path):
        db = connected(path, is_new=False)
        with closing(db):
            db.execute("BEGIN")
            yield EndStore(db, path)


def _take(lock: int, path: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BusyError(
            f"{path}: another process follows the executions of this job",
            "Wait for it, or stop it. batcher status shows how far it is.",
        ) from None


class EndStore:
    """An open file of ends. Its methods raise DiskError if it cannot be read or written."""

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self.path = path
        self._db = db
        with translated(path):
            found = db.execute("SELECT end, count(*) FROM executions GROUP BY end").fetchall()
        self.ends: Counter[str] = Counter({end: count for end, count in found if end is not None})
        """The number of executions by how they ended."""
        self.running: int = sum(count for end, count in found if end is None)
        self.redrives: int = self.redriven().restores
        """How often executions were restored."""

    def __len__(self) -> int:
        return self.running + self.ends.total()

    def facts(self) -> dict[str, str | int]:
        """Return all facts by name."""
        with translated(self.path):
            return dict(self._db.execute("SELECT name, value FROM facts"))

    def commit(
        self,
        started: Sequence[Followed] = (),
        settled: Sequence[Settled] = (),
        facts: Mapping[str, str | int] | None = None,
    ) -> None:
        """Make new executions, ends and facts durable together. An execution that is known already is left alone."""
        with translated(self.path), self._transaction():
            before = self._db.total_changes
            self._db.executemany(
                "INSERT OR IGNORE INTO executions (name, row, bucket, object, at) VALUES (?, ?, ?, ?, ?)",
                [(packed(each.name), *each[1:]) for each in started],
            )
            added = self._db.total_changes - before
            self._db.executemany(
                "UPDATE executions SET end = ?, ended_at = ? WHERE id = ?",
                [(each.end, each.ended_at or None, each.id) for each in settled],
            )
            self._db.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", (facts or {}).items())
        self.running += added - len(settled)
        self.ends.update(each.end for each in settled)

    def describe(self, described: Iterable[tuple[int, str, str]]) -> None:
        """Store what failed in executions: the id, the state that failed, and its message."""
        with translated(self.path), self._transaction():
            self._db.executemany(
                "UPDATE executions SET state = ?, message = ? WHERE id = ?",
                [(state, message, id_) for id_, state, message in described],
            )

    def find(self, names: Sequence[str]) -> dict[str, Known]:
        """Return those of the executions that are known, by name."""
        found: dict[str, Known] = {}
        with translated(self.path):
            for begin in range(0, len(names), _LOOKED_UP):
                some = [packed(name) for name in names[begin : begin + _LOOKED_UP]]
                query = f"SELECT {_COLUMNS} FROM executions WHERE name IN ({', '.join('?' * len(some))})"  # noqa: S608 - our names
                found.update((each.name, each) for each in map(_known, self._db.execute(query, some)))
        return found

    def running_times(self) -> Iterator[float]:
        """Yield when each running execution started, in order, in POSIX seconds."""
        with translated(self.path):
            for (at,) in self._db.execute("SELECT at FROM executions WHERE end IS NULL ORDER BY at"):
                yield at

    def running_but(self, shown: bytearray, last: int, most: int) -> list[Known]:
        """Return up to `most` of the first running executions with ids up to `last` whose bit in `shown` is not set.

        Bit 0 of the first byte is that of id 0.
        """
        found: list[Known] = []
        with translated(self.path):
            query = f"SELECT {_COLUMNS} FROM executions INDEXED BY running WHERE end IS NULL AND id <= ?"  # noqa: S608 - our names
            for entry in self._db.execute(query, (last,)):
                if not shown[entry[0] >> 3] >> (entry[0] & 7) & 1:
                    found.append(_known(entry))
                    if len(found) == most:
                        break
        return found

    def unsuccessful(self, ends: Collection[str] = (), *, is_asked: bool | None = None) -> Iterator[Known]:
        """Yield the executions that did not succeed, or only those with some `ends`, in the order of their starts.

        `is_asked` selects those whose failed state was asked for, or those for which it was not.
        """
        chosen = f" AND end IN ({', '.join('?' * len(ends))})" if ends else ""
        chosen += {None: "", True: " AND state IS NOT NULL", False: " AND state IS NULL"}[is_asked]
        query = f"SELECT {_COLUMNS} FROM executions WHERE end <> 'succeeded'{chosen} ORDER BY id"  # noqa: S608 - our names
        with translated(self.path):
            yield from map(_known, self._db.execute(query, tuple(ends)))

    def causes(self) -> list[Cause]:
        """Return why executions failed, of those that were asked for it, the most frequent cause first."""
        with translated(self.path):
            return [Cause(*entry) for entry in self._db.execute(_CAUSES)]

    def ended(self) -> Iterator[tuple[str, str, str]]:
        """Yield the end, the bucket and the object of the executions that have ended and whose object is known."""
        query = "SELECT end, bucket, object FROM executions WHERE end IS NOT NULL AND object IS NOT NULL"
        with translated(self.path):
            yield from self._db.execute(query)

    def restorable(self, ends: Collection[str], most: int, after: int, limit: int) -> list[Known]:
        """Return up to `limit` executions with these ends, and with ids above `after`, that may be restored.

        Those are left out that were restored `most` times, and those that may be restored at the moment.
        """
        chosen = ", ".join("?" * len(ends))
        query = (
            f"SELECT {_COLUMNS} FROM executions INDEXED BY unsuccessful WHERE end IN ({chosen}) AND end <> 'succeeded'"  # noqa: S608 - our names
            " AND redrives < ? AND id > ? AND id NOT IN (SELECT id FROM restores) ORDER BY id LIMIT ?"
        )
        with translated(self.path):
            return list(map(_known, self._db.execute(query, (*ends, most, after, limit))))

    def spent(self, ends: Collection[str], most: int) -> int:
        """Return the number of executions with these ends that were restored `most` times or more."""
        chosen = ", ".join("?" * len(ends))
        query = f"SELECT count(*) FROM executions WHERE end IN ({chosen}) AND end <> 'succeeded' AND redrives >= ?"  # noqa: S608 - our names
        with translated(self.path):
            count: int = self._db.execute(query, (*ends, most)).fetchone()[0]
        return count

    def redriven(self) -> Redriven:
        """Return how many executions were restored, how often in all, and how many may have been."""
        query = "SELECT count(*), coalesce(sum(redrives), 0) FROM executions WHERE redrives > 0"
        with translated(self.path):
            executions, restores = self._db.execute(query).fetchone()
            return Redriven(executions, restores, self._db.execute("SELECT count(*) FROM restores").fetchone()[0])

    def doubts(self) -> list[Doubt]:
        """Return the executions that may have been restored."""
        columns = ", ".join(f"executions.{each}" for each in _COLUMNS.split(", "))
        query = f"SELECT restores.at, restores.until, {columns} FROM restores JOIN executions USING (id) ORDER BY id"  # noqa: S608 - our names
        with translated(self.path):
            return [Doubt(_known(entry), at, until) for at, until, *entry in self._db.execute(query)]

    def change(self, changes: Sequence[Change]) -> None:
        """Make what is known of restores durable."""
        restored: Counter[str] = Counter()
        with translated(self.path), self._transaction():
            for each in changes:
                match each:
                    case Intent(id_, at):
                        self._db.execute("INSERT INTO restores VALUES (?, ?, 0)", (id_, at))
                    case Doubted(id_, until):
                        self._db.execute("UPDATE restores SET until = ? WHERE id = ?", (until, id_))
                    case _:
                        self._db.execute("DELETE FROM restores WHERE id = ?", (each.id,))
                if isinstance(each, Restored):
                    former = self._db.execute(_RESTORED, (each.at, each.id)).fetchall()
                    restored.update(end for (end,) in former)
                    self._rename(each)
        self.ends -= restored
        self.running += restored.total()
        self.redrives += restored.total()

    def _rename(self, restored: Restored) -> None:
        if restored.name:
            named = (packed(restored.name), restored.id)
            self._db.execute("UPDATE executions SET name = ? WHERE id = ?", named)
            self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, 1)", (RENAMES,))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise


def _known(entry: tuple[Any, ...]) -> Known:
    id_, name, row, bucket, object_, at, end, ended_at, state, message, redrives, redriven_at, former = entry
    since = (redrives, redriven_at, former or "")
    return Known(id_, unpacked(name), row, bucket, object_, at, end, ended_at or "", state, message, *since)
