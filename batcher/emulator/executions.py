"""Executions: each runs for a time and then succeeds or fails. They can be listed, found and restored by name.

The list follows https://support.huaweicloud.com/en-us/api-obs/obs_04_0128.html: it is sorted by type and name, not by
time. Pure, except that it keeps the executions.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import takewhile
from typing import NamedTuple

from batcher.model import Json


class ExecutionType(StrEnum):
    """What started an execution: a caller, or a bucket event. The spelling TRIGGERCAL is the service's own."""

    APICALL = "APICALL"
    TRIGGERCAL = "TRIGGERCAL"


class ExecutionState(StrEnum):
    """The states of executions. The service's list and SDK have the first three; the words of others are a guess."""

    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    TIMEOUT = "TIMEOUT"
    CANCELLED = "CANCELLED"
    ABANDONED = "ABANDONED"
    """A word that no document has."""


class Period(NamedTuple):
    """How an execution was until it was restored, which is shown from `until` on."""

    until: float
    ends_at: float
    end: ExecutionState


@dataclass(slots=True)
class Execution:
    """One execution of a workflow: RUNNING until `ends_at`, listed from `listed_at` on. Times are POSIX seconds."""

    name: str
    graph: str
    type: ExecutionType
    bucket: str
    object: str
    inputs: Json
    started_at: float
    ends_at: float
    listed_at: float
    end: ExecutionState = ExecutionState.SUCCESS
    """How it ends."""
    before: tuple[Period, ...] = ()
    """How it was before each time it was restored, the first one first."""

    @property
    def marker(self) -> str:
        """The execution's position in the list."""
        return self.type + self.name

    def state(self, now: float) -> ExecutionState:
        """Return the state at a time."""
        if now < self.ends_at:
            return ExecutionState.RUNNING
        return self.end

    def restore(self, ends_at: float, end: ExecutionState, shown_at: float) -> None:
        """Continue from the failed step until `ends_at`, and end in this way. It is shown from `shown_at` on."""
        self.before += (Period(shown_at, self.ends_at, self.end),)
        self.ends_at, self.end = ends_at, end

    def as_of(self, now: float) -> Execution:
        """Return the execution as it is shown at a time, which may be one before it was restored."""
        for number, period in enumerate(self.before):
            if now < period.until:
                return replace(self, ends_at=period.ends_at, end=period.end, before=self.before[:number])
        return self


class Listing(NamedTuple):
    """One page of the list. `next_marker` is empty on the last page."""

    executions: list[Execution]
    next_marker: str


class Executions:
    """All executions of one workflow."""

    def __init__(self) -> None:
        self._by_name: dict[str, Execution] = {}
        self._by_marker: dict[str, Execution] = {}
        self._order: list[str] = []
        self._unsorted = False

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[Execution]:
        return iter(self._by_marker.values())

    def add(self, execution: Execution) -> None:
        """Add an execution. Sorting waits for the next list request: there are far more starts than lists.

        The name of an execution belongs to the first that has it: another of that name is neither listed nor found.
        """
        if execution.name in self._by_name:
            return
        self._by_name[execution.name] = execution
        self._by_marker[execution.marker] = execution
        self._order.append(execution.marker)
        self._unsorted = True

    def find(self, name: str) -> Execution | None:
        """Find an execution by name, in either case: names are hexadecimal numbers in lower case."""
        return self._by_name.get(name.lower())

    def following(self, now: float, marker: str, type_: ExecutionType | None) -> Iterator[Execution]:
        """Yield the executions after `marker` in the order of the list, of one type or all, as far as listed yet."""
        self._sort()
        first = bisect_right(self._order, max(marker, type_ or ""))
        following = (self._by_marker[self._order[index]] for index in range(first, len(self._order)))
        alike = takewhile(lambda execution: type_ in {None, execution.type}, following)
        return (execution for execution in alike if execution.listed_at <= now)

    def next_to(self, execution: Execution) -> Execution:
        """Return the execution after this one in the list, and the first after the last."""
        self._sort()
        position = bisect_right(self._order, execution.marker)
        return self._by_marker[self._order[position % len(self._order)]]

    def _sort(self) -> None:
        if self._unsorted:
            # The old part is already sorted, which the sort algorithm exploits.
            self._order.sort()
            self._unsorted = False
