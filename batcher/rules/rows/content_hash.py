"""A quick 64-bit hash of what a row contains, to find rows that may have the same content. Pure within one process.

It is Python's own, which differs from process to process, so it must not be stored. It decides nothing: rows with the
same hash are compared by their identities.
"""

from __future__ import annotations

from collections.abc import Sequence

from batcher.model import Row
from batcher.rules.rows.plain_rows import PlainRows, is_single


class ContentHashes:
    """Hashes the rows of one manifest."""

    def __init__(self) -> None:
        self._first: int | None = None
        """The hash of the bucket and the inputs of the first row. Most manifests have no others."""

    def __call__(self, rows: PlainRows | Sequence[Row]) -> list[int]:
        """Return the hash of each row. It depends on nothing but its content and the manifest's first row."""
        if not rows:
            return []
        if isinstance(rows, PlainRows):
            return self._of_columns(rows.buckets, rows.objects, rows.inputs)
        return self._of_columns(*zip(*((row.bucket, row.object, row.inputs) for row in rows), strict=True))

    def _of_columns(self, buckets: Sequence[str], objects: Sequence[str], inputs: Sequence[bytes]) -> list[int]:
        around = hash((buckets[0], inputs[0]))
        if self._first is None:
            self._first = around
        first = self._first
        if is_single(buckets) and is_single(inputs):
            # All in C for the bucket and the inputs of the first row.
            own = map(hash, objects)
            return list(own) if around == first else [each ^ around ^ first for each in own]
        pairs = zip(buckets, inputs, strict=True)
        return [hash(object_) ^ hash(others) ^ first for object_, others in zip(objects, pairs, strict=True)]
