"""Consecutive rows of a manifest by columns: most rows are never needed as a value of their own. Pure.

A row is made, and its key computed, when it is looked at. What only counts rows reads the columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from operator import lt
from typing import TypeAlias, overload

from batcher.model import BadRow, Row
from batcher.rules.rows.identity import content_keys

Block: TypeAlias = Sequence[Row | BadRow]
"""Consecutive rows of a manifest."""
Name: TypeAlias = tuple[str, str]
"""The bucket and the object of a row."""


def is_single(column: Sequence[object]) -> bool:
    """Return whether all items of a column are equal. It must not be empty.

    For items that are the same object, this takes a tenth of the time that a set takes.
    """
    return column.count(column[0]) == len(column)


class PlainRows(Sequence[Row]):
    """Rows with consecutive numbers on consecutive lines. `number` and `line` are those of the first one.

    The columns have one item per row. Buckets and objects must be valid, and inputs canonical.
    """

    def __init__(
        self, number: int, line: int, buckets: Sequence[str], objects: Sequence[str], inputs: Sequence[bytes]
    ) -> None:
        self.number = number
        self.line = line
        self.buckets = buckets
        self.objects = objects
        self.inputs = inputs

    @property
    def lines(self) -> range:
        """The lines on which the rows begin."""
        return range(self.line, self.line + len(self))

    @cached_property
    def keys(self) -> Sequence[bytes]:
        """The identities of the rows."""
        return content_keys(self.buckets, self.objects, self.inputs)

    @cached_property
    def _rows(self) -> list[Row]:
        numbers = range(self.number, self.number + len(self))
        return list(map(Row, numbers, self.lines, self.buckets, self.objects, self.inputs, self.keys))

    def __len__(self) -> int:
        return len(self.objects)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    @overload
    def __getitem__(self, at: int) -> Row: ...
    @overload
    def __getitem__(self, at: slice) -> list[Row]: ...
    def __getitem__(self, at: int | slice) -> Row | list[Row]:
        return self._rows[at]

    def part(self, first: int, after_last: int) -> PlainRows:
        """Return the rows between two places."""
        if first == 0 and after_last >= len(self):
            return self
        buckets, objects = self.buckets[first:after_last], self.objects[first:after_last]
        return PlainRows(self.number + first, self.line + first, buckets, objects, self.inputs[first:after_last])


class Ascent:
    """Follows whether rows ascend by bucket and object, as lists of buckets do. Then no two have the same content."""

    def __init__(self, last: Name = ("", "")) -> None:
        self.last = last
        """The name of the last row."""
        self.rows = 0

    def goes_on(self, rows: Block) -> bool:
        """Return whether these rows ascend after the ones before. If so, they are counted."""
        if not rows:
            return True
        if isinstance(rows, PlainRows):
            buckets, objects = rows.buckets, rows.objects
        else:
            buckets, objects = [row.bucket for row in rows], [row.object for row in rows]
        if (buckets[0], objects[0]) <= self.last:
            return False
        if is_single(buckets):
            ascends = all(map(lt, objects, objects[1:]))
        else:
            names = list(zip(buckets, objects, strict=True))
            ascends = all(map(lt, names, names[1:]))
        if ascends:
            self.last = buckets[-1], objects[-1]
            self.rows += len(rows)
        return ascends
