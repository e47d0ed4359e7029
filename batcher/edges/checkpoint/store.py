"""The checkpoint's file: its schema, its header and the three things that happen to a row. Synchronous.

Rows stand in the order of their admission, so that new rows fill pages one after another; what it takes to name,
match and send a row is kept beside them only for as long as the row is unsettled.
"""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from batcher.edges.checkpoint.sieve import Sieve, Sifted
from batcher.model import Admitted, BadRow, DiskError, Listed, OtherJobError, Row, Settlement, State, Unsettled

APPLICATION_ID = 0x62746368
"""Marks the file as ours (`btch`)."""
SCHEMA_VERSION = 1

_SCHEMA = """
-- A seal is a checksum of the row's other columns: SQLite itself would not notice a byte that a disk has changed.
CREATE TABLE header (name TEXT PRIMARY KEY, value NOT NULL, seal INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE rows (
    id INTEGER PRIMARY KEY,  -- order of admission
    key BLOB NOT NULL,       -- content identity, 16 bytes; not indexed on purpose
    copy INTEGER NOT NULL,   -- 1, or which repetition of the same content
    state INTEGER NOT NULL,  -- model.State
    number INTEGER NOT NULL, -- the row's number in the manifest when it was admitted
    execution,               -- name of the execution once started: BLOB for hexadecimal names, else TEXT
    seal INTEGER NOT NULL
);
CREATE TABLE unsettled (
    id INTEGER PRIMARY KEY,
    bucket TEXT NOT NULL,
    object TEXT NOT NULL,
    inputs BLOB NOT NULL,
    reason TEXT NOT NULL,    -- why an invalid row is invalid
    intent_at REAL NOT NULL, -- POSIX seconds by the service's clock; the row was not sent before
    doubt_at REAL,           -- as intent_at; once in doubt, the row was not sent after
    seal INTEGER NOT NULL
);
"""

_SEALED = {
    "header": "seal(name, value)",
    "rows": "seal_of_row(id, key, copy, state, number, execution)",
    "unsettled": "seal(id, bucket, object, inputs, reason, intent_at, doubt_at)",
}
"""How the seal of each table's rows is made."""

_REMEMBER = "INSERT OR REPLACE INTO header VALUES (?, ?, ?)"

_LISTED = """
CREATE TEMP TABLE IF NOT EXISTS listed (name PRIMARY KEY, urn TEXT, type TEXT, started_at TEXT, at REAL) WITHOUT ROWID
"""

_MEND = "Free the disk or mend its permissions, then run the same command again."
_REMOVE = "Remove the file only if you are sure that none of its rows may be started again by a new run."


class Header(NamedTuple):
    """What makes a job this job and no other. A checkpoint with another header is refused."""

    endpoint: str
    workflow: str
    static_inputs: str
    """The job's `--input` values as canonical JSON."""


class Store:
    """An open checkpoint file. Every method may raise sqlite3.Error; `translated` makes it a DiskError."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._sieve = Sieve(db)

    @classmethod
    def open(cls, path: Path, header: Header | None) -> Store:
        """Open the checkpoint at `path`, or make a new one readable by its owner only.

        Without a header it is opened as the job that it is, and must be there. Raises OtherJobError for a checkpoint
        with another header or version, or a file that is no checkpoint; DiskError for one that cannot be read or
        written, or is damaged.
        """
        with translated(path):
            if not path.exists():
                if header is None:
                    raise DiskError(
                        f"{path}: there is no such checkpoint",
                        "Check the path: a job's checkpoint is MANIFEST.checkpoint, unless --checkpoint names another.",
                    )
                _create(path)
            db = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, check_same_thread=False
            )
            try:
                _prepare(db, path, header)
                return cls(db)
            except BaseException:
                db.close()
                raise

    def close(self) -> None:
        """Close the file; SQLite then folds its write-ahead log into it."""
        self._sieve.close()
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make everything within durable at once, or nothing of it."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def sift(self, rows: Sequence[Row | BadRow], leave: Collection[State]) -> Sifted:
        """Look up the next rows of the manifest; those in a state of `leave` are only counted."""
        return self._sieve.sift(rows, leave)

    def admit(self, rows: Sequence[Admitted], now: float) -> None:
        """Take rows in: from here on an INTENT may be on its way, whatever happens to this process."""
        fresh = [(r.id, r.row.key, r.copy, int(r.state), r.row.number, None) for r in rows if r.new]
        self._db.executemany(
            "INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?)", [(*row, _seal_of_row(*row)) for row in fresh]
        )
        known = [(int(r.state), r.row.number) * 2 + (r.id,) for r in rows if not r.new]
        self._db.executemany(
            "UPDATE rows SET state = ?, number = ?, seal = seal_of_row(id, key, copy, ?, ?, execution) WHERE id = ?",
            known,
        )
        unsettled = [_unsettled(r, now) for r in rows]
        self._db.executemany(
            "INSERT OR REPLACE INTO unsettled VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [(*row, _seal(*row)) for row in unsettled],
        )
        self._sieve.admitted([r.id for r in rows])

    def settle(self, settlements: Sequence[Settlement], facts: Mapping[str, str | int], doubt_at: float | None) -> None:
        """Note how rows stand now, and with them facts of the job such as the output's length."""
        self._db.executemany(
            "UPDATE rows SET state = ?, execution = ?, seal = seal_of_row(id, key, copy, ?, number, ?) WHERE id = ?",
            [(int(s.state), _packed(s.execution)) * 2 + (s.id,) for s in settlements],
        )
        in_doubt = [s.id for s in settlements if s.state is State.IN_DOUBT]
        ended = [s.id for s in settlements if s.state is not State.IN_DOUBT]
        self._db.executemany(
            "UPDATE unsettled SET doubt_at = ?, seal = seal(id, bucket, object, inputs, reason, intent_at, ?)"
            " WHERE id = ?",
            [(doubt_at, doubt_at, id_) for id_ in in_doubt],
        )
        self._db.executemany("DELETE FROM unsettled WHERE id = ?", [(id_,) for id_ in ended])
        self.remember(facts)

    @property
    def header(self) -> Header:
        """The job that the checkpoint belongs to."""
        kept = dict(self._db.execute("SELECT name, value FROM header"))
        return Header(*(str(kept.get(name, "")) for name in Header._fields))

    def remember(self, facts: Mapping[str, str | int]) -> None:
        """Keep facts of the job by name."""
        self._db.executemany(_REMEMBER, [(*fact, _seal(*fact)) for fact in facts.items()])

    def recall(self, name: str) -> str | int | None:
        """Give a fact of the job, None where there is none."""
        found = self._db.execute("SELECT value FROM header WHERE name = ?", (name,)).fetchone()
        return None if found is None else found[0]

    def unsettled(self, states: Collection[State], most: int = -1) -> list[Unsettled]:
        """List the unsettled rows in one of `states`, in the order of their admission, at most `most` of them."""
        marks = ", ".join("?" * len(states))
        rows = self._db.execute(
            "SELECT id, state, number, bucket, object, inputs, reason, intent_at, doubt_at"  # noqa: S608 - only marks are added
            f" FROM unsettled JOIN rows USING (id) WHERE state IN ({marks}) ORDER BY id LIMIT ?",
            (*map(int, states), most),
        )
        return [Unsettled(id_, State(state), *rest) for id_, state, *rest in rows]

    def note_listed(self, executions: Sequence[Listed]) -> None:
        """Keep executions until `unowned` asks for them; in a temporary table, so as not to fill the memory."""
        self._db.execute(_LISTED)
        self._db.executemany(
            "INSERT OR REPLACE INTO temp.listed VALUES (?, ?, ?, ?, ?)",
            [(_packed(name), *rest) for name, *rest in executions],
        )

    def unowned(self) -> list[Listed]:
        """Give the noted executions that no row of the checkpoint is started as, and forget all noted ones."""
        self._db.execute(_LISTED)
        # One pass over the rows, each looked up among the few that are listed: the order of this join is its point.
        owned = "SELECT name FROM rows CROSS JOIN temp.listed ON name = execution"
        self._db.execute(f"DELETE FROM temp.listed WHERE name IN ({owned})")  # noqa: S608 - no value is put in
        left = self._db.execute("SELECT * FROM temp.listed ORDER BY at, name").fetchall()
        self._db.execute("DROP TABLE temp.listed")
        return [Listed(unpacked(name), *rest) for name, *rest in left]

    def count(self) -> Counter[State]:
        """Count all rows by state, in one pass over them."""
        counted = self._db.execute("SELECT state, count(*) FROM rows GROUP BY state")
        return Counter({State(state): count for state, count in counted})

    def count_unsettled(self) -> Counter[State]:
        """Count the unsettled rows by state; quick, whatever the number of settled rows."""
        counted = self._db.execute("SELECT state, count(*) FROM unsettled JOIN rows USING (id) GROUP BY state")
        return Counter({State(state): count for state, count in counted})


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what SQLite and the operating system raise about a checkpoint into a DiskError that says what to do."""
    try:
        yield
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        if _is_the_disks(error):
            raise DiskError(f"{path}: the checkpoint cannot be used: {error}", _MEND) from error
        raise DiskError(
            f"{path}: the checkpoint is damaged: {error}",
            f"Restore it from a copy if there is one, then run the same command again. {_REMOVE}",
        ) from error
    except OSError as error:
        raise DiskError(f"{path}: the checkpoint cannot be opened: {error.strerror or error}", _MEND) from error


def _is_the_disks(error: Exception) -> bool:
    """Tell whether the disk failed. If not, the content makes no sense: a text that is none, a column that is lost."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return isinstance(error, sqlite3.OperationalError) and code != sqlite3.SQLITE_ERROR


def _create(path: Path) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    # The file's name must survive a power cut as surely as its content.
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def _prepare(db: sqlite3.Connection, path: Path, header: Header | None) -> None:
    # An empty database is a run that was ended before its first commit: it is as new as no file.
    is_blank = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    if header is None or not is_blank:
        _check_version(db, path)
    db.create_function("seal", -1, _seal, deterministic=True)
    db.create_function("seal_of_row", 6, _seal_of_row, deterministic=True)
    _check_damage(db)
    if not is_blank:
        _check_seals(db)
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        db.execute(f"PRAGMA {pragma}").close()
    if header is None:
        return
    if is_blank:
        marks = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION};"
        db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} {marks}")
        db.executemany(_REMEMBER, [(*fact, _seal(*fact)) for fact in header._asdict().items()])
        db.execute("COMMIT")
    _check_header(db, path, header)


def _check_damage(db: sqlite3.Connection) -> None:
    """Read the whole file once, 0.1 s for a million rows: a page that is lost or foreign must not pass for new rows."""
    found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(" ".join(found.split()))


def _check_seals(db: sqlite3.Connection) -> None:
    """Compare each row with its seal, 1 s for a million rows: one that was changed must not pass for a new one."""
    for table, seal in _SEALED.items():
        broken = db.execute(f"SELECT count(*) FROM {table} WHERE seal IS NOT {seal}").fetchone()[0]  # noqa: S608 - our names
        if broken:
            raise sqlite3.DatabaseError(f"{broken:,} entries of its table {table} are not as they were written")


def _seal_of_row(  # noqa: PLR0913, PLR0917 - one argument for each column
    id_: int, key: bytes, copy: int, state: int, number: int, execution: bytes | str | None
) -> int:
    # As _seal, and three times as fast: it is called for every row when the file is opened.
    name = execution if isinstance(execution, bytes) else (execution or "").encode()
    return crc32(b"%d %d %d %d %b" % (id_, copy, state, number, name), crc32(key))


def _seal(*values: bytes | str | float | None) -> int:
    return crc32(b"\0".join([value if isinstance(value, bytes) else str(value).encode() for value in values]))


def _check_header(db: sqlite3.Connection, path: Path, header: Header) -> None:
    kept = dict(db.execute("SELECT name, value FROM header"))
    for name, wanted in header._asdict().items():
        if kept.get(name) != wanted:
            raise OtherJobError(
                f"{path}: this checkpoint belongs to another job: its {name.replace('_', ' ')} is"
                f" {kept.get(name)!r}, this command's is {wanted!r}",
                "Give this job a checkpoint of its own with --checkpoint FILE, or repeat the first command exactly.",
            )


def _check_version(db: sqlite3.Connection, path: Path) -> None:
    application = db.execute("PRAGMA application_id").fetchone()[0]
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if application != APPLICATION_ID:
        raise OtherJobError(
            f"{path}: this is a database, but no checkpoint of batcher", "Give another file with --checkpoint FILE."
        )
    if version != SCHEMA_VERSION:
        raise OtherJobError(
            f"{path}: this checkpoint has format {version}, this version of batcher reads format {SCHEMA_VERSION}",
            "Finish the job with the version of batcher that began it.",
        )


def _unsettled(admitted: Admitted, now: float) -> tuple[int, str, str, bytes, str, float, None]:
    row = admitted.row
    if isinstance(row, BadRow):
        return admitted.id, row.bucket, row.object, b"", row.reason, now, None
    return admitted.id, row.bucket, row.object, row.inputs, "", now, None


def _packed(execution: str) -> bytes | str | None:
    """Keep a name of hexadecimal digits in half the space."""
    if not execution:
        return None
    try:
        packed = bytes.fromhex(execution)
    except ValueError:
        return execution
    return packed if packed.hex() == execution else execution


def unpacked(execution: bytes | str | None) -> str:
    """Give back the name that `_packed` kept."""
    return execution.hex() if isinstance(execution, bytes) else execution or ""
