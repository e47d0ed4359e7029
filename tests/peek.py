"""A look into a checkpoint's file with SQLite alone: all its rows, wherever they are."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from batcher.model import STATUSES, Status


class Kept(NamedTuple):
    """What a checkpoint's file says of one row."""

    id: int
    key: bytes
    copy: int
    status: Status
    number: int
    execution: str


def kept_rows(path: Path) -> list[Kept]:
    """Give the rows in the order of their admission; none where there is no checkpoint yet."""
    if not path.exists() or path.stat().st_size == 0:
        return []
    with closing(sqlite3.connect(path)) as db:
        if not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return []
        rows: dict[int, Kept] = {}
        # Newer blocks tell the truth about a row that was admitted more than once.
        for (block,) in db.execute("SELECT rows FROM intents ORDER BY id"):
            for id_, state, copy, number, key, *_ in json.loads(block):
                rows[id_] = Kept(id_, bytes.fromhex(key), copy, STATUSES[state], number, "")
        for id_, key, copy, number in db.execute("SELECT id, key, copy, number FROM doubts"):
            rows[id_] = Kept(id_, key, copy, Status.IN_DOUBT, number, "")
        for id_, key, copy, state, number, name in db.execute(
            "SELECT id, key, copy, state, number, execution FROM rows"
        ):
            rows[id_] = Kept(
                id_, key, copy, STATUSES[state], number, name.hex() if isinstance(name, bytes) else name or ""
            )
    return [rows[id_] for id_ in sorted(rows)]
