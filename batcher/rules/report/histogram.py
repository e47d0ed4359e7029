"""A histogram of positive values with logarithmic buckets. Percentiles are accurate to 5 %. Pure.

See https://www.vldb.org/pvldb/vol12/p2195-masson.pdf. A few hundred buckets cover everything from a microsecond to a
day.
"""

from __future__ import annotations

import math
from collections import Counter

PER_DOUBLING = 8
"""Number of buckets between a value and twice that value. The middle of a bucket is at most 4.5 % off."""

LEAST = 0.001
"""Smaller values are counted as this value."""


class Histogram:
    """Counts of values."""

    __slots__ = ("_counts", "total")

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self.total = 0

    def add(self, value: float) -> None:
        """Count a value."""
        self._counts[math.floor(math.log2(max(LEAST, value)) * PER_DOUBLING)] += 1
        self.total += 1

    def merge(self, other: Histogram) -> None:
        """Add the counts of another histogram."""
        self._counts.update(other._counts)
        self.total += other.total

    def percentile(self, share: float) -> float | None:
        """Return the value below which this share of the values lies, None without values. `share` is from 0 to 1."""
        return self.percentiles(share)[0]

    def percentiles(self, *shares: float) -> list[float | None]:
        """Return the percentile of each of the shares, which ascend."""
        if not self.total:
            return [None] * len(shares)
        found: list[float | None] = []
        bucket, below, left = 0, 0, iter(sorted(self._counts.items()))
        for share in shares:
            while below < max(1, share * self.total):
                bucket, count = next(left)
                below += count
            found.append(float(2 ** ((bucket + 0.5) / PER_DOUBLING)))
        return found

    def copy(self) -> Histogram:
        """Return a histogram with the same counts."""
        other = Histogram()
        other.merge(self)
        return other
