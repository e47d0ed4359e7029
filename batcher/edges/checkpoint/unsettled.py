"""The unsettled rows of a checkpoint: those with an intent, those waiting for a record, and those in doubt.

Rows that are admitted together share one entry until the last of them is settled, so that an intent costs a tenth of
an entry of its own. A row in doubt may stay for days and has its own entry.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

import orjson
from msgspec import Struct

from batcher.edges.checkpoint.schema import seal
from batcher.edges.checkpoint.settled import Identity
from batcher.model import NUMBERS, STATUSES, Admitted, BadRow, Row, Status, Unsettled


class _Block(Struct, frozen=True):
    """Rows that were admitted together and are not settled yet. `at` is in POSIX seconds."""

    id: int
    at: float
    rows: dict[int, Admitted]


class UnsettledRows:
    """The tables `intents` and `doubts`. `intents` is also kept in memory; a run's concurrency bounds its size."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._blocks: dict[int, _Block] = {}
        """The block of each row, by the row's id."""
        self._last_block = 0
        for id_, at, rows in db.execute("SELECT id, at, rows FROM intents ORDER BY id"):
            self._last_block = id_
            # An older block may still list a row that was settled, and even one that was admitted again.
            self._keep(_Block(id_, at, {row.id: row for row in _decoded(rows) if not self._is_elsewhere(row.id)}))

    def last_id(self) -> int:
        """Return the highest id of a row, 0 if there is none."""
        last: int = self._db.execute("SELECT coalesce(max(id), 0) FROM doubts").fetchone()[0]
        return max(last, *self._blocks, 0)

    def admit(self, rows: Sequence[Admitted], now: float) -> None:
        """Record rows that are admitted now, with the statuses they are admitted with."""
        self._last_block += 1
        entry = (self._last_block, now, _encoded(rows))
        self._db.execute("INSERT INTO intents VALUES (?, ?, ?, ?)", (*entry, seal(*entry)))
        self._keep(_Block(self._last_block, now, {row.id: row for row in rows}))

    def take(self, ids: Iterable[int]) -> list[Identity]:
        """Remove rows that are settled now, and return their identities."""
        taken: list[Identity] = []
        for id_ in ids:
            block = self._blocks.pop(id_, None)
            if block is None:
                taken.append(self._db.execute("SELECT key, copy, number FROM doubts WHERE id = ?", (id_,)).fetchone())
                self._db.execute("DELETE FROM doubts WHERE id = ?", (id_,))
            else:
                admitted = block.rows.pop(id_)
                taken.append((admitted.row.key, admitted.copy, admitted.row.number))
                if not block.rows:
                    self._forget(block)
        return taken

    def doubt(self, ids: Iterable[int], doubt_at: float | None) -> None:
        """Put rows in doubt. They were not sent after `doubt_at`, if that is known."""
        for id_ in ids:
            block = self._blocks.pop(id_, None)
            if block is None:
                query = "SELECT id, key, copy, number, bucket, object, inputs, intent_at FROM doubts WHERE id = ?"
                entry = (*self._db.execute(query, (id_,)).fetchone(), doubt_at)
            else:
                entry = (id_, *_content(block.rows.pop(id_)), block.at, doubt_at)
                if not block.rows:
                    self._forget(block)
            values = (*entry, seal(*entry))
            self._db.execute("INSERT OR REPLACE INTO doubts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)

    def admitted(self) -> list[Admitted]:
        """Return the rows that are not in doubt, in the order of their admission."""
        return [self._blocks[id_].rows[id_] for id_ in sorted(self._blocks)]

    def status(self, id_: int) -> Status:
        """Return the status of a row that is not settled."""
        block = self._blocks.get(id_)
        return Status.IN_DOUBT if block is None else block.rows[id_].status

    def list(self, statuses: Collection[Status], most: int) -> list[Unsettled]:
        """List up to `most` rows with one of `statuses` (all for -1), in the order of their admission."""
        listed = [_unsettled(row, self._blocks[row.id].at) for row in self.admitted() if row.status in statuses]
        if Status.IN_DOUBT in statuses:
            query = "SELECT id, number, bucket, object, inputs, intent_at, doubt_at FROM doubts ORDER BY id LIMIT ?"
            for id_, number, bucket, object_, inputs, *times in self._db.execute(query, (most,)):
                listed.append(Unsettled(id_, Status.IN_DOUBT, number, bucket, object_, inputs, "", *times))
            listed.sort()
        return listed if most < 0 else listed[:most]

    def count(self) -> Counter[Status]:
        """Count the rows by status."""
        counted = Counter(block.rows[id_].status for id_, block in self._blocks.items())
        in_doubt = self._db.execute("SELECT count(*) FROM doubts").fetchone()[0]
        return counted + Counter({Status.IN_DOUBT: in_doubt})

    def _keep(self, block: _Block) -> None:
        for id_ in block.rows.keys() & self._blocks.keys():
            del self._blocks[id_].rows[id_]
        self._blocks.update(dict.fromkeys(block.rows, block))

    def _forget(self, block: _Block) -> None:
        self._db.execute("DELETE FROM intents WHERE id = ?", (block.id,))

    def _is_elsewhere(self, id_: int) -> bool:
        query = "SELECT 1 FROM rows WHERE id = :id UNION ALL SELECT 1 FROM doubts WHERE id = :id"
        return self._db.execute(query, {"id": id_}).fetchone() is not None


def _content(admitted: Admitted) -> tuple[bytes, int, int, str, str, bytes]:
    row = admitted.row
    inputs = row.inputs if isinstance(row, Row) else b""
    return row.key, admitted.copy, row.number, row.bucket, row.object, inputs


def _unsettled(admitted: Admitted, at: float) -> Unsettled:
    row = admitted.row
    inputs, reason = (b"", row.reason) if isinstance(row, BadRow) else (row.inputs, "")
    return Unsettled(admitted.id, admitted.status, row.number, row.bucket, row.object, inputs, reason, at)


def _encoded(rows: Sequence[Admitted]) -> str:
    """Write admitted rows as JSON: id, status, which copy of its content, and the row; a bad row has one item more."""
    return orjson.dumps([_written(each) for each in rows]).decode()


def _written(admitted: Admitted) -> tuple[int | str, ...]:
    row = admitted.row
    id_, status, copy, key = admitted.id, NUMBERS[admitted.status], admitted.copy, row.key.hex()
    if isinstance(row, BadRow):
        return id_, status, copy, row.number, key, row.bucket, row.object, row.reason, "bad"
    return id_, status, copy, row.number, key, row.bucket, row.object, row.inputs.decode()


def _decoded(text: str) -> list[Admitted]:
    decoded = []
    for id_, status, copy, number, key, bucket, object_, rest, *bad in orjson.loads(text):
        row = (
            BadRow(number, 0, bucket, object_, rest, bytes.fromhex(key))
            if bad
            else Row(number, 0, bucket, object_, rest.encode(), bytes.fromhex(key))
        )
        decoded.append(Admitted(id_, row, STATUSES[status], copy))
    return decoded
