"""The unsettled rows of a checkpoint, with what it takes to name, match and send them.

Rows that are admitted together share one entry until the last of them is settled. Per row this costs a tenth of a
separate entry. A row in doubt may stay for days and has its own entry.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from msgspec import Struct, msgpack

from batcher.edges.checkpoint.groups import keys_of
from batcher.edges.checkpoint.index import Known
from batcher.edges.checkpoint.schema import SUMMED, seal, sum_of
from batcher.edges.checkpoint.settled_rows import Identity, SettledRows
from batcher.model import NUMBERS, STATUSES, Admitted, BadRow, Row, Status, Unsettled

_ENCODE = msgpack.Encoder().encode


class _Block(Struct, frozen=True):
    """Rows that were admitted together and are not settled yet. `at` is in POSIX seconds."""

    id: int
    at: float
    rows: dict[int, Admitted]
    seal: int


class UnsettledRows:
    """The tables `intents` and `doubts`. `intents` is also held in memory; its size is bounded by the concurrency."""

    def __init__(self, db: sqlite3.Connection, settled: SettledRows) -> None:
        self._db = db
        self._blocks: dict[int, _Block] = {}
        """The block of each row, by the row's id."""
        self._last_block = 0
        self.sum = sum_of(db, "intents") + sum_of(db, "doubts")
        """The sum of the entries."""
        for id_, at, rows, sealed in db.execute("SELECT id, at, rows, seal FROM intents ORDER BY id"):
            self._last_block = id_
            listed = {row.id: row for row in decoded_intent(rows)}
            # An older block may still list a row that was settled, and even one that was admitted again.
            for other in settled.settled(listed) | self._in_doubt(listed):
                del listed[other]
            self._keep(_Block(id_, at, listed, sealed))

    def last_id(self) -> int:
        """Return the highest id of a row, 0 if there is none."""
        last: int = self._db.execute("SELECT coalesce(max(id), 0) FROM doubts").fetchone()[0]
        return max(last, *self._blocks, 0)

    def admit(self, rows: Sequence[Admitted], now: float) -> None:
        """Record rows that are admitted now, with the statuses they are admitted with."""
        self._last_block += 1
        entry = (self._last_block, now, encoded_intent(rows))
        sealed = seal(*entry)
        self._db.execute("INSERT INTO intents VALUES (?, ?, ?, ?)", (*entry, sealed))
        self.sum += SUMMED + sealed
        self._keep(_Block(self._last_block, now, {row.id: row for row in rows}, sealed))

    def content(self, id_: int) -> tuple[str, str, bytes, float]:
        """Return a row's bucket, object and inputs, and the time before which it was not sent."""
        block = self._blocks.get(id_)
        if block is None:
            query = "SELECT bucket, object, inputs, intent_at FROM doubts WHERE id = ?"
            bucket, object_, inputs, at = self._db.execute(query, (id_,)).fetchone()
            return bucket, object_, inputs, at
        return *_content(block.rows[id_])[3:], block.at

    def take(self, ids: Iterable[int]) -> list[Identity]:
        """Remove rows that are settled now, and return their identities."""
        taken: list[Identity] = []
        for id_ in ids:
            block = self._blocks.pop(id_, None)
            if block is None:
                query = "SELECT key, copy, number, seal FROM doubts WHERE id = ?"
                *identity, sealed = self._db.execute(query, (id_,)).fetchone()
                taken.append((identity[0], identity[1], identity[2]))
                self._db.execute("DELETE FROM doubts WHERE id = ?", (id_,))
                self.sum -= SUMMED + sealed
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
                query = "SELECT id, key, copy, number, bucket, object, inputs, intent_at, seal FROM doubts WHERE id = ?"
                *known, replaced = self._db.execute(query, (id_,)).fetchone()
                entry = (*known, doubt_at)
                self.sum -= SUMMED + replaced
            else:
                entry = (id_, *_content(block.rows.pop(id_)), block.at, doubt_at)
                if not block.rows:
                    self._forget(block)
            values = (*entry, seal(*entry))
            self.sum += SUMMED + values[-1]
            self._db.execute("INSERT OR REPLACE INTO doubts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)

    def admitted(self) -> list[Admitted]:
        """Return the rows that are not in doubt, in the order of their admission."""
        return [self._blocks[id_].rows[id_] for id_ in sorted(self._blocks)]

    def following(self, after: int, most: int = -1) -> list[Known]:
        """Return the first `most` rows (all for -1) with ids above `after`, in the order of their ids."""
        sent = [(row.id, row.row.key, row.copy, NUMBERS[row.status]) for row in self.admitted() if row.id > after]
        in_doubt = self._db.execute(
            "SELECT id, key, copy, ? FROM doubts WHERE id > ? ORDER BY id LIMIT ?",
            (NUMBERS[Status.IN_DOUBT], after, most),
        ).fetchall()
        found = sorted([*sent, *in_doubt]) if sent else in_doubt
        return found if most < 0 else found[:most]

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
        self.sum -= SUMMED + block.seal

    def _in_doubt(self, ids: Iterable[int]) -> set[int]:
        query = "SELECT 1 FROM doubts WHERE id = ?"
        return {id_ for id_ in ids if self._db.execute(query, (id_,)).fetchone() is not None}


def _content(admitted: Admitted) -> tuple[bytes, int, int, str, str, bytes]:
    row = admitted.row
    inputs = row.inputs if isinstance(row, Row) else b""
    return row.key, admitted.copy, row.number, row.bucket, row.object, inputs


def _unsettled(admitted: Admitted, at: float) -> Unsettled:
    row = admitted.row
    inputs, reason = (b"", row.reason) if isinstance(row, BadRow) else (row.inputs, "")
    return Unsettled(admitted.id, admitted.status, row.number, row.bucket, row.object, inputs, reason, at)


def encoded_intent(admitted: Sequence[Admitted]) -> bytes:
    """Encode admitted rows as MessagePack (https://msgpack.org), column by column.

    These are ids, states, copies, numbers, keys, buckets, objects, and inputs or the reason of a bad row.
    """
    rows = [each.row for each in admitted]
    return _ENCODE(
        (
            [each.id for each in admitted],
            bytes([NUMBERS[each.status] for each in admitted]),
            [each.copy for each in admitted],
            [row.number for row in rows],
            b"".join([row.key for row in rows]),
            [row.bucket for row in rows],
            [row.object for row in rows],
            # Faster than isinstance, and nearly all are rows that can be started.
            [row.inputs if type(row) is Row else _reason(row) for row in rows],
        )
    )


def _reason(row: Row | BadRow) -> str:
    return row.reason if isinstance(row, BadRow) else ""


def decoded_intent(content: bytes) -> list[Admitted]:
    """Return the rows that `encoded_intent` wrote. Their lines are not known."""
    ids, states, copies, numbers, keys, buckets, objects, rest = msgpack.decode(content)
    admitted = []
    columns = zip(ids, states, copies, numbers, keys_of(keys), buckets, objects, rest, strict=True)
    for id_, state, copy, number, key, bucket, object_, more in columns:
        row: Row | BadRow
        # Inputs are bytes, and a reason is text.
        if isinstance(more, bytes):
            row = Row(number, 0, bucket, object_, more, key)
        else:
            row = BadRow(number, 0, bucket, object_, more, key)
        admitted.append(Admitted(id_, row, STATUSES[state], copy))
    return admitted
