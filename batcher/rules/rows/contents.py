"""What rows contain, by columns: their identities, and a quick hash to find rows that may have the same content. Pure.

The hash is Python's own, of 64 bits, which differs from process to process. It decides nothing: rows with the same hash
are compared by their identities.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat, starmap
from operator import xor
from typing import NamedTuple

from batcher.model import Row
from batcher.rules.rows.identity import content_key, content_keys
from batcher.rules.rows.plain_rows import PlainRows, is_single


class Contents(NamedTuple):
    """The columns of at least one row, and the lines on which the rows begin. No bucket and no object has a NUL."""

    lines: Sequence[int]
    buckets: Sequence[str]
    objects: Sequence[str]
    inputs: Sequence[bytes]

    def identities(self, places: Sequence[int]) -> Iterator[tuple[bytes, int]]:
        """Return the identities of the rows at these places, with the lines on which they begin."""
        if len(places) == len(self.lines):
            return zip(content_keys(self.buckets, self.objects, self.inputs), self.lines, strict=True)
        found = ((self.buckets[at], self.objects[at], self.inputs[at]) for at in places)
        return zip(starmap(content_key, found), map(self.lines.__getitem__, places), strict=True)


def contents_of(rows: PlainRows | Sequence[Row]) -> Contents:
    """Return what rows contain. There must be at least one."""
    if isinstance(rows, PlainRows):
        return Contents(rows.lines, rows.buckets, rows.objects, rows.inputs)
    return Contents(*zip(*((row.line, row.bucket, row.object, row.inputs) for row in rows), strict=True))


class ContentHashes:
    """Hashes the rows of one manifest."""

    def __init__(self) -> None:
        self._first: int | None = None
        """The hash of the bucket and the inputs of the first row. Most manifests have no others."""

    def __call__(self, rows: Contents) -> list[int]:
        """Return the hash of each row. It depends on nothing but its content and the manifest's first row."""
        buckets, inputs = rows.buckets, rows.inputs
        if self._first is None:
            self._first = hash((buckets[0], inputs[0]))
        first = self._first
        objects = map(hash, rows.objects)
        if not is_single(inputs):
            pairs = zip(buckets, inputs, strict=True)
            return list(map(xor, objects, (hash(pair) ^ first for pair in pairs)))
        if not is_single(buckets):
            others = {bucket: hash((bucket, inputs[0])) ^ first for bucket in set(buckets)}
            return list(map(xor, objects, map(others.__getitem__, buckets)))
        other = hash((buckets[0], inputs[0])) ^ first
        return list(map(xor, objects, repeat(other))) if other else list(objects)
