"""The sieve: which rows of the manifest the checkpoint knows, and which are new.

An unchanged manifest is recognised by reading both in order and comparing keys. The first difference switches to the
scratch index, which finds a row wherever it has moved to.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from hashlib import blake2b
from typing import NamedTuple

from batcher.edges.checkpoint.index import Hit, ScratchIndex
from batcher.model import BadRow, Found, Row, State


class Sifted(NamedTuple):
    """A block of the manifest, sifted: the rows that need a decision, and how many others stand in which state."""

    found: list[Found]
    passed: Counter[State]


class _Stored(NamedTuple):
    key: bytes
    copy: int
    state: State | None


class Sieve:
    """One reading of a manifest against the rows of a checkpoint. Rows must come in the manifest's order."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._count: int = db.execute("SELECT coalesce(max(id), 0) FROM rows").fetchone()[0]
        self._last_id = self._count
        self._cursor = 0
        """In step with the checkpoint up to this id; meaningless once there is an index."""
        self._index: ScratchIndex | None = None
        self._unadmitted: dict[int, _Stored] = {}
        """Rows that were given an id here and are not in the checkpoint yet."""

    def close(self) -> None:
        """Drop the index."""
        if self._index is not None:
            self._index.close()

    def admitted(self, ids: Collection[int]) -> None:
        """Forget rows that are now in the checkpoint, or will never be."""
        for id_ in ids:
            self._unadmitted.pop(id_, None)

    def sift(self, rows: Sequence[Row | BadRow], leave: Collection[State]) -> Sifted:
        """Look a block of rows up. Those whose state is in `leave` are only counted."""
        passed: Counter[State] = Counter()
        found: list[Found] = []
        if self._index is None:
            rows = rows[self._in_step(rows, leave, found, passed) :]
        if rows:
            self._index = self._index or self._build()
            for row in rows:
                known = self._look_up(self._index, row)
                if known.state is not None and known.state in leave:
                    passed[known.state] += 1
                else:
                    found.append(known)
        return Sifted(found, passed)

    def _in_step(
        self, rows: Sequence[Row | BadRow], leave: Collection[State], found: list[Found], passed: Counter[State]
    ) -> int:
        """Compare with the checkpoint in order, up to the first difference; give the number of rows that agree."""
        stored = self._db.execute(
            "SELECT id, key, state, copy FROM rows WHERE id > ? ORDER BY id LIMIT ?", (self._cursor, len(rows))
        ).fetchall()
        done = 0
        for row, (id_, key, state, copy) in zip(rows, stored, strict=False):
            if row.key != key:
                break
            done += 1
            if state in leave:
                passed[State(state)] += 1
            else:
                found.append(Found(id_, row, State(state), copy))
        if done:
            self._cursor = stored[done - 1][0]
        return done

    def _build(self) -> ScratchIndex:
        index = ScratchIndex()
        if self._count:
            index.load(self._entries, self._count)
        seen = self._db.execute(
            "SELECT key, max(copy) FROM rows WHERE copy > 1 AND id <= ? GROUP BY key", (self._cursor,)
        )
        for key, copies in seen:
            index.mark(key, copies)
        return index

    def _entries(self) -> Iterator[tuple[bytes, Hit]]:
        for key, copy, id_ in self._db.execute("SELECT key, copy, id FROM rows ORDER BY key"):
            yield _entry(key, copy), Hit(id_, int(id_ <= self._cursor))

    def _look_up(self, index: ScratchIndex, row: Row | BadRow) -> Found:
        first = self._verified(index, row.key, 1)
        if first is None:
            return self._new(index, row, 1)
        copy = first[0].seen + 1
        index.mark(row.key, copy)
        this = first if copy == 1 else self._verified(index, row.key, copy)
        if this is None:
            return self._new(index, row, copy)
        return Found(this[0].id, row, this[1], copy)

    def _verified(self, index: ScratchIndex, key: bytes, copy: int) -> tuple[Hit, State | None] | None:
        """Find the row of exactly this key and copy, and its state."""
        hit = index.find(_entry(key, copy))
        if hit is None:
            return None
        stored = self._unadmitted.get(hit.id) or self._read(hit.id)
        return (hit, stored.state) if stored[:2] == (key, copy) else None

    def _read(self, id_: int) -> _Stored:
        key, copy, state = self._db.execute("SELECT key, copy, state FROM rows WHERE id = ?", (id_,)).fetchone()
        return _Stored(key, copy, State(state))

    def _new(self, index: ScratchIndex, row: Row | BadRow, copy: int) -> Found:
        self._last_id += 1
        index.put(_entry(row.key, copy), Hit(self._last_id, 1))
        self._unadmitted[self._last_id] = _Stored(row.key, copy, None)
        return Found(self._last_id, row, None, copy)


def _entry(key: bytes, copy: int) -> bytes:
    """Give the index key of a row: further rows of the same content have entries of their own."""
    return key if copy == 1 else blake2b(key + copy.to_bytes(8, "big"), digest_size=16).digest()
