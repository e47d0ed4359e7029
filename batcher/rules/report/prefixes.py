"""Figures by prefix of the objects: shows which part of a bucket is slow, or fails. Pure.

A prefix ends at a slash. If there are too many prefixes, all are cut off one slash earlier, so that memory is bounded
and nothing is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from batcher.rules.report.histogram import Histogram
from batcher.rules.text import printable

MOST = 1000
"""Maximum number of prefixes."""

DEEPEST = 8
"""Maximum number of slashes in a prefix, before any are cut off."""

WEIGHTY = 20
"""Minimum number of starts for a prefix to be compared."""

OTHERS = "(other buckets)"


class Prefix(NamedTuple):
    """A prefix, beginning with its bucket, and the latencies of its starts in milliseconds."""

    name: str
    starts: int
    p50: float
    p95: float


Held = TypeVar("Held")


class Folders(Generic[Held]):
    """Something for each of at most MOST prefixes. `merge` adds the second of two of them to the first."""

    def __init__(self, new: Callable[[], Held], merge: Callable[[Held, Held], None]) -> None:
        self.by_name: dict[str, Held] = {}
        self._depth = DEEPEST
        self._new = new
        self._merge = merge

    def of(self, bucket: str, object_: str) -> Held:
        """Return what there is for the prefix of an object, or something new."""
        name = _cut(f"{bucket}/{object_}", self._depth)
        while name not in self.by_name and len(self.by_name) >= MOST:
            if self._depth == 0:
                name = OTHERS
                break
            self._depth -= 1
            self._shorten()
            name = _cut(name, self._depth)
        held = self.by_name.get(name)
        if held is None:
            held = self.by_name[name] = self._new()
        return held

    def _shorten(self) -> None:
        former, self.by_name = self.by_name, {}
        for name, held in former.items():
            shorter = _cut(name, self._depth)
            if shorter not in self.by_name:
                self.by_name[shorter] = self._new()
            self._merge(self.by_name[shorter], held)


class Prefixes:
    """Latencies by prefix."""

    def __init__(self) -> None:
        self._latencies = Folders(Histogram, Histogram.merge)

    def add(self, bucket: str, object_: str, latency: float) -> None:
        """Add the latency of a start, in milliseconds."""
        self._latencies.of(bucket, object_).add(latency)

    def slowest(self, most: int) -> list[Prefix]:
        """Return up to `most` prefixes with the highest 95th percentiles.

        Prefixes with fewer than WEIGHTY starts are only compared if there are no others.
        """
        found = [
            Prefix(
                printable(name), latencies.total, latencies.percentile(0.5) or 0.0, latencies.percentile(0.95) or 0.0
            )
            for name, latencies in self._latencies.by_name.items()
        ]
        weighty = [prefix for prefix in found if prefix.starts >= WEIGHTY] or found
        return sorted(weighty, key=lambda prefix: (-prefix.p95, -prefix.p50, prefix.name))[:most]


def _cut(name: str, depth: int) -> str:
    """Cut a name off after its bucket and up to `depth` more parts. The text after the last slash is not a part."""
    parts = name.split("/", depth + 1)
    return "/".join(parts[:-1]) + "/"
