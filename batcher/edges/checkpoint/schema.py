"""The checkpoint's file: its schema, its format, the seals over its content, and the checks on opening it.

A seal is a checksum over the other columns of an entry. SQLite itself does not detect a byte that the disk has
changed, and a row that is not recognized would be started twice.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from zlib import crc32

from batcher.edges.checkpoint import format_1
from batcher.edges.checkpoint.facts import BUCKET_USED, CARD, CONTENTS
from batcher.errors import DamageError, DiskError, OtherJobError
from batcher.rules.job.card import Card, Difference, decoded, difference, encoded
from batcher.rules.shards.attempts import is_of_shard

APPLICATION_ID = 0x62746368
"""Marks the file as ours (`btch`)."""
FORMAT = 4
"""The format that is written. Earlier ones can be read, and are converted when a run opens them."""

WITH_CONTROLS = 3
"""The first format with controls."""

CONTROLS_TABLE = """
CREATE TABLE controls (          -- a sample of the starts that were answered, see rules/doubts/control.py
    id INTEGER PRIMARY KEY,      -- that of the row; below 0: a start of batcher doctor, which is no row
    name TEXT NOT NULL,
    urn TEXT NOT NULL,
    at REAL,                     -- POSIX seconds by the answer
    intent_at REAL NOT NULL,     -- POSIX seconds by the service's clock; not sent before
    answered_at REAL,            -- as intent_at; not sent after
    bucket TEXT NOT NULL,
    object TEXT NOT NULL,
    inputs BLOB NOT NULL,
    seal INTEGER NOT NULL
);
"""

SETTLED_TABLE = """
CREATE TABLE settled (      -- rows that were settled together, see `groups`
    id INTEGER PRIMARY KEY, -- their segment, then 40 bits that grow with each entry of the checkpoint
    seal INTEGER NOT NULL,
    rest TEXT,              -- JSON: their numbers, copies and states; null: a list is as usual, or all of them are
    places BLOB NOT NULL,   -- the last 10 bits of each id, in 2 bytes
    keys BLOB NOT NULL,     -- the content identity of each, in 16 bytes; not indexed on purpose
    names                   -- of executions: 16 bytes for each started row, or a JSON list; null: there are none
);
"""
INTENTS_TABLE = """
CREATE TABLE intents (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,       -- POSIX seconds by the service's clock; no row of it was sent before
    rows BLOB NOT NULL,     -- admitted together, see `encoded_intent`; kept until the last of them is settled
    seal INTEGER NOT NULL
);
"""

_SCHEMA = f"""
CREATE TABLE header (name TEXT PRIMARY KEY, value NOT NULL, seal INTEGER NOT NULL) WITHOUT ROWID;
-- A row is in `doubts` while it is in doubt. Otherwise the last entry of `settled` that has it says how it stands. If
-- there is none, or it says that the row is sent again, the row is in `intents`.
{SETTLED_TABLE}
{INTENTS_TABLE}
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
    # With a word of its own: a page of another table with as many columns is none of this one.
    "controls": "seal('control', id, name, urn, at, intent_at, answered_at, bucket, object, inputs)",
}
"""The expressions for the seals of the tables that are checked on opening."""

_FIX = "Free some disk space or fix the permissions, then run the same command again."
_OTHER_FILE = (
    "Give the checkpoint of the job, which is MANIFEST.checkpoint unless --checkpoint was given, or its manifest. If"
    " this was the checkpoint, restore it from a copy, or batcher recover, with MANIFEST and the options of the job,"
    " rebuilds it from the output."
)


def seal(*values: bytes | str | float | None) -> int:
    """Return the seal over an entry's columns."""
    return crc32(b"\0".join([value if isinstance(value, bytes) else str(value).encode() for value in values]))


SUMMED = 1 << 32
"""What each entry adds to a sum besides its seal, so that the sum has their number too."""


def sum_of(db: sqlite3.Connection, table: str) -> int:
    """Return the sum of the entries of a table, in one pass."""
    query = f"SELECT count(*) * {SUMMED} + coalesce(sum(seal), 0) FROM {table}"  # noqa: S608 - our names
    found: int = db.execute(query).fetchone()[0]
    return found


def open_database(path: Path, card: Card | None) -> sqlite3.Connection:
    """Open the file at `path`, or create one that only its owner can read, and check it.

    Settled rows are not checked here: each is compared with its seal when it is read. Without a card the file must
    exist. Raises OtherJobError if the file belongs to another job, has a later format or is not a checkpoint, what
    `need_file` raises, and for a damaged file an error that `translated` turns into a DiskError.
    """
    need_file(path, card)
    db = _connected(path)
    try:
        _prepare(db, path, card)
    except BaseException:
        db.close()
        raise
    return db


def read_card(path: Path) -> Card:
    """Read the job card in the file at `path`. Only the facts are compared with their seals, so rows cost no time.

    Raises what `open_database` raises without a card.
    """
    need_file(path, None)
    with closing(_connected(path)) as db:
        _check_format(db, path)
        db.create_function("seal", -1, seal, deterministic=True)
        _check_seals(db, "header")
        return card_of(facts_of(db, path))


def _connected(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, check_same_thread=False)
    if is_of_shard(path.name):
        # Before the first look at the file: then its log needs no memory that is shared, see `snapshot`.
        db.execute("PRAGMA main.locking_mode=EXCLUSIVE").close()
    return db


def need_file(path: Path, card: Card | None) -> None:
    """Create the file at `path` if there is none, readable by its owner only. Without a card the file must exist.

    Raises DiskError if it is missing or a folder, and OtherJobError if it has several names: SQLite keeps a log for
    each name of a file, so that a run under one name would not see what a run under another name has committed.
    """
    if not path.exists():
        if card is None:
            raise DiskError(
                f"{path}: no such checkpoint",
                "Check the path. The checkpoint of a job is MANIFEST.checkpoint unless --checkpoint was given.",
            )
        create(path)
    found = path.stat()
    if stat.S_ISDIR(found.st_mode):
        raise DiskError(
            f"{path}: a folder without plan.json: neither a checkpoint nor a run folder",
            "Give the checkpoint of a job, its manifest, or its run folder. If this was one, restore its plan.json.",
        )
    if stat.S_ISREG(found.st_mode) and found.st_nlink > 1:
        raise OtherJobError(
            f"{path}: this checkpoint has {found.st_nlink} names (hard links). Rows would be started twice if more"
            " than one of them was used",
            "Remove the other names, which find -samefile lists, or put a copy of the file in this place. Then run the"
            " same command again.",
        )


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn errors of SQLite and the operating system about a checkpoint into a DiskError with advice.

    Raises DamageError, a DiskError, if the content is damaged.
    """
    try:
        yield
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        if _is_the_disks(error):
            raise DiskError(f"{path}: the checkpoint cannot be used: {error}", _FIX) from error
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB:
            # It may be anything, also the user's list, so no advice may cost it.
            raise DamageError(f"{path}: not a checkpoint, or one whose beginning is damaged", _OTHER_FILE) from error
        raise DamageError(
            f"{path}: the checkpoint is damaged: {error}",
            "Nothing was sent. batcher recover, with MANIFEST and the options of the job, rebuilds the checkpoint from"
            " the output. Without it, a new run may start all rows again.",
        ) from error
    except OSError as error:
        raise DiskError(f"{path}: the checkpoint cannot be opened: {error.strerror or error}", _FIX) from error


def damage(table: str, count: int) -> sqlite3.DatabaseError:
    """Return the error for entries that do not match their seals."""
    return sqlite3.DatabaseError(f"wrong checksums in the table {table}: {count:,}")


def check_sum(facts: Mapping[str, str | int], found: int) -> None:
    """Compare the sum of the tables with the fact. Raises sqlite3.DatabaseError."""
    if facts.get(CONTENTS, str(found)) != str(found):
        raise sqlite3.DatabaseError("its parts are of different times, as in a copy that was made during a run")


def facts_of(db: sqlite3.Connection, path: Path) -> Mapping[str, str | int]:
    """Return the facts of a checkpoint by name, converted to the current format."""
    facts = read_facts(db)
    return format_1.renewed_facts(facts, path) if format_of(db) == format_1.VERSION else facts


def card_of(facts: Mapping[str, str | int]) -> Card:
    """Return the job card from the facts. Raises sqlite3.DatabaseError if there is none that can be read."""
    try:
        return decoded(str(facts[CARD]))
    except (KeyError, ValueError) as error:
        raise damage("header", 1) from error


def check_card(facts: Mapping[str, str | int], path: Path, card: Card) -> None:
    """Raise OtherJobError if the checkpoint with these facts is not that of `card`."""
    found = difference(card_of(facts), card, is_bucket_used=bool(facts.get(BUCKET_USED)))
    if found is not None:
        raise _other_bucket(path, found) if found.name == "bucket" else _other_job(path, found)


def write_facts(db: sqlite3.Connection, facts: Mapping[str, str | int]) -> None:
    """Write facts with their seals. They replace earlier ones of the same names."""
    stored = [(_stored(name), _stored(value)) for name, value in facts.items()]
    entries = [(*fact, seal(*fact)) for fact in stored]
    db.executemany("INSERT OR REPLACE INTO header VALUES (?, ?, ?)", entries)


def read_facts(db: sqlite3.Connection) -> dict[str, str | int]:
    """Return the facts that `write_facts` has written, by name."""
    return {str(carried(name)): carried(value) for name, value in db.execute("SELECT name, value FROM header")}


def carried(fact: str | int | bytes) -> str | int:
    """Return a fact as it was given to `write_facts`."""
    return fact.decode("utf-8", "surrogateescape") if isinstance(fact, bytes) else fact


def _stored(fact: str | int) -> str | int | bytes:
    """Return a fact as SQLite takes it. A file name that is not UTF-8 is stored as the bytes that it consists of."""
    if isinstance(fact, int):
        return fact
    try:
        fact.encode()
    except UnicodeEncodeError:
        return fact.encode("utf-8", "surrogateescape")
    return fact


def _other_job(path: Path, found: Difference) -> OtherJobError:
    return OtherJobError(
        f"{path}: this checkpoint belongs to another job: {found.name.replace('_', ' ')} {found.kept!r}, not"
        f" {found.wanted!r}",
        "Use another checkpoint for this job, with --checkpoint FILE, or repeat the first command exactly.",
    )


def _other_bucket(path: Path, found: Difference) -> OtherJobError:
    given = f"gives --bucket {found.wanted}" if found.wanted else "gives no --bucket"
    kept = f"--bucket {found.kept}" if found.kept else "no --bucket"
    return OtherJobError(
        f"{path}: rows of this job rely on its default bucket, {found.kept!r}, and this command {given}: it would start"
        " them a second time",
        f"Give {kept} to continue the job. To use another bucket, give another checkpoint and output with --checkpoint"
        " FILE and --output FILE.",
    )


def _is_the_disks(error: Exception) -> bool:
    """Return whether the disk failed. If not, the content is invalid: text that is not UTF-8, or a missing column."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return isinstance(error, sqlite3.OperationalError) and code != sqlite3.SQLITE_ERROR


def create(path: Path) -> None:
    """Create an empty file, unless there is one. It is its owner's alone from its first byte on."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    # A power cut must not lose the file's name, just as it must not lose its content.
    sync(path.parent)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _prepare(db: sqlite3.Connection, path: Path, card: Card | None) -> None:
    # An empty database was left by a run that ended before its first commit. It counts as new.
    is_blank = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    if card is None or not is_blank:
        _check_format(db, path)
    db.create_function("seal", -1, seal, deterministic=True)
    db.create_function("crc32", 2, crc32, deterministic=True)
    _check_damage(db)
    if not is_blank:
        has_controls = format_of(db) >= WITH_CONTROLS
        _check_seals(db, *(table for table in _SEALED if table != "controls" or has_controls))
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        db.execute(f"PRAGMA {pragma}").close()
    if card is None:
        return
    if is_blank:
        marks = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT};"
        db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} {CONTROLS_TABLE} {marks}")
        write_facts(db, {CARD: encoded(card)})
        db.execute("COMMIT")
    check_card(facts_of(db, path), path, card)


def _check_damage(db: sqlite3.Connection) -> None:
    """Read the whole file once, 0.02 s for a million rows. A lost or foreign page must not make known rows look new."""
    found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(" ".join(found.split()))


def _check_seals(db: sqlite3.Connection, *tables: str) -> None:
    for table in tables:
        broken = db.execute(f"SELECT count(*) FROM {table} WHERE seal IS NOT {_SEALED[table]}").fetchone()[0]  # noqa: S608 - our names
        if broken:
            raise damage(table, broken)


def format_of(db: sqlite3.Connection) -> int:
    """Return the number of a checkpoint's format."""
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    return version


def _check_format(db: sqlite3.Connection, path: Path) -> None:
    application = db.execute("PRAGMA application_id").fetchone()[0]
    version = format_of(db)
    if application != APPLICATION_ID:
        raise OtherJobError(
            f"{path}: not a checkpoint of batcher, but another database", "Give another file with --checkpoint FILE."
        )
    if not format_1.VERSION <= version <= FORMAT:
        raise OtherJobError(
            f"{path}: this checkpoint has format {version}; this version of batcher reads formats"
            f" {format_1.VERSION} to {FORMAT}",
            "Use the version of batcher that last worked on this job, or a newer one.",
        )
