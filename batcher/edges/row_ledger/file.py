"""The ledger's file: its schema, its format, the checks on opening it, and what its errors mean.

Jobs share it by SQLite's own locks, with a bounded wait.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from batcher.errors import BusyError, DamageError, DiskError, OtherJobError

APPLICATION_ID = 0x62746C67
"""Marks the file as a ledger of ours (`btlg`)."""
FORMAT = 1
WAIT_SECONDS = 30.0
"""The maximum wait for another job's transaction, which takes some milliseconds."""
PAUSE_SECONDS = 0.01
"""The pause before a new ledger's log is begun once more."""
_PRAGMAS = (
    # Each row changes a page of its own, so small pages: the log is a fourth as long. Merged at 16 MB.
    "page_size=1024",
    "wal_autocheckpoint=16000",
    "synchronous=FULL",
    "cache_size=-32768",  # KiB
)

_SCHEMA = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE targets (
    number INTEGER PRIMARY KEY,
    dialect TEXT NOT NULL, endpoint TEXT NOT NULL, project TEXT NOT NULL, workflow TEXT NOT NULL,
    UNIQUE (dialect, endpoint, project, workflow)
);
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    path BLOB NOT NULL        -- of the checkpoint, or of the records that were imported
);
CREATE TABLE claims (         -- rows that a job is about to send, has on the wire, or has in doubt
    job INTEGER NOT NULL,
    row INTEGER NOT NULL,     -- the row's id in the job's checkpoint
    target INTEGER NOT NULL,
    key BLOB NOT NULL,        -- the identity of the row's content, see rules/rows/identity.py
    PRIMARY KEY (job, row)
) WITHOUT ROWID;
CREATE INDEX claims_by_content ON claims (target, key);
CREATE TABLE starts (         -- the first known start of each content
    target INTEGER NOT NULL,
    key BLOB NOT NULL,
    job INTEGER NOT NULL,
    execution NOT NULL,       -- its name: 16 bytes if it is 32 hexadecimal digits, else text
    PRIMARY KEY (target, key)
) WITHOUT ROWID;
"""

_NO_LOCKS = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS})
_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_FIX = "Free some disk space or fix the permissions, then run the same command again."


def open_file(path: Path, *, is_new_allowed: bool = True) -> sqlite3.Connection:
    """Open the ledger at `path`, or create one that only its owner can read, and check it.

    Raises DiskError if it cannot be used, DamageError if it is damaged, OtherJobError if it is not a ledger or has a
    later format, and BusyError if another job keeps it locked for WAIT_SECONDS.
    """
    with translated(path):
        real = Path(os.path.realpath(path))
        _need_file(real, is_new_allowed=is_new_allowed)
        db = sqlite3.connect(
            f"{real.as_uri()}?mode=rw", WAIT_SECONDS, uri=True, isolation_level=None, check_same_thread=False
        )
        try:
            _prepare(db, path)
        except BaseException:
            db.close()
            raise
    return db


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn errors of SQLite and the operating system about a ledger into errors that end the job."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code in _BUSY:
            raise BusyError(
                f"{path}: another process has kept this ledger locked for {WAIT_SECONDS:.0f} s",
                "Nothing more is sent. Run the same command again when that process has ended.",
            ) from error
        if isinstance(error, sqlite3.OperationalError) and code != sqlite3.SQLITE_ERROR:
            raise DiskError(f"{path}: the ledger cannot be used: {error}", _FIX) from error
        raise DamageError(
            f"{path}: not a ledger, or a damaged one: {error}",
            "Nothing more is sent. Move the file away, then batcher ledger import makes a new one from the checkpoints"
            " of the jobs.",
        ) from error
    except OSError as error:
        raise DiskError(f"{path}: the ledger cannot be opened: {error.strerror or error}", _FIX) from error


def _need_file(path: Path, *, is_new_allowed: bool) -> None:
    """Create the file if there is none. It is never opened otherwise: to close it would drop the locks of SQLite."""
    if not path.exists():
        if not is_new_allowed:
            raise DiskError(f"{path}: no such ledger", "Check the path that --ledger names.")
        _need_locks(path)
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    else:
        _need_locks(path)
    if path.stat().st_nlink > 1:
        raise OtherJobError(
            f"{path}: this ledger has {path.stat().st_nlink} names (hard links), so that jobs would not see what the"
            " others have started",
            "Remove the other names, which find -samefile lists.",
        )


def _need_locks(path: Path) -> None:
    """Raise DiskError if the filesystem has no locks. A file beside the ledger is tried."""
    beside = path.with_name(f"{path.name}.lock")
    descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        raise DiskError(
            f"{path}: this filesystem has no locks, so that two jobs could start the same rows",
            "Put the ledger on another filesystem, with --ledger FILE.",
        ) from error
    finally:
        os.close(descriptor)
        beside.unlink(missing_ok=True)


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    for pragma in _PRAGMAS:
        db.execute(f"PRAGMA {pragma}").close()
    _begin_log(db)
    # An empty database was left by a job that ended before its first commit, or another job is making it now.
    if _is_blank(db):
        db.execute("BEGIN IMMEDIATE")
        if _is_blank(db):
            for statement in _SCHEMA.split(";\n"):
                db.execute(statement)
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {FORMAT}")
            db.execute("INSERT INTO about VALUES ('id', ?)", (uuid4().hex,))
        db.execute("COMMIT")
    _check(db, path)


def _begin_log(db: sqlite3.Connection) -> None:
    """Switch to a write-ahead log, as every connection does. SQLite does not wait for another that is doing the same.

    https://www.sqlite.org/c3ref/busy_handler.html
    """
    until = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            db.execute("PRAGMA journal_mode=WAL").close()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _BUSY or time.monotonic() >= until:
                raise
            time.sleep(PAUSE_SECONDS)
        else:
            return


def _is_blank(db: sqlite3.Connection) -> bool:
    found: int = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    return found == 0


def _check(db: sqlite3.Connection, path: Path) -> None:
    application, version = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
    if application != APPLICATION_ID:
        raise OtherJobError(f"{path}: not a ledger, but another database", "Give another file with --ledger FILE.")
    if version != FORMAT:
        raise OtherJobError(
            f"{path}: this ledger has format {version}; this version of batcher reads format {FORMAT}",
            "Use the version of batcher that last worked with it, or a newer one.",
        )
    # The whole file is read once: a lost page would make started rows look new.
    found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(" ".join(found.split()))
