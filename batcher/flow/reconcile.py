"""The reconcile: ask the service's execution list about the rows in doubt, and settle those that it can tell about.

A walk over the whole list comes first; whatever cannot be read leaves the rows in doubt, as they were. Asking has no
side effect: other than a start, a question that went unanswered may simply be asked again. All times are the service's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

from batcher.model import Answer, Described, Execution, ExecutionDetail, Page, Unsettled
from batcher.rules.doubts.matching import RETENTION, is_within, match, merged, window
from batcher.rules.service.clock import RESOLUTION, posix_of_header
from batcher.rules.service.dialect import Window
from batcher.rules.service.verdicts import SUCCESS

ASKERS = 8
"""How many executions are looked at side by side."""


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What a reconcile is made of. Times are POSIX seconds by the service's clock, waits are seconds."""

    executions: Callable[[Sequence[Window]], AsyncIterator[Described[Page]]]
    """Give page by page the executions that began within these windows; a page without a noun ends it too early."""
    execution: Callable[[str], Awaitable[Described[ExecutionDetail]]]
    """Ask for one execution by its name."""
    note: Callable[[Sequence[Execution]], Awaitable[None]]
    """Keep executions that a row in doubt may own, outside of this process's memory."""
    unowned: Callable[[], Awaitable[list[Execution]]]
    """Give those of them that no row owns, and forget all."""
    date: Callable[[Sequence[Unsettled], float], Awaitable[None]]
    """Keep of rows in doubt that they were not sent after this time."""
    sleep: Callable[[float], Awaitable[None]]
    """Wait; shorter if the job is to stop."""
    stopped: Callable[[], bool]
    now: Callable[[], float]
    """The time, or somewhat earlier; 0 while no answer has told it."""
    settle_time: float
    """How long an execution may be missing from the list."""
    looked_at: dict[str, str | None] = field(default_factory=dict)
    """The inputs of executions that were looked at before, by name: each is asked for once."""


class Findings(NamedTuple):
    """What a reconcile has found out about the rows in doubt."""

    adopted: list[tuple[Unsettled, ExecutionDetail]]
    """Rows that are started, each with its execution."""
    released: list[Unsettled]
    """Rows that were never started, and may be sent."""
    held: list[Unsettled]
    """Rows that stay in doubt."""
    elsewhere: list[ExecutionDetail]
    """Executions of such rows that somebody else started."""
    reason: str = ""
    """Why rows are held, where that is known."""


class _Listing(NamedTuple):
    """A walk over the list."""

    begun: float
    """It was asked for at this time, or later."""
    told: float
    """It was asked for before this time."""
    earliest: float
    """When the first of its executions began."""


class _UnreadableError(Exception):
    """The list cannot be read whole; says why."""


async def reconcile(inquiry: Inquiry, rows: Sequence[Unsettled], *, patient: bool) -> Findings:
    """Find out which rows in doubt are started and which never were.

    The first walk adopts what it finds. A row that nothing explains is released once the settle time has passed since
    its doubt and a later walk has shown nothing: `patient` waits for that, else such rows are held.
    """
    adopted: list[tuple[Unsettled, ExecutionDetail]] = []
    try:
        while True:
            listing, executions = await _look(inquiry, rows, {found.execution.name for _, found in adopted})
            rows = await _dated(inquiry, rows, listing.told)
            found = match(rows, executions, [window(row, inquiry.settle_time) for row in rows])
            adopted += found.started
            young = {row.id: row.last_at + inquiry.settle_time for row in found.absent}
            young = {id_: at for id_, at in young.items() if listing.begun < at}
            if patient and young and not inquiry.stopped():
                await inquiry.sleep(max(0.0, max(young.values()) - inquiry.now()))
                rows = [*found.absent, *found.unclear]
                continue
            released = [row for row in found.absent if row.id not in young and _is_kept(row, listing)]
            free = {row.id for row in released}
            held = [row for row in found.absent if row.id not in free]
            return Findings(adopted, released, [*held, *found.unclear], found.elsewhere, _why(held, found.unclear))
    except _UnreadableError as error:
        done = {row.id for row, _ in adopted}
        return Findings(adopted, [], [row for row in rows if row.id not in done], [], str(error))


async def _dated(inquiry: Inquiry, rows: Sequence[Unsettled], told: float) -> Sequence[Unsettled]:
    """Date the doubts that have no date: before the walk began these rows had been sent for the last time.

    So the service's own word ends their windows, and no clock of ours has a part in it.
    """
    undated = [row for row in rows if row.doubt_at is None]
    if not undated:
        return rows
    await inquiry.date(undated, told)
    return [row._replace(doubt_at=told) if row.doubt_at is None else row for row in rows]


def _is_kept(row: Unsettled, listing: _Listing) -> bool:
    """Tell whether the listing goes back as far as the row's time."""
    return row.intent_at > listing.told - RETENTION or listing.earliest < row.intent_at


def _why(held: Sequence[Unsettled], unclear: Sequence[Unsettled]) -> str:
    if unclear:
        return "the list holds executions that may be these rows or may not"
    return "the list may not be complete yet, or not go back so far" if held else ""


async def _look(
    inquiry: Inquiry, rows: Sequence[Unsettled], adopted: Collection[str]
) -> tuple[_Listing, list[ExecutionDetail]]:
    """Walk the list, then look at each execution that a row may own and none does."""
    listing = await _walk(inquiry, rows)
    unowned = [listed for listed in await inquiry.unowned() if listed.name not in adopted]
    unseen = iter([listed.name for listed in unowned if listed.name not in inquiry.looked_at])
    async with asyncio.TaskGroup() as askers:
        for _ in range(ASKERS):
            askers.create_task(_ask(inquiry, unseen))
    return listing, [ExecutionDetail(listed, inquiry.looked_at[listed.name]) for listed in unowned]


async def _ask(inquiry: Inquiry, names: Iterator[str]) -> None:
    for name in names:
        detail = (await inquiry.execution(name)).noun
        inquiry.looked_at[name] = None if detail is None else detail.input


async def _walk(inquiry: Inquiry, rows: Sequence[Unsettled]) -> _Listing:
    """Note every execution of the list that began within the time of a row in doubt."""
    begun, told, earliest = inquiry.now(), inf, inf
    times = merged(window(row, inquiry.settle_time) for row in rows)
    async for answer in inquiry.executions(times):
        if inquiry.stopped():
            raise _UnreadableError("the job is stopping")
        if answer.noun is None:
            raise _UnreadableError(_unreadable(answer))
        told = min(told, _told(answer))
        executions = answer.noun.executions
        earliest = min([earliest, *(each.at for each in executions if each.at is not None)])
        await inquiry.note([each for each in executions if is_within(each.at, times)])
    return _Listing(begun, told, earliest)


def _told(answer: Answer) -> float:
    """Give the time at which an answer was made, at the latest."""
    served = posix_of_header(answer.date)
    if served is None:
        raise _UnreadableError("the service does not tell its time")
    return served + RESOLUTION


def _unreadable(answer: Answer) -> str:
    if answer.status in SUCCESS and answer.message:
        return answer.message
    if answer.fault is not None:
        return f"the execution list cannot be read: {answer.message}"
    told = " ".join(word for word in (f"HTTP {answer.status}", answer.code, answer.message) if word)
    return f"the execution list cannot be read: {told}"
