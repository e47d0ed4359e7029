"""The examination: one start, sent once, and every question that shows what became of it.

Questions have no side effect, so one that went unanswered is asked again, a few times. The start never is, whatever
its answer: if that is lost, the execution is looked for in the list like that of any row in doubt.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import inf

from batcher.flow.ask import ask_patiently
from batcher.flow.service import Service
from batcher.model import Answer, Described, Execution, ExecutionDetail, Page, Row, Status, Unsettled, Verdict
from batcher.rules.doctor.points import Delay, Seen, hindrance
from batcher.rules.doubts.matching import is_within, match, window
from batcher.rules.service import verdicts
from batcher.rules.service.clock import RESOLUTION, posix_of_header
from batcher.rules.service.dialect import Window

FIRST_WAIT, LONGEST_WAIT = 0.5, 10.0
"""Seconds between two walks over the list: each wait is twice the one before."""

ANY_TIME = Window(-inf, inf)


@dataclass(frozen=True, slots=True)
class Examination:
    """What an examination is made of."""

    service: Service
    start: Callable[[Row], Awaitable[Answer]]
    unknown: str
    """The name of a workflow that does not exist."""
    looking_for: float
    """How long to look for the execution in the list, in seconds."""

    @property
    def is_stopped(self) -> bool:
        """Whether nothing more is to be asked."""
        return self.service.patience.stopped()

    def steady(self) -> float:
        """Give the seconds of the clock that nobody can set."""
        return self.service.clock.steady()


async def examine(examination: Examination, row: Row) -> Seen:
    """Start `row` once and find out what the service shows of it. Raises JobError where no start is to be spent."""
    service = examination.service
    workflow = await ask_patiently(service.patience, service.now, service.workflow)
    error = hindrance(workflow)
    if error is not None:
        raise error
    unknown = await ask_patiently(service.patience, service.now, lambda: service.workflow(examination.unknown))
    now = service.now()
    sent = Unsettled(0, Status.IN_DOUBT, row.number, row.bucket, row.object, row.inputs, "", now)
    seen = Seen(sent, workflow, unknown, service.clock.wall() - now if now else None)
    if examination.is_stopped:
        return seen
    # Once, and never again: whatever comes back, a second start would be a second execution.
    start = await examination.start(row)
    seen = seen._replace(start=start, execution=start.execution)
    if verdicts.judge(start, proven=True, repeated=False, trust_503=False) in {Verdict.STARTED, Verdict.IN_DOUBT}:
        seen = await _found(examination, seen, examination.steady())
    return await _questioned(service, seen)


async def _found(examination: Examination, seen: Seen, answered: float) -> Seen:
    """Look for the execution until the list shows it, or the time is over; each look is a walk over the whole list."""
    wait, after = FIRST_WAIT, None
    while True:
        begun = examination.steady() - answered
        seen = await _walked(examination, seen)
        now = examination.steady() - answered
        if seen.listed is not None:
            return seen._replace(delay=Delay(after, now), waited=now)
        after = begun
        is_readable = seen.listing is not None and seen.listing.noun is not None
        if examination.is_stopped or now >= examination.looking_for or not is_readable:
            return seen._replace(waited=now)
        await examination.service.patience.sleep(min(wait, examination.looking_for - now))
        wait = min(2 * wait, LONGEST_WAIT)


async def _walked(examination: Examination, seen: Seen) -> Seen:
    """Walk the list once: note our execution, and when the oldest began."""
    near: list[Execution] = []
    async for answer in examination.service.executions([ANY_TIME]):
        seen = _dated(seen._replace(listing=answer), answer)
        for listed in answer.noun.executions if answer.noun else ():
            if listed.at is not None and (seen.oldest is None or listed.at < seen.oldest):
                seen = seen._replace(oldest=listed.at)
            if seen.execution is not None and listed.name == seen.execution.name:
                seen = seen._replace(listed=listed)
            # Without the service's time any execution of the workflow's history might be ours: none is looked at.
            if seen.execution is None and seen.sent.intent_at and is_within(listed.at, [window(seen.sent, 0)]):
                near.append(listed)
        if examination.is_stopped:
            break
    return await _recognised(examination.service, seen, near) if near else seen


def _dated(seen: Seen, answer: Described[Page]) -> Seen:
    """End the time in which the start can have been sent, by the service's word: before this answer was made."""
    served = posix_of_header(answer.date)
    if served is None or seen.sent.doubt_at is not None:
        return seen
    return seen._replace(sent=seen.sent._replace(doubt_at=served + RESOLUTION))


async def _recognised(service: Service, seen: Seen, near: list[Execution]) -> Seen:
    """Recognise the execution of a start whose answer was lost, as the reconcile does: by its content and its time."""
    candidates = []
    for listed in near:
        detail = (await service.execution(listed.name)).noun
        candidates.append(ExecutionDetail(listed, None if detail is None else detail.input))
    for _, found in match([seen.sent], candidates, [window(seen.sent, 0)]).started:
        return seen._replace(listed=found.execution, execution=found.execution)
    return seen


async def _questioned(service: Service, seen: Seen) -> Seen:
    """Ask what can be asked of the list and of the execution, whatever came of the start."""
    if seen.execution is not None:
        seen = seen._replace(detail=await service.execution(seen.execution.name))
    first = await service.page(limit=1)
    if first.noun is not None and first.noun.next_marker:
        seen = seen._replace(second=await service.page(limit=1, marker=first.noun.next_marker))
    return seen._replace(
        first=first,
        listing=seen.listing or first,
        called=await service.page(is_event=False),
        triggered=await service.page(is_event=True),
    )
