"""The forecast: what a run would do with the rows of a manifest, by what the checkpoint knows of them. Pure.

The decision is the run's own, `admission`; here it is made for many rows at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from heapq import nsmallest
from typing import NamedTuple

from batcher.model import STATUSES, Found, Row, Status
from batcher.rules.rows.admission import Policy, admission

SHOWN = 20
"""So many repeated rows are named, those that come first in the manifest."""


class Known(NamedTuple):
    """How a checkpoint's rows stand, as numbers of NUMBERS: first copies by key, others by copy too."""

    first: Mapping[bytes, int]
    further: Mapping[tuple[bytes, int], int]


_ANY_ROW = Row(0, 0, "", "", b"", b"")


class Repeat(NamedTuple):
    """A row of the same content as an earlier one, by the lines that both begin on."""

    line: int
    first_line: int


class Forecast:
    """Counts rows of a manifest by how a run would leave or find them; PENDING ones it would start."""

    def __init__(self, policy: Policy) -> None:
        self.counts: Counter[Status] = Counter()
        self.repeated = 0
        """Rows of the same content as an earlier one."""
        self.repeats: list[Repeat] = []
        """The first of them."""
        known: list[tuple[int | None, Status | None]] = [(None, None), *STATUSES.items()]
        self._ends = {(number, copy): _end(status, copy, policy) for number, status in known for copy in (1, 2)}

    def add(self, keys: Sequence[bytes], lines: Sequence[int], known: Known) -> None:
        """Add all rows of some contents, in the manifest's order: their keys, and the lines that they begin on."""
        counts = Counter(keys)
        again = len(keys) - len(counts)
        if again:
            self.repeated += again
            self.repeats = nsmallest(SHOWN, [*self.repeats, *_repeats(keys, lines)])
        first = Counter(map(known.first.get, counts))
        for number, count in first.items():
            self.counts[self._ends[number, 1]] += count
        for key, count in counts.items() if again else ():
            for copy in range(2, count + 1):
                self.counts[self._ends[known.further.get((key, copy)), 2]] += 1


def _end(status: Status | None, copy: int, policy: Policy) -> Status:
    """Say how a run leaves a row as far as it can be foreseen, for the first copy or any other one."""
    admitted = admission(Found(0, _ANY_ROW, status, copy), policy)
    if admitted is not None:
        return Status.PENDING if admitted.status is Status.SENDING else admitted.status
    # What is being sent now is in doubt if its run ends.
    return Status.IN_DOUBT if status is Status.SENDING or status is None else status


def _repeats(keys: Sequence[bytes], lines: Sequence[int]) -> Iterator[Repeat]:
    firsts: dict[bytes, int] = {}
    for key, line in zip(keys, lines, strict=True):
        if key in firsts:
            yield Repeat(line, firsts[key])
        else:
            firsts[key] = line
