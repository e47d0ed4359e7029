"""The settled rows of a checkpoint. A PENDING or REFUSED row is settled too: it is certain that it was not started.

Rows are added in groups, see `groups`. A row that is sent again, or that is settled again, is in a later entry of its
segment, and no earlier entry is changed. The entries of a segment are merged when rows of many others were added since.
"""

from __future__ import annotations

import sqlite3
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby, islice
from typing import TypeAlias

from batcher.edges.checkpoint.groups import (
    ENTRY_BITS,
    SEGMENT_BITS,
    SENT_AGAIN,
    STARTED,
    Entry,
    Group,
    Kept,
    decoded,
    encoded,
    is_broken,
    keys_of,
    merged,
    packed_names,
    segment_of,
    standing,
)
from batcher.edges.checkpoint.schema import SUMMED, damage
from batcher.model import NUMBERS, STATUSES, Settlement, Status

Identity: TypeAlias = tuple[bytes, int, int]
"""What identifies a row besides its id: its content's key, the copy of that content, its number when admitted."""

FAILED = (Status.REJECTED, Status.INVALID)
"""The statuses that a user can dismiss."""
MOST_UNMERGED = 16
"""The number of segments that are merged later. Rows are settled in nearly the order of their ids."""
MOST_MERGED = 2
"""The number of segments that are merged at a time."""
FEW = 4
"""The number of entries that are not worth merging."""

_DISMISSED = NUMBERS[Status.DISMISSED]
_FAILED = frozenset(NUMBERS[status] for status in FAILED)
_SEGMENTS = """
SELECT id >> ? AS segment, count(*), coalesce(sum(seal), 0), max(id & ?) FROM settled GROUP BY segment ORDER BY segment
"""
_ENTRIES = "SELECT id, seal, rest, places, keys, names FROM settled"


class SettledRows:
    """The table `settled`. Every method that reads rows raises sqlite3.DatabaseError if an entry is damaged."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._is_compared = False
        self.sum = self._last_entry = 0
        """The sum of the entries, and what the id of the latest one ends with."""
        self._unmerged: dict[int, None] = {}
        """The segments with entries that may be merged, the longest untouched first."""
        self._segment: int | None = None
        self._latest: dict[int, Kept] = {}
        """The segment that was looked at last, and the last that was written about each of its rows, by their ids.

        Rows of a manifest are looked at in nearly the order of their ids, a few at a time if they arrive slowly.
        """
        for segment, count, seals, last in db.execute(_SEGMENTS, (ENTRY_BITS, (1 << ENTRY_BITS) - 1)):
            if segment is None:
                # The description of the table is damaged.
                raise damage("settled", count)
            self.sum += SUMMED * count + seals
            self._last_entry = max(self._last_entry, last)
            if count > FEW:
                self._unmerged[segment] = None

    def last_id(self) -> int:
        """Return the highest id, 0 if there are no rows."""
        last = self._db.execute("SELECT max(id) FROM settled").fetchone()[0]
        return 0 if last is None else max(chain.from_iterable(group.ids for group in self._groups(last >> ENTRY_BITS)))

    def add(self, settlements: Sequence[Settlement], rows: Sequence[Identity]) -> None:
        """Add rows with their current statuses, in the order of their ids."""
        if not settlements:
            return
        keys, copies, numbers = zip(*rows, strict=True)
        self._write(
            Group(
                [each.id for each in settlements],
                keys,
                copies,
                numbers,
                [NUMBERS[each.status] for each in settlements],
                [each.execution for each in settlements],
            )
        )

    def add_kept(self, rows: Sequence[Kept]) -> None:
        """Add rows as they are kept, in the order of their ids."""
        self._write(Group(*zip(*rows, strict=True)))

    def reopen(self, ids: Iterable[int]) -> Mapping[int, int]:
        """Note that rows are sent again. Return which copy of its content each row is, by its id."""
        copies: dict[int, int] = {}
        for segment, listed in groupby(sorted(ids), key=segment_of):
            known = self._latest_of(segment)
            rows = [known[id_] for id_ in listed]
            self.add_kept([(*row[:4], SENT_AGAIN, "") for row in rows])
            copies.update((row[0], row[2]) for row in rows)
        return copies

    def dismiss(self) -> int:
        """Dismiss every row with a status of FAILED. Return the number of rows."""
        count = 0
        unusual = self._db.execute("SELECT id FROM settled WHERE rest IS NOT NULL").fetchall()
        for segment in sorted({entry_id >> ENTRY_BITS for (entry_id,) in unusual}):
            failed = [(*row[:4], _DISMISSED, "") for row in self._standing(segment) if row[4] in _FAILED]
            if failed:
                self.add_kept(failed)
            count += len(failed)
        return count

    def settled(self, ids: Iterable[int]) -> set[int]:
        """Return those of the ids whose rows are settled."""
        found: set[int] = set()
        for segment, listed in groupby(sorted(ids), key=segment_of):
            found.update({row[0] for row in self._standing(segment)}.intersection(listed))
        return found

    def following(self, after: int, most: int) -> list[Kept]:
        """Return the first `most` rows with ids above `after`, in the order of their ids."""
        found: list[Kept] = []
        first = after + 1
        while len(found) < most and (segment := self._segment_from(first)) is not None:
            found += [row for row in self._standing(segment) if row[0] > after]
            first = (segment + 1) << SEGMENT_BITS
        return found[:most]

    def rows(self) -> Iterator[Kept]:
        """Yield every row, in the order of their ids."""
        return chain.from_iterable(self.blocks())

    def blocks(self) -> Iterator[list[Kept]]:
        """Yield every row, a segment at a time, in the order of their ids."""
        return (standing(map(decoded, entries)) for entries in self._segments())

    def seals(self) -> dict[int, list[tuple[int, int]]]:
        """Return what identifies the entries of each segment. Segments with the same have the same rows."""
        found: dict[int, list[tuple[int, int]]] = {}
        for id_, sealed in self._db.execute("SELECT id, seal FROM settled ORDER BY id"):
            found.setdefault(id_ >> ENTRY_BITS, []).append((id_, sealed))
        return found

    def of_segment(self, segment: int) -> list[Kept]:
        """Return the rows of a segment, in the order of their ids."""
        return self._standing(segment)

    def count(self) -> Counter[Status]:
        """Count the rows by status, in one pass."""
        counted: Counter[int] = Counter()
        for segment in self._segments():
            if len(segment) == 1 and segment[0][2] is None and not is_broken(segment[0]):
                counted[STARTED] += len(segment[0][3]) // 2
            else:
                counted.update([row[4] for row in standing(map(decoded, segment))])
        return Counter({STATUSES[number]: count for number, count in counted.items()})

    def has_any(self, keys: Collection[bytes]) -> bool:
        """Return whether a row has one of these keys, in one pass."""
        # A row that is not found counts as new, so every entry that could have it must match its seal.
        self.compare()
        wanted, heads = set(keys), set(_heads(b"".join(keys)))
        return any(
            not heads.isdisjoint(_heads(column)) and not wanted.isdisjoint(keys_of(column))
            for (column,) in self._db.execute("SELECT keys FROM settled")
        )

    def owned(self, names: Collection[str]) -> set[str]:
        """Return those of the names that executions of rows have, in one pass."""
        wanted, heads = set(names), set(_heads(b"".join([packed_names([name]) or b"" for name in names])))
        found: set[str] = set()
        for entry in self._db.execute(_ENTRIES):
            if is_broken(entry):
                raise damage("settled", 1)
            column = entry[-1]
            if isinstance(column, str) or (column and not heads.isdisjoint(_heads(column))):
                found |= wanted.intersection(decoded(entry).names)
        return found

    def compare(self) -> None:
        """Compare every entry with its seal, once; 0.03 s for a million rows. Raises sqlite3.DatabaseError."""
        if self._is_compared:
            return
        broken = sum(map(is_broken, self._db.execute(_ENTRIES)))
        if broken:
            raise damage("settled", broken)
        self._is_compared = True

    def _write(self, group: Group) -> None:
        """Write rows in the order of their ids, in an entry for each segment."""
        ids, begin = group.ids, 0
        while begin < len(ids):
            segment = segment_of(ids[begin])
            end = bisect_right(ids, segment, begin, key=segment_of)
            self._put(group.part(begin, end))
            self._unmerged.pop(segment, None)
            self._unmerged[segment] = None
            begin = end
        # A few at a time: earlier runs may have left many.
        too_many = max(0, len(self._unmerged) - MOST_UNMERGED)
        for longest in list(islice(self._unmerged, min(too_many, MOST_MERGED))):
            del self._unmerged[longest]
            self._merge(longest)

    def _put(self, group: Group) -> None:
        segment = segment_of(group.ids[0])
        if segment == self._segment:
            self._latest.update(zip(group.ids, zip(*group, strict=True), strict=True))
        self._last_entry += 1
        self._insert(encoded(segment << ENTRY_BITS | self._last_entry, group))

    def _insert(self, entry: Entry) -> None:
        self.sum += SUMMED + entry[1]
        self._db.execute("INSERT INTO settled VALUES (?, ?, ?, ?, ?, ?)", entry)

    def _merge(self, segment: int) -> None:
        """Replace the entries of a segment by one, of the rows that are settled still."""
        entries = list(self._entries(segment))
        if len(entries) <= FEW:
            return
        self._last_entry += 1
        entry = merged(segment << ENTRY_BITS | self._last_entry, entries)
        self._db.execute("DELETE FROM settled WHERE id >= ? AND id <= ?", (entries[0][0], entries[-1][0]))
        self.sum -= sum(SUMMED + entry[1] for entry in entries)
        if entry is not None:
            self._insert(entry)

    def _entries(self, segment: int) -> Iterable[Entry]:
        begin = segment << ENTRY_BITS
        return self._db.execute(
            f"{_ENTRIES} WHERE id >= ? AND id < ? ORDER BY id", (begin, begin + (1 << ENTRY_BITS))
        ).fetchall()

    def _groups(self, segment: int) -> Iterable[Group]:
        return map(decoded, self._entries(segment))

    def _latest_of(self, segment: int) -> dict[int, Kept]:
        if segment != self._segment:
            self._latest = {row[0]: row for group in self._groups(segment) for row in zip(*group, strict=True)}
            self._segment = segment
        return self._latest

    def _standing(self, segment: int) -> list[Kept]:
        return sorted(row for row in self._latest_of(segment).values() if row[4] != SENT_AGAIN)

    def _segment_from(self, first: int) -> int | None:
        """Return the first segment that has rows from that of the row `first` on, None if there is none."""
        query = "SELECT min(id) >> ? FROM settled WHERE id >= ?"
        found = self._db.execute(query, (ENTRY_BITS, segment_of(first) << ENTRY_BITS)).fetchone()
        segment: int | None = found[0]
        return segment

    def _segments(self) -> Iterator[list[Entry]]:
        """Yield the entries of each segment."""
        for _, listed in groupby(self._db.execute(f"{_ENTRIES} ORDER BY id"), key=_segment_of_entry):
            yield list(listed)


def _segment_of_entry(entry: Entry) -> int:
    return entry[0] >> ENTRY_BITS


def _heads(keys: bytes) -> array[int]:
    """Return the first half of each key, or of each name, as a number. Such numbers are found faster than bytes."""
    return array("Q", keys)[::2]
