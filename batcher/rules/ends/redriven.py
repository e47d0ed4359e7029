"""Redriven executions: which may be restored, what is stored about it, and what an execution's state proves. Pure.

Times are POSIX seconds by the service's clock. A restored execution keeps its name, by the sample in
https://support.huaweicloud.com/en-us/api-obs/obs_04_0130.html, and the time of its start.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from batcher.model import Execution
from batcher.rules.ends.ending import end_of
from batcher.rules.ends.followed import Known
from batcher.rules.service.clock import RESOLUTION, posix


class Intent(NamedTuple):
    """An execution is about to be restored. It is not sent before `at`, 0 if the service's clock is not known yet."""

    id: int
    at: float


class Withdrawn(NamedTuple):
    """An execution was certainly not restored: it stands as before."""

    id: int


class Doubted(NamedTuple):
    """An execution may have been restored, by a request that was not sent after `until`."""

    id: int
    until: float


class Restored(NamedTuple):
    """An execution was restored and runs, from `at` or earlier. `name` is its new name, empty if it kept its own."""

    id: int
    at: float
    name: str = ""


Change = Intent | Withdrawn | Doubted | Restored
"""What is stored about a restore. An intent is followed by one of the others."""


class Doubt(NamedTuple):
    """An execution that may have been restored. `until` is 0 until a later answer has shown the time."""

    known: Known
    at: float
    until: float


class Redriven(NamedTuple):
    """How many executions of a job were restored, how often in all, and how many may have been."""

    executions: int
    restores: int
    in_doubt: int


class Shown(StrEnum):
    """What the state of an execution proves about a restore in doubt."""

    RESTORED = "restored"
    NOT_RESTORED = "not restored"
    EARLY = "it may still be carried out"
    UNDATED = "the answer of the service does not show its time"
    OLD = "the answer of the service is older than the restore"
    RENAMED = "the service lets restored executions go on under other names"


def shown(doubt: Doubt, detail: Execution, made: float | None, settle_time: float, *, renames: bool) -> Shown:
    """Return what an execution, as the service showed it at `made`, proves about a restore in doubt.

    `renames`: the service has answered a restore with another name. Then the state under this one proves nothing.
    """
    if made is None or not doubt.at:
        return Shown.UNDATED
    if made + RESOLUTION < doubt.at:
        return Shown.OLD
    if end_of(detail) != doubt.known.end or _ended_after(detail, doubt):
        return Shown.RESTORED
    if renames:
        return Shown.RENAMED
    if not doubt.until or made < doubt.until + settle_time:
        return Shown.EARLY
    return Shown.NOT_RESTORED


def _ended_after(detail: Execution, doubt: Doubt) -> bool:
    """Return whether an execution has ended once more. A detail may round the time that the list has shown."""
    before, now = posix(doubt.known.ended_at), posix(detail.stopped_at)
    return before is not None and now is not None and now > max(before + RESOLUTION, doubt.at)


def end_since(known: Known, listed: Execution, made: float | None, settle_time: float) -> str | None:
    """Return how an execution in the list, as it was at `made`, has ended since it was restored, None if it runs.

    An old list shows the former end. One that looks like it is a new one if the list is of a time that a settle time
    has passed until, unless both show the same fraction of a second.
    """
    end = end_of(listed)
    if end is None or not known.redrives or end != known.former or listed.stopped_at != known.ended_at:
        return end
    stopped = posix(listed.stopped_at)
    if stopped is not None and stopped % 1:
        return None
    return end if made is not None and made >= known.redriven_at + settle_time else None
