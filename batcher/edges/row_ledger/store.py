"""The ledger's store: all operations on its rows, for one job. Synchronous, within the caller's transaction.

The starts are a tree of their own, ordered by target and content, so that a lookup is one descent.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from batcher.edges.row_ledger.file import open_file, translated
from batcher.rules.rows.sharing import UNKNOWN_ROW, Entry, Fate, Holder, Target

_PACKED = 16
"""The bytes of a name that is 32 hexadecimal digits."""
_TARGET = "SELECT number FROM targets WHERE (dialect, endpoint, project, workflow) = (?, ?, ?, ?)"
_START = "SELECT job, execution FROM starts WHERE target = ? AND key = ?"
_CLAIM = "SELECT job FROM claims WHERE target = ? AND key = ? AND job <> ? LIMIT 1"

Decide = Callable[[Holder], Fate]


class Member(NamedTuple):
    """A job that shares a ledger: its random id, the path of its checkpoint, and its target."""

    id: str
    path: Path
    target: Target


class Claim(NamedTuple):
    """A row that may be sent: its id in the job's checkpoint, and the identity of its content."""

    row: int
    key: bytes


class Noted(NamedTuple):
    """What became of a claimed row. `execution` is the name of its start."""

    row: int
    entry: Entry
    execution: str = ""


class Known(NamedTuple):
    """What a job knows of a content: a claimed row or a start."""

    row: int
    key: bytes
    entry: Entry
    execution: str = ""


class Totals(NamedTuple):
    """How many starts and claims a job has in a ledger."""

    job: str
    starts: int
    claims: int


class Store:
    """An open ledger. Every method may raise sqlite3.Error, which `translated` turns into an error of the job."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.id: str = db.execute("SELECT value FROM about WHERE name = 'id'").fetchone()[0]
        """A random name of the ledger."""
        self._job = self._target = 0
        self._paths: dict[int, str] = {}

    @classmethod
    def open(cls, path: Path, *, is_new_allowed: bool = True) -> Store:
        """Open the ledger at `path`. Raises what `open_file` raises."""
        db = open_file(path, is_new_allowed=is_new_allowed)
        with translated(path):
            return cls(db)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def begin(self) -> None:
        """Begin a transaction that may write. Waits for other jobs."""
        self._db.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Make the transaction durable."""
        self._db.commit()

    def roll_back(self) -> None:
        """Undo the transaction, if there is one."""
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def knows(self, job_id: str) -> bool:
        """Return whether a job has ever shared this ledger, or was imported."""
        return self._db.execute("SELECT 1 FROM jobs WHERE id = ?", (job_id,)).fetchone() is not None

    def enter(self, member: Member) -> None:
        """Make a job the one that the other methods are about, and note where its checkpoint is now."""
        path = os.fsencode(os.path.realpath(member.path))
        self._db.execute(
            "INSERT INTO jobs (id, path) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET path = excluded.path",
            (member.id, path),
        )
        self._db.execute("INSERT OR IGNORE INTO targets VALUES (NULL, ?, ?, ?, ?)", member.target)
        self._job = self._db.execute("SELECT number FROM jobs WHERE id = ?", (member.id,)).fetchone()[0]
        self._target = self._db.execute(_TARGET, member.target).fetchone()[0]

    def view(self, job_id: str, target: Target) -> None:
        """Make a job the one that `holders` is about, without a change of the ledger."""
        job = self._db.execute("SELECT number FROM jobs WHERE id = ?", (job_id,)).fetchone()
        found = self._db.execute(_TARGET, target).fetchone()
        self._job, self._target = (0 if each is None else each[0] for each in (job, found))

    def holders(self, keys: Iterable[bytes], decide: Decide) -> list[Holder]:
        """Return for each content what keeps the job from sending it, UNKNOWN_ROW if nothing does."""
        execute, target, ours, send = self._db.execute, self._target, self._job, Fate.SEND
        found = []
        for key in keys:
            holder = UNKNOWN_ROW
            started = execute(_START, (target, key)).fetchone()
            if started is not None:
                job, name = started
                holder = Holder(Entry.STARTED, self._path(job), _name(name), job == ours)
            if started is None or decide(holder) is send:
                claimed = execute(_CLAIM, (target, key, ours)).fetchone()
                holder = UNKNOWN_ROW if claimed is None else Holder(Entry.CLAIMED, self._path(claimed[0]))
            found.append(UNKNOWN_ROW if decide(holder) is send else holder)
        return found

    def claim(self, rows: Sequence[Claim], decide: Decide) -> dict[int, Holder]:
        """Claim the rows that the job may send, and return what keeps it from sending the others, by their ids."""
        holders = self.holders([key for _, key in rows], decide)
        free = [row for row, holder in zip(rows, holders, strict=True) if holder is UNKNOWN_ROW]
        self._insert_claims(free)
        return {row.row: holder for row, holder in zip(rows, holders, strict=True) if holder is not UNKNOWN_ROW}

    def note(self, noted: Sequence[Noted]) -> None:
        """Note what became of claimed rows. Rows without a claim are not in the ledger."""
        job = self._job
        started = [(_packed(each.execution), job, each.row) for each in noted if each.entry is Entry.STARTED]
        self._db.executemany(
            "INSERT OR IGNORE INTO starts SELECT target, key, job, ? FROM claims WHERE job = ? AND row = ?", started
        )
        ended = [(job, each.row) for each in noted if each.entry is not Entry.CLAIMED]
        self._db.executemany("DELETE FROM claims WHERE job = ? AND row = ?", ended)

    def claims(self) -> list[Claim]:
        """Return the claims of the job."""
        query = "SELECT row, key FROM claims WHERE job = ? ORDER BY row"
        return [Claim(*each) for each in self._db.execute(query, (self._job,))]

    def take_over(self, path: Path) -> None:
        """Make the claims of other jobs with a checkpoint at this path those of this job: it is their heir.

        They get numbers below 0, since their rows have other ids in this job's checkpoint.
        """
        others = "SELECT number FROM jobs WHERE path = ? AND number <> ?"
        given = (os.fsencode(os.path.realpath(path)), self._job)
        taken = self._db.execute(f"SELECT target, key FROM claims WHERE job IN ({others})", given).fetchall()  # noqa: S608 - our words
        self._db.execute(f"DELETE FROM claims WHERE job IN ({others})", given)  # noqa: S608 - our words
        entries = [(self._job, -number, *each) for number, each in enumerate(taken, 1)]
        self._db.executemany("INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?)", entries)

    def renew(self, stale: Iterable[int], claimed: Iterable[Known]) -> None:
        """Remove claims of the job, by the ids of their rows, and add others."""
        self._db.executemany("DELETE FROM claims WHERE job = ? AND row = ?", [(self._job, row) for row in stale])
        self.add(claimed)

    def add(self, known: Iterable[Known]) -> None:
        """Add what the job's checkpoint or records know. What the ledger has already is not changed."""
        listed = list(known)
        self._insert_claims([Claim(each.row, each.key) for each in listed if each.entry is Entry.CLAIMED])
        self._db.executemany(
            "INSERT OR IGNORE INTO starts VALUES (?, ?, ?, ?)",
            [
                (self._target, each.key, self._job, _packed(each.execution))
                for each in listed
                if each.entry is Entry.STARTED
            ],
        )

    def totals(self) -> list[Totals]:
        """Count the starts and claims of each job, in the order in which the jobs joined."""
        starts: Mapping[int, int] = dict(self._db.execute("SELECT job, count(*) FROM starts GROUP BY job"))
        claims: Mapping[int, int] = dict(self._db.execute("SELECT job, count(*) FROM claims GROUP BY job"))
        jobs = self._db.execute("SELECT number, path FROM jobs ORDER BY number")
        return [Totals(os.fsdecode(path), starts.get(number, 0), claims.get(number, 0)) for number, path in jobs]

    def targets(self) -> list[tuple[Target, int]]:
        """Count the starts by target."""
        query = "SELECT target, count(*) FROM starts GROUP BY target"
        counts: Mapping[int, int] = dict(self._db.execute(query))
        listed = self._db.execute("SELECT number, dialect, endpoint, project, workflow FROM targets ORDER BY number")
        return [(Target(*target), counts.get(number, 0)) for number, *target in listed]

    def _insert_claims(self, rows: Sequence[Claim]) -> None:
        entries = [(self._job, row, self._target, key) for row, key in rows]
        self._db.executemany("INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?)", entries)

    def _path(self, job: int) -> str:
        if job not in self._paths:
            query = "SELECT path FROM jobs WHERE number = ?"
            self._paths[job] = os.fsdecode(self._db.execute(query, (job,)).fetchone()[0])
        return self._paths[job]


def _packed(name: str) -> bytes | str:
    """Return the name of an execution as it is stored."""
    try:
        packed = bytes.fromhex(name)
    except ValueError:
        return name
    return packed if len(packed) == _PACKED and packed.hex() == name else name


def _name(packed: bytes | str) -> str:
    return packed.hex() if isinstance(packed, bytes) else packed
