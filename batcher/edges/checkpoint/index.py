"""The scratch index: from a row's content to its place in the checkpoint, for manifests that have changed.

It is a cache in a private temporary database without a journal: a crash throws it away and it is built again from
the checkpoint. Keyed by the first 8 bytes of a content key it stays small; a hit is for the caller to verify.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from typing import NamedTuple

_PAGE_CACHE_KIB = 32 * 1024


class Hit(NamedTuple):
    """A candidate for a key: the row's id, and how many rows of its content the manifest has shown so far."""

    id: int
    seen: int


class ScratchIndex:
    """Keys to row ids. Memory is bounded by the page cache (32 MiB); the rest is in a temporary file."""

    def __init__(self) -> None:
        # An empty name is SQLite's private temporary database: it has no path and goes with the connection.
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode=OFF", "synchronous=OFF", f"cache_size=-{_PAGE_CACHE_KIB}"):
            self._db.execute(f"PRAGMA {pragma}").close()
        self._db.execute("CREATE TABLE hit (prefix INTEGER PRIMARY KEY, id INTEGER NOT NULL, seen INTEGER NOT NULL)")
        # One transaction without an end: each commit would write pages out that nobody will ever read again.
        self._db.execute("BEGIN EXCLUSIVE")
        self._crowded: dict[bytes, Hit] = {}
        """Keys whose 8 bytes were taken by another key. At ten million rows there is one in 300,000 jobs."""

    def close(self) -> None:
        """Drop the index and its temporary file."""
        self._db.close()

    def load(self, entries: Callable[[], Iterable[tuple[bytes, Hit]]], count: int) -> None:
        """Fill the empty index with `count` entries; quickest in the order of their keys."""
        rows = ((_prefix(key), *hit) for key, hit in entries())
        if self._db.executemany("INSERT OR IGNORE INTO hit VALUES (?, ?, ?)", rows).rowcount == count:
            return
        for key, hit in entries():
            found = self.find(key)
            if found is None or found.id != hit.id:
                self._crowded[key] = hit

    def find(self, key: bytes) -> Hit | None:
        """Give the entry of `key`, or of another key that shares its first 8 bytes."""
        if key in self._crowded:
            return self._crowded[key]
        found = self._db.execute("SELECT id, seen FROM hit WHERE prefix = ?", (_prefix(key),)).fetchone()
        return None if found is None else Hit(*found)

    def put(self, key: bytes, hit: Hit) -> None:
        """Add a key that is not there yet."""
        if self._db.execute("INSERT OR IGNORE INTO hit VALUES (?, ?, ?)", (_prefix(key), *hit)).rowcount == 0:
            self._crowded[key] = hit

    def mark(self, key: bytes, seen: int) -> None:
        """Note how many rows of this content the manifest has shown."""
        if key in self._crowded:
            self._crowded[key] = self._crowded[key]._replace(seen=seen)
        else:
            self._db.execute("UPDATE hit SET seen = ? WHERE prefix = ?", (seen, _prefix(key)))


def _prefix(key: bytes) -> int:
    return int.from_bytes(key[:8], "big", signed=True)
