"""The reconcile: find out from the service's execution list which rows in doubt were started.

It first walks over the whole list. If anything cannot be read, the rows stay in doubt. Its requests have no side
effect: unlike a start, they are repeated if no answer arrives. All times are those of the service's clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

from batcher.model import Answer, Described, Execution, ExecutionDetail, Page, Unsettled
from batcher.rules.doubts.contents import BLURRED
from batcher.rules.doubts.control import (
    NOT_AS_SENT,
    Control,
    Evidence,
    Proof,
    chosen,
    families_of,
    is_contradicted,
    is_foreign,
    worst_likeness,
)
from batcher.rules.doubts.matching import EARLY, RETENTION, Matching, is_within, match, merged, window
from batcher.rules.service.clock import RESOLUTION, posix_of_header
from batcher.rules.service.dialect import Window
from batcher.rules.service.verdicts import SUCCESS

ASKERS = 8
"""The number of executions that are read concurrently."""


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What a reconcile needs. Times are POSIX seconds by the service's clock; waits are in seconds."""

    executions: Callable[[Sequence[Window]], AsyncIterator[Described[Page]]]
    """Yields the executions that began within these windows, page by page. A page without a noun is an early end."""
    execution: Callable[[str], Awaitable[Described[ExecutionDetail]]]
    """Asks for one execution by its name."""
    note: Callable[[Sequence[Execution]], Awaitable[None]]
    """Stores executions that may belong to a row in doubt, outside of this process's memory."""
    unowned: Callable[[], Awaitable[list[Execution]]]
    """Returns the stored executions that no row owns, and deletes all of them."""
    controls: Callable[[], Awaitable[Sequence[Control]]]
    """Returns starts of this job that were answered. The list must show them before a row is released."""
    date: Callable[[Sequence[Unsettled], float], Awaitable[None]]
    """Stores for rows in doubt that they were not sent after this time."""
    sleep: Callable[[float], Awaitable[None]]
    """Waits for this number of seconds, or until the job stops."""
    stopped: Callable[[], bool]
    now: Callable[[], float]
    """Returns the time or slightly less, and 0 until an answer has brought it."""
    settle_time: float
    """Seconds for which a new execution may be missing from the list."""
    looked_at: dict[str, str | None] = field(default_factory=dict)
    """The inputs of the executions read so far, by name. Each execution is asked for once."""


class Findings(NamedTuple):
    """The result of a reconcile for the rows in doubt."""

    adopted: list[tuple[Unsettled, ExecutionDetail]]
    """Started rows, each with its execution."""
    released: list[Unsettled]
    """Rows that were never started, and may be sent."""
    held: list[Unsettled]
    """Rows that stay in doubt."""
    elsewhere: list[ExecutionDetail]
    """Executions with the content of such rows that another client started."""
    reason: str = ""
    """Why rows stay in doubt, if that is known."""


class _Listing(NamedTuple):
    """A walk over the list."""

    begun: float
    """The walk began at this time or later."""
    before: float
    """The walk began before this time."""
    earliest: float
    """When the earliest execution in the list began."""
    shown: Mapping[str, Execution]
    """The controls that the list shows, by name."""


class _UnreadableError(Exception):
    """The list cannot be read completely. The message says why."""


async def reconcile(inquiry: Inquiry, rows: Sequence[Unsettled], *, patient: bool) -> Findings:
    """Find out which rows in doubt were started and which were not.

    The first walk adopts the rows whose execution it finds. A row without an execution is released if a walk that began
    after the row's settle time shows none either, and shows every control of the row as it is. If `patient`, wait for
    that walk; otherwise such rows are held.
    """
    adopted: list[tuple[Unsettled, ExecutionDetail]] = []
    controls = [*await inquiry.controls()]
    try:
        while True:
            listing, executions = await _look(inquiry, rows, controls, {each.name for each in controls})
            rows = await _dated(inquiry, rows, listing.before)
            found = await _matched(inquiry, rows, executions, controls)
            adopted += found.started
            controls += [_adopted(*each) for each in found.started]
            shown = {**listing.shown, **{detail.execution.name: detail.execution for _, detail in found.started}}
            evidence = Evidence(controls, shown, listing.before, inquiry.settle_time)
            proofs = {row.id: evidence.proof(row) for row in found.absent}
            young = {row.id: _ripe_at(row, proofs[row.id], inquiry) for row in found.absent}
            young = {id_: at for id_, at in young.items() if listing.begun < at}
            if patient and young and not inquiry.stopped():
                await inquiry.sleep(max(0.0, max(young.values()) - inquiry.now()))
                rows = [*found.absent, *found.unclear]
                continue
            ripe = [row for row in found.absent if row.id not in young]
            free, reason = await _free(inquiry, [row for row in ripe if _is_kept(row, listing)], proofs)
            released = {row.id for row in free}
            held = [row for row in found.absent if row.id not in released]
            reason = reason or _why(held, found.unclear)
            return Findings(adopted, free, [*held, *found.unclear], found.elsewhere, reason)
    except _UnreadableError as error:
        done = {row.id for row, _ in adopted}
        return Findings(adopted, [], [row for row in rows if row.id not in done], [], str(error))


def _adopted(row: Unsettled, found: ExecutionDetail) -> Control:
    """Return the control that an adopted row makes."""
    listed = found.execution
    return Control(row.id, listed.name, listed.urn, listed.at, row.intent_at, None, row.bucket, row.object, row.inputs)


def _ripe_at(row: Unsettled, proof: Proof, inquiry: Inquiry) -> float:
    """Return the time from which on a walk must show a row's execution, and the controls that it lacks so far."""
    return max(row.last_at + inquiry.settle_time, proof.ripe_at)


async def _matched(
    inquiry: Inquiry, rows: Sequence[Unsettled], executions: Sequence[ExecutionDetail], controls: Sequence[Control]
) -> Matching:
    """Match rows with executions. Find out by controls whether contents are reported as they were sent.

    If one is reported as something else, so may be the execution that a row seems to have: no row is adopted.
    """
    windows = [window(row, inquiry.settle_time) for row in rows]
    found = match(rows, executions, windows)
    if not controls or not (found.started or found.unclear):
        return found
    asked = chosen([Proof(controls)])
    await _ask_all(inquiry, [each.name for each in asked])
    found = match(rows, executions, windows, is_exact=worst_likeness(asked, inquiry.looked_at) == 0)
    if is_contradicted(asked, inquiry.looked_at):
        return found._replace(started=[], unclear=[*found.unclear, *(row for row, _ in found.started)])
    return found


async def _free(
    inquiry: Inquiry, absent: Sequence[Unsettled], proofs: Mapping[int, Proof]
) -> tuple[list[Unsettled], str]:
    """Return the rows that may be released, of those that the list does not show, and why the others may not."""
    free = [row for row in absent if not proofs[row.id].fault]
    reason = next((proofs[row.id].fault for row in absent if proofs[row.id].fault), "")
    if free:
        asked = chosen([proofs[row.id] for row in free])
        await _ask_all(inquiry, [each.name for each in asked])
        if worst_likeness(asked, inquiry.looked_at) >= BLURRED:
            return [], NOT_AS_SENT
    return free, reason


async def _dated(inquiry: Inquiry, rows: Sequence[Unsettled], before: float) -> Sequence[Unsettled]:
    """Set the time of doubts that have none: these rows were sent for the last time before the walk began.

    The service's clock ends their windows. The local clock is not used.
    """
    undated = [row for row in rows if row.doubt_at is None]
    if not undated:
        return rows
    await inquiry.date(undated, before)
    return [row._replace(doubt_at=before) if row.doubt_at is None else row for row in rows]


def _is_kept(row: Unsettled, listing: _Listing) -> bool:
    """Return whether the list goes back to the row's time."""
    return row.intent_at > listing.before - RETENTION or listing.earliest < row.intent_at


def _why(held: Sequence[Unsettled], unclear: Sequence[Unsettled]) -> str:
    if unclear:
        return "the list has executions that may or may not belong to these rows"
    return "the list may be incomplete, or not go back far enough" if held else ""


async def _look(
    inquiry: Inquiry, rows: Sequence[Unsettled], controls: Sequence[Control], owned: Collection[str]
) -> tuple[_Listing, list[ExecutionDetail]]:
    """Walk the list, then read each execution that may belong to a row and that no row owns."""
    listing = await _walk(inquiry, rows, owned)
    families = families_of(controls)
    unowned = [
        listed for listed in await inquiry.unowned() if listed.name not in owned and not is_foreign(listed, families)
    ]
    await _ask_all(inquiry, [listed.name for listed in unowned])
    return listing, [ExecutionDetail(listed, inquiry.looked_at[listed.name]) for listed in unowned]


async def _ask_all(inquiry: Inquiry, names: Sequence[str]) -> None:
    unseen = iter([name for name in names if name not in inquiry.looked_at])
    async with asyncio.TaskGroup() as askers:
        for _ in range(ASKERS):
            askers.create_task(_ask(inquiry, unseen))


async def _ask(inquiry: Inquiry, names: Iterator[str]) -> None:
    for name in names:
        detail = (await inquiry.execution(name)).noun
        # What is said about another execution says nothing about this one.
        is_other = detail is None or detail.execution.name.casefold() != name.casefold()
        inquiry.looked_at[name] = None if detail is None or is_other else detail.input


async def _walk(inquiry: Inquiry, rows: Sequence[Unsettled], controls: Collection[str]) -> _Listing:
    """Walk the list once and note every execution that began within the window of a row in doubt.

    `controls` are the names of the executions that are known to exist.
    """
    # Not before the intents either: they are the service's times, and an earlier run's may be all that is known.
    begun, before, earliest = max(inquiry.now(), *(row.intent_at for row in rows)), inf, inf
    shown: dict[str, Execution] = {}
    times = merged(window(row, inquiry.settle_time) for row in rows)
    async for answer in inquiry.executions(times):
        if inquiry.stopped():
            raise _UnreadableError("the job is stopping")
        if answer.noun is None:
            raise _UnreadableError(_unreadable(answer))
        latest = _latest_time(answer)
        if latest + EARLY < begun:
            raise _UnreadableError("the execution list is older than the request for it")
        before = min(before, latest)
        executions = answer.noun.executions
        earliest = min([earliest, *(each.at for each in executions if each.at is not None)])
        shown.update((each.name, each) for each in executions if each.name in controls)
        await inquiry.note([each for each in executions if is_within(each.at, times)])
    return _Listing(begun, before, earliest, shown)


def _latest_time(answer: Answer) -> float:
    """Return the latest time at which the service can have made an answer."""
    served = posix_of_header(answer.date)
    if served is None:
        raise _UnreadableError("the service does not report its time")
    return served + RESOLUTION


def _unreadable(answer: Answer) -> str:
    if answer.status in SUCCESS and answer.message:
        return answer.message
    if answer.fault is not None:
        return f"the execution list cannot be read: {answer.message}"
    words = " ".join(word for word in (f"HTTP {answer.status}", answer.code, answer.message) if word)
    return f"the execution list cannot be read: {words}"
