"""The end of an execution: what the words of the execution list mean. Pure.

No document lists all of these words. One that is not known never counts as success, and is kept as it is.
https://support.huaweicloud.com/en-us/api-obs/obs_04_0128.html and https://support.huaweicloud.com/api-dwr/dwr_04_0128.html
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from batcher.model import Execution
from batcher.rules.service.clock import posix
from batcher.rules.service.dialect import legible


class End(StrEnum):
    """How an execution ended. An end with a word of the service that is not known has that word instead."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    """The service does not show how, or does not show the execution any more."""


KNOWN: Mapping[str, End] = {
    "success": End.SUCCEEDED,
    "succeeded": End.SUCCEEDED,
    "fail": End.FAILED,
    "failed": End.FAILED,
    "timeout": End.TIMED_OUT,
    "timed_out": End.TIMED_OUT,
    "timedout": End.TIMED_OUT,
    "cancel": End.CANCELLED,
    "cancelled": End.CANCELLED,
    "canceled": End.CANCELLED,
}
"""The ends by the words of the service, in lower case: those of OBS v2 and its SDK, and those of DWR v3."""

RUNNING = frozenset({"running", "notrunning", "queued", "waiting"})
"""The words, in lower case, of executions that have not ended, whatever times the list shows."""

LONGEST_WORD = 64
"""The number of characters kept of an unknown word."""


def end_of(listed: Execution) -> str | None:
    """Return how a listed execution ended, None if it runs.

    An unknown word is an end if the list shows when the execution stopped.
    """
    word = listed.state.strip()
    folded = word.casefold()
    if folded in RUNNING:
        return None
    if folded in KNOWN:
        return KNOWN[folded]
    if not listed.stopped_at:
        return None
    return legible(word)[:LONGEST_WORD] or End.UNKNOWN


def seconds_between(started_at: str, stopped_at: str) -> float | None:
    """Return how long an execution ran by the times that the list shows, None if they cannot be read.

    Both are of one clock and in one form, so that their distance is right even if they are not in UTC.
    """
    began, stopped = posix(started_at), posix(stopped_at)
    if began is None or stopped is None or stopped < began:
        return None
    return round(stopped - began, 3)


def in_order(ends: Mapping[str, int]) -> dict[str, int]:
    """Return counts by end: the known ends in their order, then the words of the service. Zeros are left out."""
    known = {str(end): ends.get(end, 0) for end in End}
    others = {word: count for word, count in sorted(ends.items()) if word not in known}
    return {end: count for end, count in {**known, **others}.items() if count}


def words_of(end: str) -> str:
    """Return an end as people read it."""
    return end.replace("_", " ") if end in set(End) else end
