"""A look into a checkpoint's file with SQLite alone: all its rows, wherever they are."""

import json
import sqlite3
from array import array
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from msgspec import msgpack

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
            ids, states, copies, numbers, keys, *_ = msgpack.decode(block)
            for at, id_ in enumerate(ids):
                key = keys[16 * at : 16 * at + 16]
                rows[id_] = Kept(id_, key, copies[at], STATUSES[states[at]], numbers[at], "")
        # The last entry of a row tells whether it is settled.
        settled = {}
        for entry in db.execute("SELECT id, rest, places, keys, names FROM settled ORDER BY id"):
            settled |= {kept.id: kept for kept in _entry(*entry)}
        rows |= {id_: kept for id_, kept in settled.items() if kept.status is not Status.SENDING}
        for id_, key, copy, number in db.execute("SELECT id, key, copy, number FROM doubts"):
            rows[id_] = Kept(id_, key, copy, Status.IN_DOUBT, number, "")
    return [rows[id_] for id_ in sorted(rows)]


def _entry(entry_id, rest, places, keys, names):
    """Give the rows of an entry that were settled together."""
    ids = [(entry_id >> 40 << 10) + place for place in array("H", places)]
    numbers, copies, states = json.loads(rest or "[null, null, null]")
    if isinstance(names, str):
        name = iter(json.loads(names))
    for at, id_ in enumerate(ids):
        status = STATUSES[states[at] if states else 2]
        if isinstance(names, bytes):
            named, names = (names[:16].hex(), names[16:]) if status is Status.STARTED else ("", names)
        else:
            named = next(name) if names else ""
        number, copy = numbers[at] if numbers else id_, copies[at] if copies else 1
        yield Kept(id_, keys[16 * at : 16 * at + 16], copy, status, number, named)
