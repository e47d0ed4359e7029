"""The scratch index: finds a row in the checkpoint by its content, for manifests in another order.

It is a cache in a private temporary database. After a crash it is rebuilt from the checkpoint in one sorted pass.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from typing import NamedTuple, TypeAlias

from batcher.edges.checkpoint.bulk import Blob, insert
from batcher.edges.checkpoint.groups import keys_of

_PAGE_CACHE_KIB = 8 * 1024
_NOTES_CACHE_KIB = 256
"""As long as keys are only noted. They are not read again, and SQLite visits each page in the cache at each commit."""


Known: TypeAlias = tuple[int, bytes, int, int]
"""A row of the checkpoint: its id, key, copy and the number of its status."""


class Hit(NamedTuple):
    """The entry of a content.

    It has a row's id, its state (see `model.NUMBERS`) when the index was loaded, and how many rows with this content
    were read from the manifest so far.
    """

    id: int
    state: int
    seen: int


class ScratchIndex:
    """Maps keys and copies to row ids. Memory is bounded by the page cache (8 MiB); the rest is in a temporary file.

    The cache is smaller until the index is used.

    `seen` is stored in the entry of a content's first copy. In the entry of another copy it is 1 once that copy has
    been read.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        # With an empty name SQLite creates a private temporary database, without a path, deleted on close.
        db.execute("ATTACH '' AS scratch")
        self._set("journal_mode=OFF")
        self._set("synchronous=OFF")
        self._set(f"cache_size=-{_NOTES_CACHE_KIB}")
        self._is_used = False
        db.execute(
            "CREATE TABLE scratch.hit (key BLOB, copy INTEGER, id INTEGER NOT NULL, state INTEGER NOT NULL,"
            " seen INTEGER NOT NULL, PRIMARY KEY (key, copy)) WITHOUT ROWID"
        )
        db.execute("CREATE TABLE scratch.noted (first INTEGER PRIMARY KEY, keys BLOB NOT NULL)")

    def load(self, blocks: Iterable[Sequence[Known]], shown: int) -> None:
        """Add the rows of a checkpoint, in blocks. Those with ids up to `shown` were read from the manifest."""
        self._use()
        self._db.execute("CREATE TABLE scratch.known (key BLOB, copy INTEGER, id INTEGER, state INTEGER)")
        for block in blocks:
            entries = [(Blob(key), copy, id_, state) for id_, key, copy, state in block]
            insert(self._db, "INSERT INTO scratch.known", "(?, ?, ?, ?)", entries)
        # In the order of the index, since any other would write each of its pages many times.
        known = "SELECT key, copy, id, state, id <= ? FROM scratch.known ORDER BY key, copy"
        self._db.execute(f"INSERT OR IGNORE INTO scratch.hit {known}", (shown,))
        # After the others, since the number of copies is stored with the first row of their content.
        for key, copy in self._db.execute("SELECT key, copy FROM scratch.known WHERE copy > 1 AND id <= ?", (shown,)):
            self.mark(key, copy)
        self._db.execute("DROP TABLE scratch.known")

    def note(self, keys: Iterable[bytes], first: int) -> None:
        """Keep the keys of contents that are known to be new, of rows with ids from `first` on.

        This takes a tenth of the time of `put_first`, and they are not found before `load_noted`.
        """
        self._db.execute("INSERT INTO scratch.noted VALUES (?, ?)", (first, Blob(b"".join(keys))))

    def load_noted(self, last: int) -> None:
        """Add what was noted, as `put_first` would have done. `last` is the highest id."""
        self.load(self._noted(), last)
        self._db.execute("DELETE FROM scratch.noted")

    def _noted(self) -> Iterator[list[Known]]:
        for first, keys in self._db.execute("SELECT first, keys FROM scratch.noted ORDER BY first"):
            yield [(id_, key, 1, 0) for id_, key in enumerate(keys_of(keys), first)]

    def forget(self, first: int) -> None:
        """Remove the entries from this id on."""
        self._db.execute("DELETE FROM scratch.hit WHERE id >= ?", (first,))

    def put(self, key: bytes, copy: int, id_: int) -> None:
        """Add the entry of a further copy that was read from the manifest."""
        self._db.execute("INSERT INTO scratch.hit VALUES (?, ?, ?, 0, 1)", (key, copy, id_))

    def put_first(self, keys: Iterable[bytes], first: int) -> int:
        """Add entries for contents that have none, of rows with ids from `first` on. Return how many were added.

        These rows were read from the manifest, and are not in the checkpoint.
        """
        self._use()
        entries = list(zip(map(Blob, keys), count(first)))
        return insert(self._db, "INSERT OR IGNORE INTO scratch.hit", "(?, 1, ?, 0, 1)", entries)

    def find(self, key: bytes, copy: int) -> Hit | None:
        """Return the entry for this copy of a content."""
        query = "SELECT id, state, seen FROM scratch.hit WHERE key = ? AND copy = ?"
        found = self._db.execute(query, (key, copy)).fetchone()
        return None if found is None else Hit(*found)

    def mark(self, key: bytes, seen: int) -> None:
        """Record how many rows with this content were read from the manifest, if that is more than recorded."""
        self._db.execute("UPDATE scratch.hit SET seen = max(seen, ?) WHERE key = ? AND copy = 1", (seen, key))

    def _use(self) -> None:
        """Give the index its whole cache, once."""
        if not self._is_used:
            self._set(f"cache_size=-{_PAGE_CACHE_KIB}")
            self._is_used = True

    def _set(self, pragma: str) -> None:
        self._db.execute(f"PRAGMA scratch.{pragma}").close()
