"""The pages of the execution list of DWR v3: a span of time, a limit and an offset. Pure: times are POSIX seconds.

What is not documented (what the offset counts, whether the ends belong to the span, the order) is a quirk.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from math import floor
from operator import attrgetter
from typing import NamedTuple

from batcher.emulator.executions import Execution, Executions, ExecutionState
from batcher.emulator.pages import repeated, shown
from batcher.emulator.quirks import Quirk, number
from batcher.emulator.settings import Settings

DAYS = 3 * 86_400.0
"""Seconds of the span if only one end or none is given."""
MOST, FURTHEST = 200, 1000
"""The most executions on a page, whatever is asked for, and the highest offset."""

STATES = {
    ExecutionState.RUNNING: "running",
    ExecutionState.SUCCESS: "success",
    ExecutionState.FAILED: "fail",
    ExecutionState.TIMEOUT: "timeout",
    ExecutionState.CANCELLED: "cancel",
    ExecutionState.ABANDONED: "abandoned",
}
"""The states in the words of DWR."""


class Question(NamedTuple):
    """What is asked for, as of `now`: both ends of a span (None: not given), and the texts of limit and offset."""

    now: float
    begin: float | None
    end: float | None
    limit: str = ""
    offset: str = ""
    status: str = ""


class Listed(NamedTuple):
    """One page. `following` is the offset of the next page, None on the last. `total` counts the whole span."""

    executions: list[Execution]
    following: int | None
    total: int


def time_of(text: str) -> float | None:
    """Read a time of the query: whole seconds in UTC. Raises ValueError."""
    if not text:
        return None
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()


def page(asked: Collection[Executions], question: Question, settings: Settings) -> Listed | str:
    """Return a page of the executions of these workflows, or what is wrong with the question."""
    quirks = settings.quirks
    limit = _whole(question.limit or "10", 1)
    first = 0 if Quirk.V3_OFFSET_ZERO in quirks else 1
    offset = _whole(question.offset or str(first), first)
    if limit is None or offset is None or offset > number(quirks, Quirk.V3_CAP, FURTHEST):
        return "limit or offset is out of range."
    limit = int(min(limit, MOST, number(quirks, Quirk.PAGE_LIMIT, limit)))
    found = _found(asked, question, settings)
    at = offset - first
    if Quirk.V3_OFFSET_PAGES in quirks:
        following, begin = offset + 1, at * limit
    else:
        following, begin = offset + limit + int(number(quirks, Quirk.PAGE_SKIP) - number(quirks, Quirk.PAGE_REPEAT)), at
    is_last = begin + limit >= len(found) or Quirk.FIRST_PAGE_ONLY in quirks
    if is_last and Quirk.MARKER_LOOP in quirks and found:
        return Listed(found[begin : begin + limit], first, len(found))
    return Listed(found[begin : begin + limit], None if is_last else following, len(found))


def _found(asked: Collection[Executions], question: Question, settings: Settings) -> list[Execution]:
    quirks = settings.quirks
    is_shown = shown(asked, settings, question.now)
    every = [each for executions in asked for each in executions.following(question.now, "", None) if is_shown(each)]
    if question.status:
        every = [each for each in every if STATES[each.state(question.now)] == question.status]
    begin, end = _span(question)
    if Quirk.V3_NO_WINDOW not in quirks:
        slack = 1 if Quirk.V3_ENDS_EXCLUSIVE in quirks else 0
        by_update = Quirk.V3_BY_UPDATE in quirks
        every = [
            each for each in every if begin + slack <= floor(_filtered(each, question.now, by_update)) <= end - slack
        ]
    return list(
        repeated(sorted(every, key=attrgetter("started_at"), reverse=Quirk.V3_NEWEST_FIRST in quirks), settings)
    )


def _filtered(execution: Execution, now: float, by_update: bool) -> float:  # noqa: FBT001 - one of two times
    """Return the time of an execution that the filter compares."""
    return execution.ends_at if by_update and execution.ends_at <= now else execution.started_at


def _span(question: Question) -> tuple[float, float]:
    """Return both ends. An end that is not given is three days from the other, and the latest is now."""
    begin, end = question.begin, question.end
    if end is None:
        end = question.now if begin is None else begin + DAYS
    return end - DAYS if begin is None else begin, end


def _whole(text: str, least: int) -> int | None:
    return int(text) if text.isdecimal() and int(text) >= least else None
