"""The prefixes of a job's objects and how fast their starts were answered: which part of a bucket is slow. Pure.

A prefix ends at a slash. When there are too many of them all are cut off one slash earlier, so that memory stays small
and the sums stay whole.
"""

from __future__ import annotations

from typing import NamedTuple

from batcher.rules.report.histogram import Histogram

MOST = 1000
"""The most prefixes that are kept apart."""

DEEPEST = 8
"""Slashes that a prefix has at most, at the beginning."""

WEIGHTY = 20
"""Starts that make a prefix comparable."""

OTHERS = "(other buckets)"


class Prefix(NamedTuple):
    """A prefix, with its bucket before it, and the latencies of its starts in milliseconds."""

    name: str
    starts: int
    p50: float
    p95: float


class Prefixes:
    """Latencies by prefix."""

    def __init__(self) -> None:
        self._depth = DEEPEST
        self._latencies: dict[str, Histogram] = {}

    def add(self, bucket: str, object_: str, latency: float) -> None:
        """Count the latency of a start, in milliseconds."""
        name = _cut(f"{bucket}/{object_}", self._depth)
        while name not in self._latencies and len(self._latencies) >= MOST:
            if self._depth == 0:
                name = OTHERS
                break
            self._depth -= 1
            self._merge()
            name = _cut(name, self._depth)
        self._latencies.setdefault(name, Histogram()).add(latency)

    def slowest(self, most: int) -> list[Prefix]:
        """Give the prefixes with the slowest slow starts, at most so many; of the weighty ones, if there are some."""
        found = [
            Prefix(name, latencies.total, latencies.percentile(0.5) or 0.0, latencies.percentile(0.95) or 0.0)
            for name, latencies in self._latencies.items()
        ]
        weighty = [prefix for prefix in found if prefix.starts >= WEIGHTY] or found
        return sorted(weighty, key=lambda prefix: (-prefix.p95, -prefix.p50, prefix.name))[:most]

    def _merge(self) -> None:
        latencies, self._latencies = self._latencies, {}
        for name, histogram in latencies.items():
            self._latencies.setdefault(_cut(name, self._depth), Histogram()).merge(histogram)


def _cut(name: str, depth: int) -> str:
    """Cut a name off after its bucket and at most `depth` more parts; what follows the last slash is no part."""
    parts = name.split("/", depth + 1)
    return "/".join(parts[:-1]) + "/"
