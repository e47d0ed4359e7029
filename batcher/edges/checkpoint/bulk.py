"""Insert many rows with few statements.

Each statement of sqlite3 releases Python's global lock and has to acquire it again. With one statement per row, the
event loop and the writer thread would pass the lock back and forth for every row.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import Any

Blob = bytearray
"""The type for binary values. For each `bytes` sqlite3 looks for an adapter, which takes longer than binding it."""

MOST = 64
"""Rows per statement. With their columns they stay below 999 values, the limit of the oldest SQLite versions."""


def insert(db: sqlite3.Connection, into: str, values: str, rows: Sequence[tuple[Any, ...]]) -> int:
    """Insert rows and return how many were inserted.

    `into` is the beginning of the statement, such as `INSERT INTO t`, and `values` the part for each row, such as
    `(?, 1, ?)`. Statements have sizes that are powers of two, so that a few statements serve any number of rows.
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
