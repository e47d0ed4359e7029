"""The settled rows of a checkpoint and their final states, in the order of admission. A million rows take 55 MB.

A row is compared with its seal when it is read. All rows are compared the first time that the absence of a row
matters.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TypeAlias
from zlib import crc32

from batcher.edges.checkpoint.bulk import Blob, insert
from batcher.edges.checkpoint.schema import damage
from batcher.model import NUMBERS, STATUSES, Settlement, Status
from batcher.rules.records.standing import Standing


def _seal_of(state: str) -> str:
    """Give the seal that `_entry` makes, in SQL, for an entry of `rows` in this state: a column or a number."""
    return (
        f"crc32(CAST(key || coalesce(execution, '') AS BLOB), id * 65537 + number * 257 + copy * 17 + {state}"
        " + 3 * (typeof(execution) = 'text') + 5 * (typeof(key) <> 'blob'))"
    )


IS_BROKEN = f"seal IS NOT {_seal_of('state')}"
"""Whether an entry of `rows` differs from what was written."""
FAILED = (Status.REJECTED, Status.INVALID)
"""The statuses that a person can dismiss."""


Identity: TypeAlias = tuple[bytes, int, int]
"""What identifies a row besides its id: its content's key, the copy of that content, its number when admitted."""


class SettledRows:
    """The table `rows`. A PENDING or REFUSED row is settled too: it is certain that it was not started."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._is_compared = False

    def last_id(self) -> int:
        """Return the highest id, 0 if there are no rows."""
        last: int = self._db.execute("SELECT coalesce(max(id), 0) FROM rows").fetchone()[0]
        return last

    def add(self, settlements: Sequence[Settlement], rows: Sequence[Identity]) -> None:
        """Add rows in their current state. Fastest in the order of their ids."""
        entries = [_entry(each, row) for each, row in zip(settlements, rows, strict=True)]
        insert(self._db, "INSERT INTO rows", "(?, ?, ?, ?, ?, ?, ?)", entries)

    def take(self, id_: int) -> Identity:
        """Remove a row that is to be sent again, and return its identity."""
        *row, is_broken = self._db.execute(
            f"SELECT key, copy, number, {IS_BROKEN} FROM rows WHERE id = ?",  # noqa: S608 - our words
            (id_,),
        ).fetchone()
        if is_broken:
            raise damage("rows", 1)
        self._db.execute("DELETE FROM rows WHERE id = ?", (id_,))
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
        """Return the statuses that occur, in one pass; no seal is compared."""
        return {STATUSES[number] for (number,) in self._db.execute("SELECT DISTINCT state FROM rows")}

    def dismiss(self) -> int:
        """Dismiss every row in a state of FAILED. Give the number of rows."""
        # A new seal must not hide that an entry was damaged.
        self.compare()
        dismissed, failed = NUMBERS[Status.DISMISSED], ", ".join(str(NUMBERS[status]) for status in FAILED)
        new = f"state = {dismissed}, seal = {_seal_of(str(dismissed))}"
        return self._db.execute(f"UPDATE rows SET {new} WHERE state IN ({failed})").rowcount  # noqa: S608 - our words

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
