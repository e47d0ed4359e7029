"""A lookup table on disk for data that does not fit into memory. It is deleted when the process ends.

It is a private temporary database of SQLite (https://www.sqlite.org/inmemorydb.html#temp_db), which has no path.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from batcher.errors import DiskError

_PAGE_CACHE_KIB = 8 * 1024

Value: TypeAlias = int | bytes
"""The types of keys and values."""


@contextmanager
def scratch() -> Iterator[Scratch]:
    """Create a lookup table. Raises DiskError if the temporary folder has no space for it."""
    db = sqlite3.connect("", isolation_level=None)
    try:
        yield Scratch(db)
    except sqlite3.OperationalError as error:
        raise DiskError(
            f"the temporary database cannot be used: {error}",
            "Free some disk space, or set SQLITE_TMPDIR to a folder with more space.",
        ) from error
    finally:
        db.close()


class Scratch:
    """Values by key, any number per key, in insertion order. It uses 8 MiB of memory, the page cache."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        for pragma in ("journal_mode=OFF", "synchronous=OFF", f"cache_size=-{_PAGE_CACHE_KIB}"):
            db.execute(f"PRAGMA {pragma}").close()
        db.execute("CREATE TABLE entry (key, place INTEGER, value, PRIMARY KEY (key, place)) WITHOUT ROWID")
        self._last = 0

    def add(self, entries: Iterable[tuple[Value, Value]]) -> None:
        """Add (key, value) pairs."""
        self._db.execute("BEGIN")
        self._db.executemany("INSERT INTO entry VALUES (?, ?, ?)", self._placed(entries))
        self._db.execute("COMMIT")

    def find(self, key: Value, most: int = -1) -> list[tuple[int, Value]]:
        """Return the first values of a key, all for -1, each with its place."""
        query = "SELECT place, value FROM entry WHERE key = ? ORDER BY place LIMIT ?"
        return self._db.execute(query, (key, most)).fetchall()

    def remove(self, key: Value, place: int) -> None:
        """Remove one value of a key."""
        self._db.execute("DELETE FROM entry WHERE key = ? AND place = ?", (key, place))

    def __iter__(self) -> Iterator[Value]:
        """Yield all values."""
        return (value for (value,) in self._db.execute("SELECT value FROM entry ORDER BY place"))

    def __len__(self) -> int:
        count: int = self._db.execute("SELECT count(*) FROM entry").fetchone()[0]
        return count

    def _placed(self, entries: Iterable[tuple[Value, Value]]) -> Iterator[tuple[Value, int, Value]]:
        for key, value in entries:
            self._last += 1
            yield key, self._last, value
