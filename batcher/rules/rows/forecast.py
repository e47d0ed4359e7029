"""Forecasts what a run would do with the rows of a manifest, given the state of the checkpoint. Pure.

It uses the run's own decision, `admission`, for many rows at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from heapq import nsmallest
from typing import NamedTuple

from batcher.model import STATUSES, Found, Row, Status
from batcher.rules.rows.admission import Policy, admission

SHOWN = 20
"""The number of repeated rows to list: the first ones in the manifest."""


class Known(NamedTuple):
    """The statuses of a checkpoint's rows, as NUMBERS: first copies by key, further copies by key and copy."""

    first: Mapping[bytes, int]
    further: Mapping[tuple[bytes, int], int]


_ANY_ROW = Row(0, 0, "", "", b"", b"")


class Repeat(NamedTuple):
    """A row with the same content as an earlier one. Both are given by the line they begin on."""

    line: int
    first_line: int


class Forecast:
    """Counts the rows of a manifest by the status in which a run would leave them. PENDING: it would start them."""

    def __init__(self, policy: Policy) -> None:
        self.counts: Counter[Status] = Counter()
        self.repeated = 0
        """Rows with the same content as an earlier one."""
        self.repeats: list[Repeat] = []
        """The first `SHOWN` of them."""
        known: list[tuple[int | None, Status | None]] = [(None, None), *STATUSES.items()]
        self._ends = {(number, copy): _end(status, copy, policy) for number, status in known for copy in (1, 2)}

    def add_new(self, rows: int) -> None:
        """Add this number of rows, of which each has a content of its own, and the checkpoint knows none."""
        self.counts[self._ends[None, 1]] += rows

    def add(self, keys: Sequence[bytes], lines: Sequence[int], known: Known) -> None:
        """Add all rows with these contents, in manifest order: their keys, and the lines they begin on."""
        different = set(keys)
        first = Counter(map(known.first.get, different)) if known.first else {None: len(different)}
        for number, count in first.items():
            self.counts[self._ends[number, 1]] += count
        if len(different) < len(keys):
            self._add_repeats(keys, lines, known)

    def _add_repeats(self, keys: Sequence[bytes], lines: Sequence[int], known: Known) -> None:
        counts = Counter(keys)
        self.repeated += len(keys) - len(counts)
        self.repeats = nsmallest(SHOWN, [*self.repeats, *_repeats(keys, lines)])
        for key, count in counts.items():
            for copy in range(2, count + 1):
                self.counts[self._ends[known.further.get((key, copy)), 2]] += 1


def _end(status: Status | None, copy: int, policy: Policy) -> Status:
    """Return how a run would leave a row, as far as is known. `copy` 2 stands for every further copy."""
    admitted = admission(Found(0, _ANY_ROW, status, copy), policy)
    if admitted is not None:
        return Status.PENDING if admitted.status is Status.SENDING else admitted.status
    # A row that is on the wire now is in doubt if its run stops.
    return Status.IN_DOUBT if status is Status.SENDING or status is None else status


def _repeats(keys: Sequence[bytes], lines: Sequence[int]) -> Iterator[Repeat]:
    firsts: dict[bytes, int] = {}
    for key, line in zip(keys, lines, strict=True):
        if key in firsts:
            yield Repeat(line, firsts[key])
        else:
            firsts[key] = line
