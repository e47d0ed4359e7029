"""Finds out which rows of the manifest are in the checkpoint, and which are new.

Both are read in order and their keys compared. At the first difference the sieve switches to the scratch index, which
finds rows in any order. As long as the rows ascend by their names, none repeats another: the rows that follow all
that the checkpoint knows are then new without a look at them, and enter the index at the first that does not ascend.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Collection, Sequence
from itertools import chain
from typing import NamedTuple

from batcher.edges.checkpoint.groups import Kept
from batcher.edges.checkpoint.index import Known, ScratchIndex
from batcher.edges.checkpoint.settled_rows import SettledRows
from batcher.edges.checkpoint.unsettled_rows import UnsettledRows
from batcher.model import NUMBERS, STATUSES, BadRow, Found, Row, Status
from batcher.rules.rows.plain_rows import Ascent, Name, PlainRows

MOST_APPENDED = 4
"""The number of blocks after the known rows that are looked up without the index, each by a pass over the checkpoint.

Such a pass takes a fraction of the time to load the index, so the first new rows of a long job are sent earlier.
"""


class Sifted(NamedTuple):
    """A sifted block of the manifest: the rows that need a decision, and the count of all others by status."""

    found: list[Found]
    passed: Counter[Status]
    in_order: bool
    """Whether the id of each of these rows is its place in this reading. True as long as a manifest only grows."""
    last: int
    """The place of the last row."""
    ascended: Name | None
    """The name of the last row if all rows so far ascend."""


class Sieve:
    """One reading of a manifest against the rows of a checkpoint. Rows must come in manifest order.

    `highest` is the highest id that was ever admitted, as it is stored apart from the rows; 0 if it is not.
    """

    def __init__(self, db: sqlite3.Connection, settled: SettledRows, unsettled: UnsettledRows, highest: int) -> None:
        self._settled = settled
        self._unsettled = unsettled
        self._index = ScratchIndex(db)
        self._last_known = max(settled.last_id(), unsettled.last_id())
        self._highest = highest
        self._last_id = self._last_known
        self._cursor = 0
        """The rows up to this id were read from the manifest, in the checkpoint's order."""
        self._place = 0
        """The number of rows that were read from the manifest, or that the reading has begun after."""
        self._is_in_step = True
        self._is_loaded = self._last_known == 0
        """Whether the index has the rows that were in the checkpoint when it was opened."""
        self._appended = 0
        """The number of blocks that were looked up without loading the index."""
        self._ascent: Ascent | None = Ascent()
        """Follows whether the rows ascend. As long as they do, none has the content of another.

        None from the first row on that does not, or whose id is not its place in this reading. Also None if a row is
        new while the checkpoint knows rows that were not read: the rows that were read are then not all it knows.
        """

    def enter(self, rows: int, ascended: Name | None) -> None:
        """Begin after the manifest's first rows, which are known to be those with the ids 1 to `rows`.

        `ascended` is the name of the last of them if all of them ascend.
        """
        if rows:
            self._cursor = self._place = rows
            self._ascent = None if ascended is None else Ascent(ascended)

    def sift(self, rows: Sequence[Row | BadRow], leave: Collection[Status]) -> Sifted:
        """Look up a block of rows. Rows with a status in `leave` are only counted."""
        place = self._place + 1
        self._place += len(rows)
        left = {NUMBERS[status] for status in leave}
        stored = self._compared(rows) if self._is_in_step else []
        numbers = Counter(number for _, _, _, number in stored)
        passed = Counter({STATUSES[number]: count for number, count in numbers.items() if number in left})
        found = [
            Found(id_, row, STATUSES[number], copy)
            for row, (id_, _, copy, number) in zip(rows, stored, strict=False)
            if number not in left
        ]
        in_order = not stored or (stored[0][0] == place and stored[-1][0] == place + len(stored) - 1)
        if self._is_in_step:
            self._follow(rows, len(stored), is_in_order=in_order)
        if len(stored) < len(rows):
            following = rows[len(stored) :] if stored else rows
            for at, known in enumerate(self._looked_up(following), place + len(stored)):
                in_order = in_order and known.id == at
                if known.status is not None and known.status in leave:
                    passed[known.status] += 1
                else:
                    found.append(known)
        ascended = None if self._ascent is None else self._ascent.last
        return Sifted(found, passed, in_order, self._place, ascended)

    def _follow(self, rows: Sequence[Row | BadRow], known: int, *, is_in_order: bool) -> None:
        """Go on with the ascent over the first rows of a block, which are `known`. The next one, if any, is not."""
        self._is_in_step = known == len(rows)
        if self._ascent is not None:
            first = rows.part(0, known) if isinstance(rows, PlainRows) else rows[:known]
            goes_on = is_in_order and _can_start(first) and self._ascent.goes_on(first)
            if not goes_on or not (self._is_in_step or self._has_read_all):
                self._ascent = None

    @property
    def _has_read_all(self) -> bool:
        """Whether all rows that the checkpoint knows were read.

        A damaged entry could hide the last ones. What is stored apart from the rows shows that none is missing.
        """
        return self._cursor == self._last_known == self._highest

    def _compared(self, rows: Sequence[Row | BadRow]) -> list[Known]:
        """Compare with the checkpoint in order, up to the first difference. Return the rows that agree."""
        stored = self._following(len(rows))
        if [key for _, key, _, _ in stored] != [row.key for row in rows[: len(stored)]]:
            del stored[next(at for at, (_, key, _, _) in enumerate(stored) if key != rows[at].key) :]
        if stored:
            self._cursor = stored[-1][0]
        return stored

    def _following(self, most: int) -> list[Known]:
        """Read the checkpoint's next rows in the order of admission, from all its tables."""
        settled = self._settled.following(self._cursor, most)
        stored = _known(settled)
        others = self._unsettled.following(self._cursor, most)
        return sorted([*stored, *others])[:most] if others else stored

    def _looked_up(self, rows: Sequence[Row | BadRow]) -> list[Found]:
        """Find rows by their content. New rows get the next ids, in order."""
        first = self._last_id + 1
        self._last_id += len(rows)
        if self._are_new(rows, first):
            return [Found(id_, row, None, 1) for id_, row in enumerate(rows, first)]
        return [self._look_up(row, id_) for id_, row in enumerate(rows, first)]

    def _are_new(self, rows: Sequence[Row | BadRow], first: int) -> bool:
        """Make sure that each content has an entry. Return whether all of them are new, also to the checkpoint."""
        if self._ascent is not None:
            if _can_start(rows) and self._ascent.goes_on(rows):
                self._index.note([row.key for row in rows], first)
                return True
            self._ascent = None
            self._index.load_noted(first - 1)
        if not self._is_loaded:
            if self._appended < MOST_APPENDED:
                self._appended += 1
                if self._put(rows, first) and not self._meet_known(rows):
                    return True
                self._index.forget(first)
            self._load()
        return self._put(rows, first)

    def _put(self, rows: Sequence[Row | BadRow], first: int) -> bool:
        return self._index.put_first([row.key for row in rows], first) == len(rows)

    def _meet_known(self, rows: Sequence[Row | BadRow]) -> bool:
        keys = {row.key for row in rows}
        others = (key for id_, key, *_ in self._unsettled.following(0) if id_ <= self._last_known)
        return not keys.isdisjoint(others) or self._settled.has_any(keys)

    def _load(self) -> None:
        self._is_loaded = True
        settled = (_known(rows) for rows in self._settled.blocks())
        self._index.load(chain(settled, [self._unsettled.following(0)]), self._cursor)

    def _look_up(self, row: Row | BadRow, id_: int) -> Found:
        """Find a row whose content is in the index. If the content is new, its entry belongs to this row."""
        first = self._index.find(row.key, 1)
        assert first is not None  # noqa: S101 - `_put` has added it
        if first.id == id_:
            return Found(id_, row, None, 1)
        copy = first.seen + 1
        self._index.mark(row.key, copy)
        this = first if copy == 1 else self._index.find(row.key, copy)
        if this is None:
            self._index.put(row.key, copy, id_)
            return Found(id_, row, None, copy)
        return Found(this.id, row, STATUSES[this.state], copy)


def _can_start(rows: Sequence[Row | BadRow]) -> bool:
    """Return whether no row is a bad one: those have keys of another kind."""
    return isinstance(rows, PlainRows) or all(isinstance(row, Row) for row in rows)


def _known(rows: Sequence[Kept]) -> list[Known]:
    return [(id_, key, copy, state) for id_, key, copy, _, state, _ in rows]
