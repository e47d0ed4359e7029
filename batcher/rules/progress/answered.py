"""Counts of attempts: by what their answers prove, and by how long they took. Those of several processes are summed.

Pure. The metrics are derived from it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from math import inf
from typing import Any

from msgspec import Struct, field

from batcher.model import Answer, Json, Verdict
from batcher.rules.service.labels import label

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, inf)
"""The upper bounds of the classes of durations, in seconds. A bound belongs to its class."""


class Answered(Struct):
    """The attempts of a run."""

    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How many there were, by verdict and by the code of the answer. The codes are those of a bounded table."""
    buckets: list[int] = field(default_factory=lambda: [0] * len(BUCKETS))
    """How many took as long as each class of BUCKETS says."""
    seconds: float = 0.0
    """How long all of them took together."""

    def add(self, verdict: Verdict, answer: Answer, latency: float) -> None:
        """Count an attempt that took `latency` seconds."""
        self.kinds[verdict, label(answer)] += 1
        self.buckets[bisect_left(BUCKETS, latency)] += 1
        self.seconds += latency


def document(answered: Answered) -> dict[str, Json]:
    """Return the counts for another process."""
    kinds: list[Json] = [[*kind, count] for kind, count in answered.kinds.items()]
    return {"kinds": kinds, "buckets": [*answered.buckets], "seconds": answered.seconds}


def summed(documents: Iterable[Mapping[str, Any]]) -> Answered:
    """Return the counts of several processes as those of one."""
    found = Answered()
    for each in documents:
        for verdict, code, count in each["kinds"]:
            found.kinds[verdict, code] += count
        found.buckets = [ours + theirs for ours, theirs in zip(found.buckets, each["buckets"], strict=True)]
        found.seconds += each["seconds"]
    return found
