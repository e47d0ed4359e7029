"""The absence of executions from the list: which of them are unknown, after two looks that prove it. Pure.

A list proves nothing unless it was read completely, is up to date, and shows the controls.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from batcher.model import Execution
from batcher.rules.doubts.control import Control
from batcher.rules.doubts.evidence import Evidence
from batcher.rules.ends.followed import Known

MOST = 1000
"""The most executions whose absence is followed at a time. It bounds the memory."""


@dataclass(slots=True)
class Absence:
    """Follows which executions the list does not show. `settle_time` is in seconds."""

    settle_time: float
    since: dict[int, float] = field(default_factory=dict)
    """When the first look began that proves the absence of an execution, by its id: POSIX seconds."""
    absent: Sequence[Known] = ()
    """The executions that the last complete look does not show, up to MOST."""
    fault: str = ""
    """Why the last complete look proves nothing about some of these, empty if it proves the absence of all."""

    def shown(self, ids: Iterable[int]) -> None:
        """Take note of executions that the list shows."""
        if self.since:
            for id_ in ids:
                self.since.pop(id_, None)

    def looked(
        self,
        absent: Sequence[Known],
        controls: Sequence[Control],
        listed: Mapping[str, Execution],
        begun: float,
        before: float,
    ) -> list[Known]:
        """Judge a complete look that began at `begun` or later and before `before`. Return what is unknown from now on.

        `listed` are the controls that it shows, by name. An execution whose start is younger than the settle time may
        be missing, and so may one whose start has no known time.
        """
        evidence = Evidence(controls, listed, before, self.settle_time)
        ripe = [each for each in absent if 0 < each.at <= begun - self.settle_time]
        unknown = []
        self.absent, self.fault = ripe, ""
        for each in ripe:
            proof = evidence.without(each.name, each.at)
            if proof.fault:
                self.fault = proof.fault
                continue
            first = self.since.setdefault(each.id, begun)
            if begun >= first + self.settle_time and begun > first:
                unknown.append(each)
                del self.since[each.id]
        return unknown
