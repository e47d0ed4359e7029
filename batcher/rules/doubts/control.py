"""The controls: starts of a job that were answered. See `evidence` for what a list must show of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from batcher.model import Execution, Row, Unsettled
from batcher.rules.doubts.times import EARLY, LATE
from batcher.rules.service.clock import posix
from batcher.rules.service.dialect import Window


class Control(NamedTuple):
    """A start of this job that was answered: its execution exists for certain. Times are POSIX seconds."""

    id: int
    """The id of its row in the checkpoint. Below 0, it is a start of `batcher doctor`, which is no row."""
    name: str
    urn: str
    at: float | None
    """When it started by its answer, None if the answer has no readable time."""
    intent_at: float
    """By the service's clock: it was not sent before."""
    answered_at: float | None
    """By the service's clock: it was not sent after. None if that is not known."""
    bucket: str
    object: str
    inputs: bytes

    @property
    def latest(self) -> float:
        """The latest time at which it can have started. The time in the answer is only compared, never relied on."""
        return self.intent_at + LATE if self.answered_at is None else self.answered_at

    @property
    def window(self) -> Window:
        """The times at which a list must show it. That of an adopted row is where the list has shown it before."""
        seen = self.at if self.answered_at is None and self.at is not None else self.latest
        return Window(min(self.intent_at, seen) - EARLY, max(self.latest, seen) + EARLY)


def control_of(row: Row, execution: Execution, intent_at: float, answered_at: float | None) -> Control:
    """Return a start that is no row of the job as a control. The checkpoint gives it an id."""
    at = posix(execution.started_at) if execution.at is None else execution.at
    return Control(0, execution.name, execution.urn, at, intent_at, answered_at, row.bucket, row.object, row.inputs)


def last_commit(noted: float, left: Iterable[Unsettled], controls: Iterable[Control]) -> int | None:
    """Return the latest time that a checkpoint has seen, in POSIX seconds by the service's clock, None if it has none.

    Its last commit was not before. `noted` is the time that it has stored, 0 if none; `left` are its unsettled rows.
    """
    times = [noted]
    for row in left:
        times += [row.intent_at, row.doubt_at or 0.0]
    times += [control.answered_at or control.intent_at for control in controls]
    latest = max(times)
    return int(latest) if latest > 0 else None
