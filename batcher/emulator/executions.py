"""The executions: each runs for a time and ends well or not; listed, found and restored by name. Pure but for memory.

Listing follows https://support.huaweicloud.com/en-us/api-obs/obs_04_0128.html: in the order of type and name, which
is no order in time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice, takewhile
from typing import NamedTuple

from batcher.model import Json


class ExecutionType(StrEnum):
    """Who started an execution: a caller, or an event of a bucket. The service spells the second one so."""

    APICALL = "APICALL"
    TRIGGERCAL = "TRIGGERCAL"


class ExecutionState(StrEnum):
    """The states that the service's list and SDK know."""

    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"


@dataclass(slots=True)
class Execution:
    """One run of a workflow, RUNNING until `ends_at` and listed from `listed_at` on. Times are POSIX seconds."""

    name: str
    graph: str
    type: ExecutionType
    bucket: str
    object: str
    inputs: Json
    started_at: float
    ends_at: float
    listed_at: float
    fails: bool = False

    @property
    def marker(self) -> str:
        """Its place in the list."""
        return self.type + self.name

    def state(self, now: float) -> ExecutionState:
        """Give its state at a time."""
        if now < self.ends_at:
            return ExecutionState.RUNNING
        return ExecutionState.FAILED if self.fails else ExecutionState.SUCCESS

    def restore(self, ends_at: float) -> None:
        """Let it run on from the step that failed; it ends well this time."""
        self.ends_at = ends_at
        self.fails = False


class Listing(NamedTuple):
    """One page of the list; `next_marker` is empty on the last."""

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

    def add(self, execution: Execution) -> None:
        """Take an execution in. Sorting waits for the next listing: starts come by the thousand, lists do not."""
        self._by_name[execution.name] = execution
        self._by_marker[execution.marker] = execution
        self._order.append(execution.marker)
        self._unsorted = True

    def find(self, name: str) -> Execution | None:
        """Find an execution by its name."""
        return self._by_name.get(name)

    def page(self, now: float, limit: int, marker: str = "", type_: ExecutionType | None = None) -> Listing:
        """List at most `limit` executions after `marker`, of one type if asked, without those too new to be listed."""
        found = list(islice(self._listed(now, marker, type_), limit + 1))
        executions = found[:limit]
        return Listing(executions, executions[-1].marker if len(found) > limit else "")

    def _listed(self, now: float, marker: str, type_: ExecutionType | None) -> Iterable[Execution]:
        if self._unsorted:
            # The old part is in order already, and the sort makes use of it.
            self._order.sort()
            self._unsorted = False
        first = bisect_right(self._order, max(marker, type_ or ""))
        following = (self._by_marker[self._order[index]] for index in range(first, len(self._order)))
        alike = takewhile(lambda execution: type_ in {None, execution.type}, following)
        return (execution for execution in alike if execution.listed_at <= now)
