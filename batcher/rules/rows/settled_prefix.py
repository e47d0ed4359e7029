"""The settled prefix: how far into a manifest all rows have ended, so that the next run can begin after them. Pure.

Rule: the next run may skip only what it would skip after reading. A prefix therefore ends before the first row that a
later run may send, that is in doubt, or whose place in the checkpoint differs from its place in the manifest.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple

import orjson

from batcher.model import NUMBERS, STATUSES, Mark, Settlement, Status
from batcher.rules.rows.plain_rows import Name

ENDED = frozenset({Status.STARTED, Status.REJECTED, Status.INVALID, Status.DUPLICATE, Status.DISMISSED})
"""The statuses of rows in a prefix. The next run sends PENDING and REFUSED rows; all others may still be settled."""
MOST_STRETCHES = 1000
"""The maximum number of stretches that wait for their rows. Further rows are added to the last stretch."""

_ID = attrgetter("id")
"""Returns the id of a settlement."""


class Prefix(NamedTuple):
    """All rows before `mark` have ended, with these `counts`. `reading` identifies the rules for reading them."""

    mark: Mark
    counts: Mapping[Status, int]
    reading: str
    ascended: Name | None = None
    """The name of its last row if all of its rows ascend by their names. None if they do not, or if it is not known."""


def encoded(prefix: Prefix) -> str:
    """Write a prefix as JSON."""
    mark, counts, reading, _ = prefix
    # Without shards, as earlier versions read it.
    place = mark if mark.elsewhere else mark[:-1]
    return orjson.dumps([*place, {str(NUMBERS[status]): count for status, count in counts.items()}, reading]).decode()


def decoded(text: str) -> Prefix:
    """Parse what `encoded` wrote."""
    *mark, counts, reading = orjson.loads(text)
    return Prefix(Mark(*mark), {STATUSES[int(number)]: count for number, count in counts.items()}, reading)


def encoded_ascent(prefix: Prefix) -> str:
    """Write the last name of a prefix that ascends, as JSON: a fact of its own, as earlier versions know none."""
    return orjson.dumps([*_origin(prefix), prefix.ascended]).decode()


def with_ascent(prefix: Prefix, text: str) -> Prefix:
    """Return the prefix with the name that `encoded_ascent` wrote, if it wrote that for the same rows.

    The same bytes, read by the same rules, make the same rows. So the name is that of its last row if these two agree,
    also if the prefix was written later than the name, by a version that knows no names.
    """
    *origin, name = orjson.loads(text)
    return prefix._replace(ascended=tuple(name)) if origin == _origin(prefix) else prefix


def _origin(prefix: Prefix) -> list[str | int]:
    """Return what decides which rows a prefix has."""
    return [*prefix.mark, prefix.reading]


def dismissed(prefix: Prefix) -> Prefix:
    """Return the prefix after all rejected and invalid rows of the checkpoint were dismissed."""
    counts = Counter(prefix.counts)
    failed = counts.pop(Status.REJECTED, 0) + counts.pop(Status.INVALID, 0)
    return prefix._replace(counts=counts + Counter({Status.DISMISSED: failed}))


def is_passable(prefix: Prefix, reading: str, left_alone: AbstractSet[Status]) -> bool:
    """Return whether a run that reads by the rules `reading` would skip every row of the prefix."""
    return prefix.reading == reading and left_alone >= prefix.counts.keys()


@dataclass(slots=True)
class _Stretch:
    """Rows after place `after`, up to `last`: how many have not ended, and the statuses of those that have."""

    after: int
    last: int
    mark: Mark | None = None
    """The place after the stretch; None while it grows."""
    ascended: Name | None = None
    """The name of its last row, if all rows up to it ascend."""
    waiting: int = 0
    counts: Counter[Status] = field(default_factory=Counter)


class Frontier:
    """Follows one reading of a manifest from a prefix on, and extends the prefix as rows end."""

    def __init__(self, prefix: Prefix) -> None:
        self.prefix = prefix
        self._stretches: deque[_Stretch] = deque()
        self._is_in_order = True

    def sifted(
        self, last: int, waiting: int, passed: Mapping[Status, int], *, is_in_order: bool, ascended: Name | None = None
    ) -> None:
        """Add a block of rows in manifest order: the place of its last row, and the statuses of its rows.

        `waiting` rows are undecided. `is_in_order` says whether each row's id equals its place among the job's rows;
        after the first row for which it does not, the prefix cannot grow any more. `ascended` is the name of the last
        row if all rows up to it ascend.
        """
        self._is_in_order = self._is_in_order and is_in_order
        if not self._is_in_order:
            return
        if not self._stretches or (self._stretches[-1].mark is not None and len(self._stretches) < MOST_STRETCHES):
            after = self._stretches[-1].last if self._stretches else self.prefix.mark.rows
            self._stretches.append(_Stretch(after, last))
        stretch = self._stretches[-1]
        stretch.last, stretch.mark, stretch.ascended = last, None, ascended
        stretch.waiting += waiting
        for status, count in passed.items():
            if status in ENDED:
                stretch.counts[status] += count
            else:
                stretch.waiting += count

    def reached(self, mark: Mark) -> None:
        """Add a mark after the last row that was sifted."""
        if self._is_in_order and self._stretches and self._stretches[-1].last == mark.rows:
            self._stretches[-1].mark = mark

    def settled(self, settlements: Iterable[Settlement]) -> bool:
        """Add settled rows. Return whether the prefix has grown."""
        ended = sorted([each for each in settlements if each.status in ENDED], key=_ID)
        begin = 0
        while begin < len(ended):
            stretch = self._stretch_of(ended[begin].id)
            if stretch is None:
                begin += 1
                continue
            end = bisect_right(ended, stretch.last, begin, key=_ID)
            stretch.waiting -= end - begin
            stretch.counts.update([each.status for each in ended[begin:end]])
            begin = end
        return self._move_on()

    def _stretch_of(self, id_: int) -> _Stretch | None:
        """Return the stretch of a row. Rows outside all stretches are not sifted yet, or are out of order."""
        at = bisect_left(self._stretches, id_, key=attrgetter("last"))
        return self._stretches[at] if at < len(self._stretches) and id_ > self.prefix.mark.rows else None

    def _move_on(self) -> bool:
        has_moved = False
        while self._stretches and (mark := self._stretches[0].mark) is not None and not self._stretches[0].waiting:
            ended = self._stretches.popleft()
            counts = Counter(self.prefix.counts) + ended.counts
            self.prefix = Prefix(mark, counts, self.prefix.reading, ended.ascended)
            has_moved = True
        return has_moved
