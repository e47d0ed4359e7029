"""Many rows with few statements.

Each statement of sqlite3 lets go of Python's lock and has to wait for it again: with one for each row, the event loop
and the writer's thread would take it from each other at every row.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import chain
from typing import Any

MOST = 64
"""Rows of a statement. With their columns they stay below the 999 values that any SQLite takes."""


def insert(db: sqlite3.Connection, into: str, rows: Sequence[tuple[Any, ...]]) -> int:
    """Insert rows of one width. `into` is the statement's beginning, such as `INSERT INTO t`. Give how many it were.

    The sizes of the statements are powers of two, so that a few of them, prepared once, serve every number of rows.
    """
    inserted = begin = 0
    while begin < len(rows):
        size = min(MOST, 1 << ((len(rows) - begin).bit_length() - 1))
        part = rows[begin : begin + size]
        marks = f"({', '.join('?' * len(part[0]))})"
        inserted += db.execute(f"{into} VALUES {', '.join([marks] * size)}", list(chain.from_iterable(part))).rowcount
        begin += size
    return inserted
