"""The examination: one start, sent once, and every question that shows what became of it.

Questions have no side effect, so one that went unanswered is asked again, a few times. The start never is, whatever
its answer: if that is lost, the execution is looked for in the list like that of any row in doubt.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from batcher.flow.ask import asked
from batcher.model import Answer, Execution, ListedExecution, Page, Row, Status, Unsettled, Verdict
from batcher.rules.doctor.points import Delay, Seen, hindrance
from batcher.rules.doubts.contents import contents_of
from batcher.rules.doubts.matching import Candidate, is_within, match, window
from batcher.rules.rows.identity import start_body
from batcher.rules.service import answers, verdicts
from batcher.rules.service.clock import RESOLUTION, posix, posix_of_header

FIRST_WAIT, LONGEST_WAIT = 0.5, 10.0
"""Seconds between two walks over the list: each wait is twice the one before."""


@dataclass(frozen=True, slots=True)
class Examination:
    """What an examination is made of. Waits are in seconds, `now` is POSIX seconds by the service's clock."""

    get_workflow: Callable[[], Awaitable[Answer]]
    get_unknown: Callable[[], Awaitable[Answer]]
    """Ask for a workflow of a name that nobody has."""
    start: Callable[[bytes], Awaitable[Answer]]
    list_page: Callable[[str, int, str], Awaitable[Answer]]
    """Ask for a page at a marker, of so many executions, of this type."""
    get_execution: Callable[[str], Awaitable[Answer]]
    sleep: Callable[[float], Awaitable[None]]
    """Wait; shorter if it is to stop."""
    stopped: Callable[[], bool]
    now: Callable[[], float]
    """The service's time, or somewhat earlier; 0 while no answer has told it."""
    clock: Callable[[], float]
    """This machine's POSIX time."""
    steady: Callable[[], float]
    """The time of a clock that nobody can set."""
    draw: Callable[[], float]
    patience: float
    """How long to look for the execution in the list."""


async def examine(examination: Examination, row: Row) -> Seen:
    """Start `row` once and find out what the service shows of it. Raises JobError where no start is to be spent."""
    workflow = await asked(examination, examination.get_workflow)
    error = hindrance(workflow)
    if error is not None:
        raise error
    unknown = await asked(examination, examination.get_unknown)
    now = examination.now()
    sent = Unsettled(0, Status.IN_DOUBT, row.number, row.bucket, row.object, row.inputs, "", now)
    seen = Seen(sent, workflow, unknown, examination.clock() - now if now else None)
    if examination.stopped():
        return seen
    # Once, and never again: whatever comes back, a second start would be a second execution.
    start = await examination.start(start_body(row))
    seen = seen._replace(start=start, execution=answers.started(start))
    if verdicts.judge(start, proven=True, repeated=False, trust_503=False) in {Verdict.STARTED, Verdict.IN_DOUBT}:
        seen = await _found(examination, seen, examination.steady())
    return await _questioned(examination, seen)


async def _found(examination: Examination, seen: Seen, answered: float) -> Seen:
    """Look for the execution until the list shows it, or patience ends; each look is a walk over the whole list."""
    wait, after = FIRST_WAIT, None
    while True:
        begun = examination.steady() - answered
        seen = await _walked(examination, seen)
        now = examination.steady() - answered
        if seen.listed is not None:
            return seen._replace(delay=Delay(after, now), waited=now)
        after = begun
        if examination.stopped() or now >= examination.patience or answers.page(_listing(seen)) is None:
            return seen._replace(waited=now)
        await examination.sleep(min(wait, examination.patience - now))
        wait = min(2 * wait, LONGEST_WAIT)


def _listing(seen: Seen) -> Answer:
    return Answer() if seen.listing is None else seen.listing


async def _walked(examination: Examination, seen: Seen) -> Seen:
    """Walk the list once: note our execution, and when the oldest began."""
    near: list[ListedExecution] = []
    async for answer, page in _pages(examination):
        seen = _dated(seen._replace(listing=answer), answer)
        for listed in page.executions if page else ():
            at = posix(listed.started_at)
            if at is not None and (seen.oldest is None or at < seen.oldest):
                seen = seen._replace(oldest=at)
            if seen.execution is not None and listed.name == seen.execution.name:
                seen = seen._replace(listed=listed)
            # Without the service's time any execution of the workflow's history might be ours: none is looked at.
            if seen.execution is None and seen.sent.intent_at and is_within(at, [window(seen.sent, 0)]):
                near.append(listed)
    return await _recognised(examination, seen, near) if near else seen


async def _pages(examination: Examination) -> AsyncIterator[tuple[Answer, Page | None]]:
    """Give the pages of the list; the last has no page where it cannot be read."""
    marker, markers = "", {""}
    while True:
        answer = await asked(examination, partial(examination.list_page, marker, 1000, ""))
        page = answers.page(answer)
        yield answer, page
        marker = page.next_marker if page else ""
        if not marker or marker in markers or examination.stopped():
            return
        markers.add(marker)


def _dated(seen: Seen, answer: Answer) -> Seen:
    """End the time in which the start can have been sent, by the service's word: before this answer was made."""
    served = posix_of_header(answer.date)
    if served is None or seen.sent.doubt_at is not None:
        return seen
    return seen._replace(sent=seen.sent._replace(doubt_at=served + RESOLUTION))


async def _recognised(examination: Examination, seen: Seen, near: list[ListedExecution]) -> Seen:
    """Recognise the execution of a start whose answer was lost, as the reconcile does: by its content and its time."""
    candidates = []
    for listed in near:
        detail = answers.detail(await asked(examination, partial(examination.get_execution, listed.name)))
        contents = None if detail is None else contents_of(detail.input)
        at = posix(listed.started_at)
        candidates.append(Candidate(listed.name, listed.urn, listed.type, listed.started_at, at, contents))
    for _, candidate in match([seen.sent], candidates, [window(seen.sent, 0)]).started:
        listed = next(each for each in near if each.name == candidate.name)
        return seen._replace(listed=listed, execution=Execution(listed.name, listed.urn, listed.started_at))
    return seen


async def _questioned(examination: Examination, seen: Seen) -> Seen:
    """Ask what can be asked of the list and of the execution, whatever came of the start."""
    if seen.execution is not None:
        detail = await asked(examination, partial(examination.get_execution, seen.execution.name))
        seen = seen._replace(detail=detail)
    first = await asked(examination, partial(examination.list_page, "", 1, ""))
    page = answers.page(first)
    if page is not None and page.next_marker:
        second = await asked(examination, partial(examination.list_page, page.next_marker, 1, ""))
        seen = seen._replace(second=second)
    return seen._replace(
        first=first,
        listing=seen.listing or first,
        called=await asked(examination, partial(examination.list_page, "", 1000, "APICALL")),
        triggered=await asked(examination, partial(examination.list_page, "", 1000, "TRIGGERCAL")),
    )
