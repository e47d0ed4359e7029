"""The tables of rows: the unsettled ones, with what it takes to name, match and send them, and the settled ones.

Rows that are admitted together share one entry until the last of them is settled. Per row this costs a tenth of a
separate entry. A row in doubt may stay for days and has its own entry. A settled row takes about 55 bytes.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import TypeAlias
from zlib import crc32

import orjson
from msgspec import Struct

from batcher.edges.checkpoint.bulk import Blob, insert
from batcher.edges.checkpoint.schema import SUMMED, damage, seal, sum_of
from batcher.model import NUMBERS, STATUSES, Admitted, BadRow, Row, Settlement, Status, Unsettled
from batcher.rules.records.standing import Standing

_SEAL = itemgetter(-1)


class _Block(Struct, frozen=True):
    """Rows that were admitted together and are not settled yet. `at` is in POSIX seconds."""

    id: int
    at: float
    rows: dict[int, Admitted]
    seal: int


class UnsettledRows:
    """The tables `intents` and `doubts`. `intents` is also held in memory; its size is bounded by the concurrency."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._blocks: dict[int, _Block] = {}
        """The block of each row, by the row's id."""
        self._last_block = 0
        self.sum = sum_of(db, "intents") + sum_of(db, "doubts")
        """The sum of the entries."""
        for id_, at, rows, seal_ in db.execute("SELECT id, at, rows, seal FROM intents ORDER BY id"):
            self._last_block = id_
            # An older block may still list a row that was settled, and even one that was admitted again.
            listed = {row.id: row for row in _decoded(rows) if not self._is_elsewhere(row.id)}
            self._keep(_Block(id_, at, listed, seal_))

    def last_id(self) -> int:
        """Return the highest id of a row, 0 if there is none."""
        last: int = self._db.execute("SELECT coalesce(max(id), 0) FROM doubts").fetchone()[0]
        return max(last, *self._blocks, 0)

    def admit(self, rows: Sequence[Admitted], now: float) -> None:
        """Record rows that are admitted now, with the statuses they are admitted with."""
        self._last_block += 1
        entry = (self._last_block, now, _encoded(rows))
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
        self.sum -= SUMMED + block.seal

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
    """Encode admitted rows as JSON: id, status, number of the copy, and the row. A bad row has one more item."""
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


def _seal_of(state: str) -> str:
    """Return the SQL expression for the seal of an entry of `rows`, as `_entry` computes it.

    `state` is the column, or the number of a status.
    """
    return (
        f"crc32(CAST(key || coalesce(execution, '') AS BLOB), id * 65537 + number * 257 + copy * 17 + {state}"
        " + 3 * (typeof(execution) = 'text') + 5 * (typeof(key) <> 'blob'))"
    )


IS_BROKEN = f"seal IS NOT {_seal_of('state')}"
"""Whether an entry of `rows` differs from what was written."""
FAILED = (Status.REJECTED, Status.INVALID)
"""The statuses that a user can dismiss."""


Identity: TypeAlias = tuple[bytes, int, int]
"""What identifies a row besides its id: its content's key, the copy of that content, its number when admitted."""


class SettledRows:
    """The table `rows`. A PENDING or REFUSED row is settled too: it is certain that it was not started."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._is_compared = False
        self.sum = sum_of(db, "rows")
        """The sum of the entries."""

    def last_id(self) -> int:
        """Return the highest id, 0 if there are no rows."""
        last: int = self._db.execute("SELECT coalesce(max(id), 0) FROM rows").fetchone()[0]
        return last

    def add(self, settlements: Sequence[Settlement], rows: Sequence[Identity]) -> None:
        """Add rows with their current statuses. Fastest in the order of their ids."""
        entries = [_entry(each, row) for each, row in zip(settlements, rows, strict=True)]
        self.sum += SUMMED * len(entries) + sum(map(_SEAL, entries))
        insert(self._db, "INSERT INTO rows", "(?, ?, ?, ?, ?, ?, ?)", entries)

    def take(self, id_: int) -> Identity:
        """Remove a row that is to be sent again, and return its identity."""
        *row, sealed, is_broken = self._db.execute(
            f"SELECT key, copy, number, seal, {IS_BROKEN} FROM rows WHERE id = ?",  # noqa: S608 - our words
            (id_,),
        ).fetchone()
        if is_broken:
            raise damage("rows", 1)
        self._db.execute("DELETE FROM rows WHERE id = ?", (id_,))
        self.sum -= SUMMED + sealed
        key, copy, number = row
        return key, copy, number

    def status(self, id_: int) -> Status | None:
        """Return the status of a row, None if it is not settled."""
        found = self._db.execute("SELECT state FROM rows WHERE id = ?", (id_,)).fetchone()
        return None if found is None else STATUSES[found[0]]

    def count(self) -> Counter[Status]:
        """Count the rows by status, in one pass."""
        self.compare()
        counted = self._db.execute("SELECT state, count(*) FROM rows GROUP BY state")
        return Counter({STATUSES[number]: count for number, count in counted})

    def statuses(self) -> set[Status]:
        """Return the statuses that occur, in one pass. Seals are not compared."""
        return {STATUSES[number] for (number,) in self._db.execute("SELECT DISTINCT state FROM rows")}

    def dismiss(self) -> int:
        """Dismiss every row with a status of FAILED. Return the number of rows."""
        # A new seal must not hide that an entry was damaged.
        self.compare()
        dismissed, failed = NUMBERS[Status.DISMISSED], ", ".join(str(NUMBERS[status]) for status in FAILED)
        new = f"state = {dismissed}, seal = {_seal_of(str(dismissed))}"
        count = self._db.execute(f"UPDATE rows SET {new} WHERE state IN ({failed})").rowcount  # noqa: S608 - our words
        self.sum = sum_of(self._db, "rows")
        return count

    def standings(self) -> Iterator[tuple[int, Standing]]:
        """Yield every row with its id, in the order of their ids."""
        entries = self._db.execute("SELECT id, key, number, state, execution FROM rows ORDER BY id")
        for id_, key, number, status, execution in entries:
            yield id_, Standing(key, number, STATUSES[status], unpacked(execution))

    def compare(self) -> None:
        """Compare every row with its seal, once; 0.5 s for a million rows. Raises sqlite3.DatabaseError."""
        if self._is_compared:
            return
        broken = self._db.execute(f"SELECT count(*) FROM rows WHERE {IS_BROKEN}").fetchone()[0]  # noqa: S608 - our words
        if broken:
            raise damage("rows", broken)
        self._is_compared = True


def packed(execution: str) -> Blob | str | None:
    """Store a hexadecimal name in half the space."""
    if not execution:
        return None
    try:
        digits = Blob.fromhex(execution)
    except ValueError:
        return execution
    return digits if digits.hex() == execution else execution


def unpacked(execution: bytes | str | None) -> str:
    """Return the name that `packed` stored."""
    return execution.hex() if isinstance(execution, bytes) else execution or ""


def _entry(settlement: Settlement, row: Identity) -> tuple[int, Blob, int, int, int, Blob | str | None, int]:
    id_, status = settlement.id, NUMBERS[settlement.status]
    key, copy, number = row
    name = packed(settlement.execution)
    numbers = id_ * 65537 + number * 257 + copy * 17 + status
    if name is None:
        seal = crc32(key, numbers)
    elif isinstance(name, str):
        seal = crc32(key + name.encode(), numbers + 3)
    else:
        seal = crc32(key + name, numbers)
    return id_, Blob(key), copy, status, number, name, seal
