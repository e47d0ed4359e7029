"""The scratch index: finds a row in the checkpoint by its content, for manifests in another order.

It is a cache in a private temporary database. After a crash it is rebuilt from the checkpoint in one sorted pass.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from itertools import count
from typing import NamedTuple

from batcher.edges.checkpoint.bulk import Blob, insert

_PAGE_CACHE_KIB = 8 * 1024


class Hit(NamedTuple):
    """The entry of a content: a row's id, and how many rows with this content were read from the manifest so far."""

    id: int
    seen: int


class ScratchIndex:
    """Maps keys and copies to row ids. Memory is bounded by the page cache (8 MiB); the rest is in a temporary file.

    `seen` is stored in the entry of a content's first copy. In the entry of another copy it is 1 once that copy has
    been read.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        # With an empty name SQLite creates a private temporary database, without a path, deleted on close.
        db.execute("ATTACH '' AS scratch")
        for pragma in ("journal_mode=OFF", "synchronous=OFF", f"cache_size=-{_PAGE_CACHE_KIB}"):
            db.execute(f"PRAGMA scratch.{pragma}").close()
        db.execute(
            "CREATE TABLE scratch.hit (key BLOB, copy INTEGER, id INTEGER NOT NULL, seen INTEGER NOT NULL,"
            " PRIMARY KEY (key, copy)) WITHOUT ROWID"
        )

    def load(self, shown: int) -> None:
        """Add the settled rows and those in doubt. Those with ids up to `shown` were read from the manifest."""
        for table in ("rows", "doubts"):
            known = f"SELECT key, copy, id, id <= ? FROM {table} ORDER BY key, copy"  # noqa: S608 - our names
            self._db.execute(f"INSERT OR IGNORE INTO scratch.hit {known}", (shown,))
        # In a second pass: a copy may be in one table, and the first row with its content in the other.
        for table in ("rows", "doubts"):
            copies = f"SELECT key, copy FROM {table} WHERE copy > 1 AND id <= ?"  # noqa: S608 - our names
            for key, copy in self._db.execute(copies, (shown,)):
                self.mark(key, copy)

    def forget(self, first: int) -> None:
        """Remove the entries from this id on."""
        self._db.execute("DELETE FROM scratch.hit WHERE id >= ?", (first,))

    def put(self, entries: Iterable[tuple[bytes, int, int, int]]) -> int:
        """Add entries of key, copy, id and `seen` that do not exist yet. Return how many were added."""
        return insert(self._db, "INSERT OR IGNORE INTO scratch.hit", "(?, ?, ?, ?)", list(entries))

    def put_first(self, keys: Iterable[bytes], first: int) -> int:
        """Add entries for the contents of rows whose ids begin with `first`, as `put` does."""
        entries = list(zip(map(Blob, keys), count(first)))
        return insert(self._db, "INSERT OR IGNORE INTO scratch.hit", "(?, 1, ?, 1)", entries)

    def meets(self, last: int) -> bool:
        """Return whether a content of the index belongs to a row, up to the id `last`, that is settled or in doubt."""
        # One pass over the rows, each looked up in the small index: CROSS JOIN fixes this order.
        query = (
            "SELECT 1 FROM rows CROSS JOIN scratch.hit ON hit.key = rows.key WHERE rows.id <= :last"
            " UNION ALL SELECT 1 FROM doubts CROSS JOIN scratch.hit ON hit.key = doubts.key WHERE doubts.id <= :last"
            " LIMIT 1"
        )
        return self._db.execute(query, {"last": last}).fetchone() is not None

    def find(self, key: bytes, copy: int) -> Hit | None:
        """Return the entry for this copy of a content."""
        found = self._db.execute("SELECT id, seen FROM scratch.hit WHERE key = ? AND copy = ?", (key, copy)).fetchone()
        return None if found is None else Hit(*found)

    def mark(self, key: bytes, seen: int) -> None:
        """Record how many rows with this content were read from the manifest, if that is more than recorded."""
        self._db.execute("UPDATE scratch.hit SET seen = max(seen, ?) WHERE key = ? AND copy = 1", (seen, key))
