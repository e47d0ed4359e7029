"""The latency of starts by prefix of their objects: shows which part of a bucket is slow. Pure.

A prefix ends at a slash. If there are too many prefixes, all are cut off one slash earlier, so that memory is bounded
and no start is left out.
"""

from __future__ import annotations

from typing import NamedTuple

from batcher.rules.report.histogram import Histogram

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


class Prefixes:
    """Latencies by prefix."""

    def __init__(self) -> None:
        self._depth = DEEPEST
        self._latencies: dict[str, Histogram] = {}

    def add(self, bucket: str, object_: str, latency: float) -> None:
        """Add the latency of a start, in milliseconds."""
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
        """Return up to `most` prefixes with the highest 95th percentiles.

        Prefixes with fewer than WEIGHTY starts are only compared if there are no others.
        """
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
    """Cut a name off after its bucket and up to `depth` more parts. The text after the last slash is not a part."""
    parts = name.split("/", depth + 1)
    return "/".join(parts[:-1]) + "/"
