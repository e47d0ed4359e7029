"""The file of the ends: its name, its tables, and the checks on opening it.

If it is lost, the execution list shows the ends again. What it knew of restores, how many there were and which are in
doubt, is lost with it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from batcher.errors import DamageError, DiskError, OtherJobError

APPLICATION_ID = 0x62746365
"""Marks the file as ours (`btce`)."""
FORMAT = 2

SUFFIX = ".ends"
IN_FOLDER = "job"
"""How the file of a run folder begins, which has the executions of all its shards."""

SCHEMA = f"""
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {FORMAT};
CREATE TABLE facts (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE executions (
    id INTEGER PRIMARY KEY,   -- from 1 on, without gaps
    name NOT NULL UNIQUE,     -- 16 bytes for a name of 32 hexadecimal digits, otherwise its text
    row INTEGER NOT NULL,
    bucket TEXT,              -- null, like the object, if the record of the start is lost
    object TEXT,
    at REAL NOT NULL,         -- when it started, in POSIX seconds by the service's clock; 0 if that is not known
    end TEXT,                 -- null while it runs
    ended_at TEXT,            -- when it stopped last, as the list shows it
    state TEXT,               -- of a failed one that was asked for: the state that failed
    message TEXT,             -- and its message
    redrives INTEGER NOT NULL DEFAULT 0,
    redriven_at REAL NOT NULL DEFAULT 0,  -- when it was restored last, in POSIX seconds by the service's clock
    former TEXT               -- how it had ended before that
);
CREATE TABLE restores (       -- those on the wire, or in doubt
    id INTEGER PRIMARY KEY,   -- of the execution, which has the end that it had before
    at REAL NOT NULL,         -- before which it was not sent, in POSIX seconds by the service's clock; 0 if not known
    until REAL NOT NULL       -- after which it was not sent; 0 while it may be
);
CREATE INDEX running ON executions (at) WHERE end IS NULL;
CREATE INDEX unsuccessful ON executions (end) WHERE end <> 'succeeded';
"""

_NAME_DIGITS = 32


def database_of(job: Path) -> Path:
    """Return the file of ends of a checkpoint or a run folder."""
    return job / f"{IN_FOLDER}{SUFFIX}" if job.is_dir() else job.with_name(f"{job.name}{SUFFIX}")


def packed(name: str) -> bytes | str:
    """Return the name of an execution as it is stored."""
    if len(name) == _NAME_DIGITS and name == name.lower():
        try:
            return bytes.fromhex(name)
        except ValueError:
            pass
    return name


def unpacked(name: bytes | str) -> str:
    """Return the name of an execution that is stored."""
    return name.hex() if isinstance(name, bytes) else name


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn errors of SQLite and the operating system into a DiskError, or a DamageError if the content is damaged."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_ERROR:
            raise _damaged(path, error) from error
        raise DiskError(f"{path}: the ends cannot be stored: {error}", _FIX) from error
    except sqlite3.DatabaseError as error:
        raise _damaged(path, error) from error
    except OSError as error:
        raise DiskError(f"{path}: the ends cannot be stored: {error.strerror or error}", _FIX) from error


_FIX = "Free some disk space or fix the permissions, then run the same command again."


def _damaged(path: Path, error: Exception) -> DamageError:
    return DamageError(
        f"{path}: the file of the ends is damaged: {error}",
        "Move it and the end records away, then run batcher watch again: it reads the ends from the list once more.",
    )


def connected(path: Path, *, is_new: bool) -> sqlite3.Connection:
    """Open the file at `path`, and check it. Raises sqlite3.Error, and OtherJobError if it is not a file of ends."""
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, check_same_thread=False)
    try:
        _prepare(db, path, is_new=is_new)
    except BaseException:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection, path: Path, *, is_new: bool) -> None:
    if is_new and db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
        # Also left by a process that ended before its first commit.
        db.execute("PRAGMA journal_mode=WAL").close()
        db.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT;")
    if db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise OtherJobError(f"{path}: not a file of ends, but another database", "Move this file away.")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version != FORMAT:
        raise OtherJobError(
            f"{path}: this file of ends has format {version}; this version of batcher reads format {FORMAT}",
            "Use the version of batcher that wrote it, or move it and the end records away.",
        )
    found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(" ".join(found.split()))
    for pragma in ("synchronous=FULL", "cache_size=-8000", "temp_store=MEMORY"):
        db.execute(f"PRAGMA {pragma}").close()


def create(path: Path) -> None:
    """Create an empty file that only its owner can read, unless there is one, and keep its name through a power cut."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
