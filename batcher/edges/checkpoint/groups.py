"""The form of the table `settled`: one entry for rows that were settled together, with one seal.

The ids of an entry's rows share all but their last 10 bits: they belong to one segment. Entries of a segment are
neighbours in the file, in the order in which they were written, and the last one that has a row says how it stands.
Columns that are the same for all usual rows are left out. Per row this costs a third of an entry of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from struct import pack, unpack
from typing import NamedTuple, TypeAlias
from zlib import crc32

import orjson

from batcher.edges.checkpoint.schema import damage
from batcher.model import NUMBERS, Status

SEGMENT_BITS = 10
ENTRY_BITS = 40
KEY_BYTES = 16
STARTED = NUMBERS[Status.STARTED]
"""As usual, a row is started, the first with its content, and its id is its number in the manifest."""
SENT_AGAIN = NUMBERS[Status.SENDING]
"""The state of a row that was settled and is not any more."""

_NAME_DIGITS = 32


class Group(NamedTuple):
    """Rows of one segment that are settled together, column by column, in the order of their ids."""

    ids: Sequence[int]
    keys: Sequence[bytes]
    copies: Sequence[int]
    """1, or which repetition of the same content, of each row."""
    numbers: Sequence[int]
    """Of the rows in the manifest, when they were admitted."""
    states: Sequence[int]
    """See `model.NUMBERS`."""
    names: Sequence[str]
    """Of the executions, empty for none."""

    def part(self, begin: int, end: int) -> Group:
        """Return the rows from `begin` to before `end`."""
        ids, keys, copies, numbers, states, names = self
        part = slice(begin, end)
        return Group(ids[part], keys[part], copies[part], numbers[part], states[part], names[part])


Kept: TypeAlias = tuple[int, bytes, int, int, int, str]
"""A settled row: its id, key, copy, number, state and the name of its execution."""
Entry: TypeAlias = tuple[int, int, str | None, bytes, bytes, bytes | str | None]
"""An entry of the table."""


def segment_of(id_: int) -> int:
    """Return the segment of a row."""
    return id_ >> SEGMENT_BITS


def encoded(entry_id: int, group: Group) -> Entry:
    """Return the entry for a group of rows."""
    first = segment_of(group.ids[0]) << SEGMENT_BITS
    count = len(group.ids)
    places = pack(f"<{count}H", *[id_ - first for id_ in group.ids])
    keys = b"".join(group.keys)
    names, rest = _names(group), _rest(group)
    return entry_id, _seal(entry_id, rest, places, keys, names), rest, places, keys, names


def _rest(group: Group) -> str | None:
    count = len(group.ids)
    columns = [
        None if list(group.numbers) == list(group.ids) else group.numbers,
        None if group.copies.count(1) == count else group.copies,
        None if group.states.count(STARTED) == count else group.states,
    ]
    return None if columns == [None] * 3 else orjson.dumps(columns).decode()


def _names(group: Group) -> bytes | str | None:
    named = list(filter(None, group.names))
    if not named:
        return None
    started = group.names
    if group.states.count(STARTED) != len(started):
        started = [name for name, state in zip(started, group.states, strict=True) if state == STARTED]
    # Otherwise the names alone do not show whose they are.
    packed = packed_names(named) if len(named) == len(started) and named == list(started) else None
    return orjson.dumps(group.names).decode() if packed is None else packed


def packed_names(names: Sequence[str]) -> bytes | None:
    """Return names of 32 hexadecimal digits as 16 bytes each, None if one has another form."""
    if set(map(len, names)) != {_NAME_DIGITS}:
        return None
    digits = "".join(names)
    try:
        packed = bytes.fromhex(digits)
    except ValueError:
        return None
    is_exact = 2 * len(packed) == len(digits) and (digits.islower() or digits.isdecimal())
    return packed if is_exact else None


def decoded(entry: Entry) -> Group:
    """Return the rows of an entry. Raises sqlite3.DatabaseError if it does not match its seal."""
    if is_broken(entry):
        raise damage("settled", 1)
    entry_id, _, rest, places, keys, names = entry
    first = entry_id >> ENTRY_BITS << SEGMENT_BITS
    ids = [first + place for place in unpack(f"<{len(places) // 2}H", places)]
    count = len(ids)
    numbers, copies, states = (None, None, None) if rest is None else orjson.loads(rest)
    states = states or [STARTED] * count
    return Group(
        ids,
        keys_of(keys),
        copies or [1] * count,
        numbers or ids,
        states,
        _named(names, states),
    )


def keys_of(column: bytes) -> list[bytes]:
    """Return the keys in a column of keys."""
    return [column[at : at + KEY_BYTES] for at in range(0, len(column), KEY_BYTES)]


def _named(names: bytes | str | None, states: Sequence[int]) -> Sequence[str]:
    if names is None:
        return [""] * len(states)
    if isinstance(names, str):
        listed: list[str] = orjson.loads(names)
        return listed
    digits = names.hex()
    split = [digits[at : at + _NAME_DIGITS] for at in range(0, len(digits), _NAME_DIGITS)]
    if len(split) == len(states):
        return split
    each = iter(split)
    return [next(each) if state == STARTED else "" for state in states]


def is_broken(entry: Entry) -> bool:
    """Return whether an entry differs from what was written."""
    entry_id, seal, rest, places, keys, names = entry
    try:
        return seal != _seal(entry_id, rest, places, keys, names)
    except (TypeError, AttributeError):
        # A value of another type.
        return True


def _seal(entry_id: int, rest: str | None, places: bytes, keys: bytes, names: bytes | str | None) -> int:
    shape = f"settled {entry_id} {len(places)} {len(keys)} {rest is None} {type(names).__name__}".encode()
    listed = b"" if names is None else names.encode() if isinstance(names, str) else names
    return crc32(b"".join((places, keys, listed, b"" if rest is None else rest.encode())), crc32(shape))


def merged(entry_id: int, entries: Sequence[Entry]) -> Entry | None:
    """Return one entry for the rows of a segment that are settled, None if none is. They need not be in order."""
    if all(entry[2] is None and isinstance(entry[5], bytes) for entry in entries):
        broken = sum(map(is_broken, entries))
        if broken:
            raise damage("settled", broken)
        places, keys = b"".join([entry[3] for entry in entries]), b"".join([entry[4] for entry in entries])
        names = b"".join([entry[5] for entry in entries if isinstance(entry[5], bytes)])
        count = len(places) // 2
        if len(set(unpack(f"<{count}H", places))) == count:
            return entry_id, _seal(entry_id, None, places, keys, names), None, places, keys, names
    rows = standing(map(decoded, entries))
    return encoded(entry_id, Group(*zip(*rows, strict=True))) if rows else None


def standing(groups: Iterable[Group]) -> list[Kept]:
    """Return the settled rows of a segment in the order of their ids, from its groups in their order."""
    listed = list(groups)
    if len(listed) == 1:
        return sorted(zip(*listed[0], strict=True))
    latest: dict[int, Kept] = {}
    for group in listed:
        latest.update(zip(group.ids, zip(*group, strict=True), strict=True))
    return sorted(row for row in latest.values() if row[4] != SENT_AGAIN)
