"""The reconcile: ask the service's execution list about the rows in doubt, and settle those that it can tell about.

A walk over the whole list comes first; whatever cannot be read leaves the rows in doubt, as they were. Asking has no
side effect: other than a start, a question that went unanswered may simply be asked again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from batcher.model import Answer, Listed, ListedExecution, Page, Unsettled, Verdict
from batcher.rules import answers, backoff, outcome
from batcher.rules.dates import posix, posix_of_header
from batcher.rules.likeness import Content, contents_of
from batcher.rules.matching import EARLY, Candidate, Window, is_within, match, merged, window

ATTEMPTS = 5
"""So often a question is asked before its answer is done without."""
ASKERS = 8
"""So many executions are looked at side by side."""
RETENTION = 24 * 3600.0
"""Seconds for which the list surely keeps an execution. Older rows need an execution of their age in the list."""
_AGAIN = frozenset({Verdict.UNSENT, Verdict.REFUSED, Verdict.IN_DOUBT})


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What a reconcile is made of. Times are POSIX seconds, waits are seconds."""

    list_page: Callable[[str], Awaitable[Answer]]
    """Ask for the page of the execution list at a marker."""
    get: Callable[[str], Awaitable[Answer]]
    """Ask for one execution by its name."""
    note: Callable[[Sequence[Listed]], Awaitable[None]]
    """Keep executions that a row in doubt may own, outside of this process's memory."""
    unowned: Callable[[], Awaitable[list[Listed]]]
    """Give those of them that no row owns, and forget all."""
    sleep: Callable[[float], Awaitable[None]]
    """Wait; shorter if the job is to stop."""
    stopped: Callable[[], bool]
    now: Callable[[], float]
    draw: Callable[[], float]
    settle_time: float
    """How long an execution may be missing from the list."""
    offset: float | None = None
    """The service's clock less this machine's when the rows were sent, where that is known."""
    looked_at: dict[str, tuple[Content, ...] | None] = field(default_factory=dict)
    """Executions that were looked at before: each is asked for once."""


class Findings(NamedTuple):
    """What a reconcile has found out about the rows in doubt."""

    adopted: list[tuple[Unsettled, Candidate]]
    """Rows that are started, each with its execution."""
    released: list[Unsettled]
    """Rows that were never started, and may be sent."""
    held: list[Unsettled]
    """Rows that stay in doubt."""
    elsewhere: list[Candidate]
    """Executions of such rows that somebody else started."""
    reason: str = ""
    """Why rows are held, where that is known."""


class _Listing(NamedTuple):
    """A walk over the list: when it began, the service's clock less ours, and its earliest execution."""

    begun: float
    offset: float
    earliest: float


class _UnreadableError(Exception):
    """The list cannot be read whole; says why."""


async def reconcile(inquiry: Inquiry, rows: Sequence[Unsettled], *, patient: bool) -> Findings:
    """Find out which rows in doubt are started and which never were.

    The first walk adopts what it finds. A row that nothing explains is released once the settle time has passed since
    its doubt and a later walk has shown nothing: `patient` waits for that, else such rows are held.
    """
    adopted: list[tuple[Unsettled, Candidate]] = []
    try:
        while True:
            listing, candidates = await _look(inquiry, rows, {execution.name for _, execution in adopted})
            found = match(rows, candidates, _windows(inquiry, rows, listing.offset))
            adopted += found.started
            young = {row.id: _settled_at(row, inquiry, listing.offset) for row in found.absent}
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


def _windows(inquiry: Inquiry, rows: Sequence[Unsettled], offset: float) -> list[Window]:
    # This machine's clock may have been set since a row was sent: the row's times may be by either offset.
    kept = offset if inquiry.offset is None else inquiry.offset
    early = [window(row, min(kept, offset), inquiry.settle_time).begin for row in rows]
    late = [window(row, max(kept, offset), inquiry.settle_time).end for row in rows]
    return [Window(begin, end) for begin, end in zip(early, late, strict=True)]


def _settled_at(row: Unsettled, inquiry: Inquiry, offset: float) -> float:
    """Give the time from which on a listing must show the row's execution, if there is one."""
    # A clock that was set forward since the doubt makes it look older than it is.
    forward = 0.0 if inquiry.offset is None else max(0.0, inquiry.offset - offset - EARLY)
    return row.last_at + forward + inquiry.settle_time


def _is_kept(row: Unsettled, listing: _Listing) -> bool:
    """Tell whether the listing goes back as far as the row's time."""
    return row.intent_at > listing.begun - RETENTION or listing.earliest < row.intent_at + listing.offset


def _why(held: Sequence[Unsettled], unclear: Sequence[Unsettled]) -> str:
    if unclear:
        return "the list holds executions that may be these rows or may not"
    return "the list may not be complete yet, or not go back so far" if held else ""


async def _look(
    inquiry: Inquiry, rows: Sequence[Unsettled], adopted: Collection[str]
) -> tuple[_Listing, list[Candidate]]:
    """Walk the list, then look at each execution that a row may own and none does."""
    listing = await _walk(inquiry, rows)
    unowned = [listed for listed in await inquiry.unowned() if listed.name not in adopted]
    unseen = iter([listed.name for listed in unowned if listed.name not in inquiry.looked_at])
    async with asyncio.TaskGroup() as askers:
        for _ in range(ASKERS):
            askers.create_task(_ask(inquiry, unseen))
    candidates = [Candidate(*listed, inquiry.looked_at[listed.name]) for listed in unowned]
    return listing, candidates


async def _ask(inquiry: Inquiry, names: Iterator[str]) -> None:
    for name in names:
        answer = await _answer(inquiry, partial(inquiry.get, name))
        detail = answers.detail(answer)
        inquiry.looked_at[name] = contents_of(detail.input) if detail is not None else None


async def _walk(inquiry: Inquiry, rows: Sequence[Unsettled]) -> _Listing:
    """Note every execution of the list that began within the time of a row in doubt."""
    begun = inquiry.now()
    offset, earliest = 0.0, float("inf")
    times: list[Window] = []
    async for answer, page in _pages(inquiry):
        if not times:
            served = posix_of_header(answer.date)
            offset = 0.0 if served is None else served - inquiry.now()
            times = merged(_windows(inquiry, rows, offset))
        executions = [_timed(execution) for execution in page.executions]
        earliest = min([earliest, *(each.at for each in executions if each.at is not None)])
        await inquiry.note([each for each in executions if is_within(each.at, times)])
    return _Listing(begun, offset, earliest)


async def _pages(inquiry: Inquiry) -> AsyncIterator[tuple[Answer, Page]]:
    marker = ""
    markers = {marker}
    while True:
        answer = await _answer(inquiry, partial(inquiry.list_page, marker))
        page = answers.page(answer)
        if inquiry.stopped():
            raise _UnreadableError("the job is stopping")
        if page is None:
            raise _UnreadableError(_unreadable(answer))
        yield answer, page
        marker = page.next_marker
        if not marker:
            return
        if marker in markers:
            raise _UnreadableError("the execution list leads back to where it was")
        markers.add(marker)


def _timed(execution: ListedExecution) -> Listed:
    at = posix(execution.started_at)
    return Listed(execution.name, execution.urn, execution.type, execution.started_at, at)


async def _answer(inquiry: Inquiry, ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Ask until there is an answer that asking again would not change, a few times at most."""
    attempt = 1
    while True:
        answer = await ask()
        verdict = outcome.judge(answer, proven=True, repeated=False, trust_503=True)
        if answer.body is not None or verdict not in _AGAIN or attempt == ATTEMPTS or inquiry.stopped():
            return answer
        await inquiry.sleep(backoff.wait(attempt, inquiry.draw(), answer.retry_after, inquiry.now()))
        attempt += 1


def _unreadable(answer: Answer) -> str:
    if answer.fault is not None:
        return f"the execution list cannot be read: {answer.message}"
    told = " ".join(word for word in (f"HTTP {answer.status}", answer.code, answer.message) if word)
    return f"the execution list cannot be read: {told}"
