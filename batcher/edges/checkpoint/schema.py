"""The checkpoint's file as such: its schema, the seals over its content, its header, and what refuses a file.

A seal is a checksum over the other columns of an entry. SQLite itself does not detect a byte that the disk has
changed, and a row that is not recognized would be started twice.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from batcher.errors import DiskError, OtherJobError

APPLICATION_ID = 0x62746368
"""Marks the file as ours (`btch`)."""
SCHEMA_VERSION = 1

_SCHEMA = """
CREATE TABLE header (name TEXT PRIMARY KEY, value NOT NULL, seal INTEGER NOT NULL) WITHOUT ROWID;
-- A row is in one place: in `rows` once it is settled, in `doubts` while it is in doubt, before that in `intents`.
CREATE TABLE rows (
    id INTEGER PRIMARY KEY,  -- order of admission
    key BLOB NOT NULL,       -- content identity, 16 bytes; not indexed on purpose
    copy INTEGER NOT NULL,   -- 1, or which repetition of the same content
    state INTEGER NOT NULL,  -- model.NUMBERS
    number INTEGER NOT NULL, -- the row's number in the manifest when it was admitted
    execution,               -- name of the execution once started: BLOB for hexadecimal names, else TEXT
    seal INTEGER NOT NULL
);
CREATE TABLE intents (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,        -- POSIX seconds by the service's clock; no row of it was sent before
    rows TEXT NOT NULL,      -- the rows that were admitted together, as JSON; kept until the last of them is settled
    seal INTEGER NOT NULL
);
CREATE TABLE doubts (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL,
    copy INTEGER NOT NULL,
    number INTEGER NOT NULL,
    bucket TEXT NOT NULL,
    object TEXT NOT NULL,
    inputs BLOB NOT NULL,
    intent_at REAL NOT NULL, -- POSIX seconds by the service's clock; the row was not sent before
    doubt_at REAL,           -- as intent_at; the row was not sent after
    seal INTEGER NOT NULL
);
"""

_SEALED = {
    "header": "seal(name, value)",
    "intents": "seal(id, at, rows)",
    "doubts": "seal(id, key, copy, number, bucket, object, inputs, intent_at, doubt_at)",
}
"""The expressions for the seals of the tables that are checked on opening."""

_FIX = "Free some disk space or fix the permissions, then run the same command again."
_REMOVE = "Remove the file only if you are sure that a new run may start all of its rows again."


class Header(NamedTuple):
    """What makes a job this job and no other. A checkpoint with another header is refused."""

    endpoint: str
    workflow: str
    static_inputs: str
    """The job's `--input` values as canonical JSON."""


def seal(*values: bytes | str | float | None) -> int:
    """Return the seal over an entry's columns."""
    return crc32(b"\0".join([value if isinstance(value, bytes) else str(value).encode() for value in values]))


def open_database(path: Path, header: Header | None) -> sqlite3.Connection:
    """Open the file at `path`, or make a new one readable by its owner only, and check what can be checked at once.

    The settled rows are not: each is compared with its seal where it is read. Without a header the file must be
    there. Raises OtherJobError for another job's checkpoint, another version or no checkpoint, DiskError for a file
    that is missing, and what `translated` turns into one for a damaged file.
    """
    if not path.exists():
        if header is None:
            raise DiskError(
                f"{path}: no such checkpoint",
                "Check the path. The checkpoint of a job is MANIFEST.checkpoint, unless --checkpoint names another.",
            )
        _create(path)
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, check_same_thread=False)
    try:
        _prepare(db, path, header)
    except BaseException:
        db.close()
        raise
    return db


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn errors of SQLite and the operating system about a checkpoint into a DiskError with advice."""
    try:
        yield
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        if _is_the_disks(error):
            raise DiskError(f"{path}: the checkpoint cannot be used: {error}", _FIX) from error
        raise DiskError(
            f"{path}: the checkpoint is damaged: {error}",
            f"Restore it from a copy if there is one, then run the same command again. {_REMOVE}",
        ) from error
    except OSError as error:
        raise DiskError(f"{path}: the checkpoint cannot be opened: {error.strerror or error}", _FIX) from error


def damage(table: str, count: int) -> sqlite3.DatabaseError:
    """Return the error for entries that do not match their seals."""
    return sqlite3.DatabaseError(f"wrong checksums in the table {table}: {count:,}")


def check_header(db: sqlite3.Connection, path: Path, header: Header) -> None:
    """Raise OtherJobError where the checkpoint is not that of `header`."""
    kept = dict(db.execute("SELECT name, value FROM header"))
    for name, wanted in header._asdict().items():
        if kept.get(name) != wanted:
            raise OtherJobError(
                f"{path}: this checkpoint belongs to another job: its {name.replace('_', ' ')} is"
                f" {kept.get(name)!r}, this command's is {wanted!r}",
                "Give this job a checkpoint of its own with --checkpoint FILE, or repeat the first command exactly.",
            )


def _is_the_disks(error: Exception) -> bool:
    """Return whether the disk failed. If not, the content is invalid: text that is not UTF-8, or a missing column."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return isinstance(error, sqlite3.OperationalError) and code != sqlite3.SQLITE_ERROR


def _create(path: Path) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    # A power cut must not lose the file's name, just as it must not lose its content.
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def _prepare(db: sqlite3.Connection, path: Path, header: Header | None) -> None:
    # An empty database is a run that was ended before its first commit: it is as new as no file.
    is_blank = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    if header is None or not is_blank:
        _check_version(db, path)
    db.create_function("seal", -1, seal, deterministic=True)
    db.create_function("crc32", 2, crc32, deterministic=True)
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
        facts = header._asdict().items()
        db.executemany("INSERT INTO header VALUES (?, ?, ?)", [(*fact, seal(*fact)) for fact in facts])
        db.execute("COMMIT")
    check_header(db, path, header)


def _check_damage(db: sqlite3.Connection) -> None:
    """Read the whole file once, 0.1 s for a million rows: a lost or foreign page must not look like new rows."""
    found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(" ".join(found.split()))


def _check_seals(db: sqlite3.Connection) -> None:
    for table, made in _SEALED.items():
        broken = db.execute(f"SELECT count(*) FROM {table} WHERE seal IS NOT {made}").fetchone()[0]  # noqa: S608 - our names
        if broken:
            raise damage(table, broken)


def _check_version(db: sqlite3.Connection, path: Path) -> None:
    application = db.execute("PRAGMA application_id").fetchone()[0]
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if application != APPLICATION_ID:
        raise OtherJobError(
            f"{path}: a database, but not a checkpoint of batcher", "Give another file with --checkpoint FILE."
        )
    if version != SCHEMA_VERSION:
        raise OtherJobError(
            f"{path}: this checkpoint has format {version}, this version of batcher reads format {SCHEMA_VERSION}",
            "Finish the job with the version of batcher that began it.",
        )
