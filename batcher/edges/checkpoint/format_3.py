"""Formats 1 to 3 of a checkpoint: each row had an entry of its own, and intents were JSON.

A run converts them in one transaction. A reader converts them into temporary tables, which SQLite finds before the
file's tables of the same names, and leaves the file as it is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path

import orjson

from batcher.edges.checkpoint import format_1
from batcher.edges.checkpoint.facts import CONTENTS
from batcher.edges.checkpoint.schema import (
    CONTROLS_TABLE,
    FORMAT,
    INTENTS_TABLE,
    SETTLED_TABLE,
    WITH_CONTROLS,
    check_sum,
    damage,
    facts_of,
    format_of,
    seal,
    sum_of,
    write_facts,
)
from batcher.edges.checkpoint.settled_rows import SettledRows
from batcher.edges.checkpoint.unsettled_rows import encoded_intent
from batcher.model import STATUSES, Admitted, BadRow, Row

_TABLES = ("rows", "intents", "doubts")
_MANY = 4096
"""The number of rows to convert at a time."""
_BROKEN_ROWS = """
SELECT count(*) FROM rows WHERE seal IS NOT crc32(
    CAST(key || coalesce(execution, '') AS BLOB),
    id * 65537 + number * 257 + copy * 17 + state
        + 3 * (typeof(execution) = 'text') + 5 * (typeof(key) <> 'blob')
)
"""


def upgrade(db: sqlite3.Connection, path: Path) -> None:
    """Convert a checkpoint of an earlier format to the current one, in one transaction."""
    version = format_of(db)
    if version == FORMAT:
        return
    facts = facts_of(db, path)
    db.execute("BEGIN IMMEDIATE")
    if version == format_1.VERSION:
        db.execute("DELETE FROM header")
    if version < WITH_CONTROLS:
        db.execute(CONTROLS_TABLE)
    write_facts(db, {**facts, CONTENTS: str(_converted(db, facts, is_temporary=False))})
    db.execute("DROP TABLE rows")
    db.execute(f"PRAGMA user_version = {FORMAT}").close()
    db.execute("COMMIT")


def readable(db: sqlite3.Connection, facts: Mapping[str, str | int]) -> Mapping[str, str | int]:
    """Make a checkpoint of an earlier format readable as one of the current format. Return its facts."""
    if format_of(db) == FORMAT:
        return facts
    return {**facts, CONTENTS: str(_converted(db, facts, is_temporary=True))}


def _converted(db: sqlite3.Connection, facts: Mapping[str, str | int], *, is_temporary: bool) -> int:
    """Convert rows and intents, and return the sum of the tables. Raises sqlite3.DatabaseError if they are damaged."""
    check_sum(facts, sum(sum_of(db, table) for table in _TABLES))
    broken = db.execute(_BROKEN_ROWS).fetchone()[0]
    if broken:
        raise damage("rows", broken)
    former = db.execute("SELECT id, at, rows FROM intents").fetchall()
    intents = [(id_, at, encoded_intent(_admitted(listed))) for id_, at, listed in former]
    if not is_temporary:
        db.execute("DROP TABLE intents")
    for table in (SETTLED_TABLE, INTENTS_TABLE):
        db.execute(table.replace("CREATE TABLE", "CREATE TEMP TABLE") if is_temporary else table)
    db.executemany("INSERT INTO intents VALUES (?, ?, ?, ?)", [(*entry, seal(*entry)) for entry in intents])
    settled = SettledRows(db)
    rows = db.execute("SELECT id, key, copy, number, state, execution FROM rows ORDER BY id")
    while some := rows.fetchmany(_MANY):
        settled.add_kept([(*row, _name(execution)) for *row, execution in some])
    return settled.sum + sum_of(db, "intents") + sum_of(db, "doubts")


def _name(execution: bytes | str | None) -> str:
    """Return an execution's name. One of hexadecimal digits was stored as the bytes that they stand for."""
    return execution.hex() if isinstance(execution, bytes) else execution or ""


def _admitted(listed: str) -> list[Admitted]:
    """Read an intent. A bad row has one more item."""
    admitted = []
    for id_, state, copy, number, key, bucket, object_, rest, *bad in orjson.loads(listed):
        identity = bytes.fromhex(key)
        row: Row | BadRow = Row(number, 0, bucket, object_, rest.encode(), identity)
        if bad:
            row = BadRow(number, 0, bucket, object_, rest, identity)
        admitted.append(Admitted(id_, row, STATUSES[state], copy))
    return admitted
