"""Many rows with few statements.

Each statement of sqlite3 lets go of Python's lock and has to wait for it again: with one for each row, the event loop
and the writer's thread would take it from each other at every row.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import Any

Blob = bytearray
"""What many bytes go in as. For each `bytes` sqlite3 asks how to adapt it, which takes longer than binding it."""

MOST = 64
"""Rows of a statement. With their columns they stay below the 999 values that any SQLite takes."""


def insert(db: sqlite3.Connection, into: str, values: str, rows: Sequence[tuple[Any, ...]]) -> int:
    """Insert rows. Give how many it were.

    `into` is the statement's beginning, such as `INSERT INTO t`, and `values` what it says of each row, such as
    `(?, 1, ?)`. The sizes of the statements are powers of two, so that a few of them serve every number of rows.
    """
    inserted = begin = 0
    while begin < len(rows):
        size = min(MOST, 1 << ((len(rows) - begin).bit_length() - 1))
        parameters = list(chain.from_iterable(rows[begin : begin + size]))
        inserted += db.execute(_statement(into, values, size), parameters).rowcount
        begin += size
    return inserted


@cache
def _statement(into: str, values: str, size: int) -> str:
    return f"{into} VALUES {', '.join([values] * size)}"
