"""The reconcile: find out from the service's execution list which rows in doubt were started.

It first walks over the whole list. If anything cannot be read, the rows stay in doubt. Its requests have no side
effect: unlike a start, they are repeated if no answer arrives. All times are those of the service's clock.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from math import inf
from typing import NamedTuple

from msgspec import Struct, field

from batcher.model import Answer, Described, Execution, ExecutionDetail, Page, Unsettled
from batcher.rules.doubts.control import Control
from batcher.rules.doubts.evidence import (
    Evidence,
    Nearest,
    Proof,
    are_comparable,
    chosen,
    families_of,
    is_foreign,
    mistakable,
    not_as_sent,
    shown_form,
)
from batcher.rules.doubts.findings import Findings
from batcher.rules.doubts.matching import Known, Matching, is_within, match, merged, window
from batcher.rules.doubts.times import EARLY, RETENTION
from batcher.rules.service.clock import RESOLUTION, posix_of_header
from batcher.rules.service.dialect import Window
from batcher.rules.service.verdicts import SUCCESS
from batcher.rules.text import counted

ASKERS = 8
"""The number of executions that are read concurrently."""
NAMED = 3
"""The number of reasons for which executions keep rows in doubt that are named."""


class Inquiry(Struct, frozen=True):
    """What a reconcile needs. Times are POSIX seconds by the service's clock; waits are in seconds."""

    executions: Callable[[Sequence[Window]], AsyncIterator[Described[Page]]]
    """Yields the executions that began within these windows, and perhaps others, page by page.

    A page without a noun is an early end.
    """
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


class _Seen(NamedTuple):
    """What a walk shows of the rows in doubt."""

    listing: _Listing
    found: Matching
    proofs: Mapping[int, Proof]
    """What it shows of the controls of each row that it does not show, or not clearly, by the row's id."""
    young: Mapping[int, float]
    """Rows for which it began too early, with the time from which on a walk must show their executions and controls."""


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
    while True:
        try:
            seen = await _seen(inquiry, rows, controls, patient=patient)
        except _UnreadableError as error:
            return Findings(adopted, [], [*rows], [], str(error))
        adopted += seen.found.started
        if not (patient and seen.young) or inquiry.stopped():
            return await _concluded(inquiry, seen, adopted)
        await inquiry.sleep(max(0.0, max(seen.young.values()) - inquiry.now()))
        rows = [*seen.found.absent, *seen.found.unclear]


async def _seen(inquiry: Inquiry, rows: Sequence[Unsettled], controls: list[Control], *, patient: bool) -> _Seen:
    """Walk the list once. The rows that it shows as started are added to the controls.

    Without any control, none is adopted before other rows had the time to be started and to become controls.
    """
    listing, executions = await _look(inquiry, rows, controls, {each.name for each in controls})
    rows = await _dated(inquiry, rows, listing.before)
    found = await _matched(
        inquiry, rows, executions, Evidence(controls, listing.shown, listing.before, inquiry.settle_time)
    )
    if not controls and not patient:
        found = found.doubting({row.id: "" for row, _ in found.started})
    controls += [_adopted(*each) for each in found.started]
    shown = {**listing.shown, **{detail.execution.name: detail.execution for _, detail in found.started}}
    evidence = Evidence(controls, shown, listing.before, inquiry.settle_time)
    proofs = {row.id: evidence.proof(row) for row in [*found.absent, *found.unclear]}
    ripe = {row.id: max(row.last_at + inquiry.settle_time, proofs[row.id].ripe_at) for row in found.absent}
    # Once the list shows their controls, they may turn out to be shown in the form of these.
    ripe |= {row.id: proofs[row.id].ripe_at for row in found.unclear}
    return _Seen(listing, found, proofs, {id_: at for id_, at in ripe.items() if listing.begun < at})


async def _concluded(inquiry: Inquiry, seen: _Seen, adopted: list[tuple[Unsettled, ExecutionDetail]]) -> Findings:
    """Decide about the rows that are not started, by the last walk."""
    found = seen.found
    ripe = [row for row in found.absent if row.id not in seen.young and _is_kept(row, seen.listing)]
    free, reason = await _free(inquiry, ripe, seen.proofs)
    released = {row.id for row in free}
    held = [row for row in found.absent if row.id not in released]
    reason = reason or next((seen.proofs[row.id].fault for row in found.unclear if seen.proofs[row.id].fault), "")
    if held and not reason:
        reason = "the list may be incomplete, or not go back far enough"
    why = "; ".join([*([reason] if reason else []), *_reasons(found)])
    return Findings(adopted, free, [*held, *found.unclear], found.elsewhere, why)


def _adopted(row: Unsettled, found: ExecutionDetail) -> Control:
    """Return the control that an adopted row makes."""
    listed = found.execution
    return Control(row.id, listed.name, listed.urn, listed.at, row.intent_at, None, row.bucket, row.object, row.inputs)


async def _matched(
    inquiry: Inquiry, rows: Sequence[Unsettled], executions: Sequence[ExecutionDetail], evidence: Evidence
) -> Matching:
    """Match rows with executions. Find out by controls in which form contents are shown.

    A row that fits an execution is not adopted if its controls show that the execution may be another one: the list has
    none of them by its name, or one with another time or type; or their details show something else than was sent, or
    only a part of it that leaves the row without a difference from others.
    """
    windows = [window(row, inquiry.settle_time) for row in rows]
    found = match(rows, executions, windows)
    proofs = {row.id: evidence.proof(row) for row in [*found.unclear, *(row for row, _ in found.started)]}
    asked = chosen(proofs.values())
    if not asked:
        return found
    await ask_all(inquiry, [each.name for each in asked])
    proven = {id_ for id_, proof in proofs.items() if not proof.fault}
    found = match(rows, executions, windows, Known(shown_form(asked, inquiry.looked_at), proven))
    found = found.doubting({id_: "" for id_, proof in proofs.items() if proof.is_misleading})
    return found.doubting(mistakable(asked, inquiry.looked_at, [row for row, _ in found.started]))


async def _free(
    inquiry: Inquiry, absent: Sequence[Unsettled], proofs: Mapping[int, Proof]
) -> tuple[list[Unsettled], str]:
    """Return the rows that may be released, of those that the list does not show, and why the others may not."""
    free = [row for row in absent if not proofs[row.id].fault]
    reason = next((proofs[row.id].fault for row in absent if proofs[row.id].fault), "")
    if free:
        asked = chosen([proofs[row.id] for row in free])
        await ask_all(inquiry, [each.name for each in asked])
        if not are_comparable(asked, inquiry.looked_at):
            return [], not_as_sent(asked, inquiry.looked_at)
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


def _reasons(found: Matching) -> list[str]:
    """Return why executions keep rows in doubt, the most frequent reasons only."""
    counts = Counter(found.why.values()).most_common(NAMED)
    return [f"{counted(number, 'row')}: an execution at {_whose(number)} time {what}" for what, number in counts]


def _whose(number: int) -> str:
    return "its" if number == 1 else "their"


async def _look(
    inquiry: Inquiry, rows: Sequence[Unsettled], controls: Sequence[Control], owned: Collection[str]
) -> tuple[_Listing, list[ExecutionDetail]]:
    """Walk the list, then read each execution that may belong to a row and that no row owns."""
    listing = await _walk(inquiry, rows, owned, Nearest(controls, inquiry.now()).windows(rows))
    families = families_of(controls)
    unowned = [
        listed for listed in await inquiry.unowned() if listed.name not in owned and not is_foreign(listed, families)
    ]
    await ask_all(inquiry, [listed.name for listed in unowned])
    return listing, [ExecutionDetail(listed, inquiry.looked_at[listed.name]) for listed in unowned]


async def ask_all(inquiry: Inquiry, names: Sequence[str]) -> None:
    """Ask for executions by name, ASKERS at a time, and note what they show of their inputs in `looked_at`."""
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


async def _walk(
    inquiry: Inquiry, rows: Sequence[Unsettled], controls: Collection[str], more: Iterable[Window] = ()
) -> _Listing:
    """Walk the list once and note every execution that began within the window of a row in doubt.

    `controls` are the names of the executions that are known to exist. The list is asked for the windows of the rows
    and for `more`, which has those of the controls.
    """
    # Not before the intents either: they are the service's times, and an earlier run's may be all that is known.
    begun, before, earliest = max(inquiry.now(), *(row.intent_at for row in rows)), inf, inf
    shown: dict[str, Execution] = {}
    times = merged(window(row, inquiry.settle_time) for row in rows)
    async for answer in inquiry.executions(merged([*times, *more])):
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
