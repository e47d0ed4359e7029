"""The examination: one start, sent once, and the requests that show what became of it.

The other requests have no side effect, so they are repeated a few times if no answer arrives. The start is never
repeated. If its answer is lost, its execution is looked for in the list, like that of any row in doubt.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from math import inf

from batcher.flow.ask import ask_patiently
from batcher.flow.service import Service
from batcher.model import Answer, Described, Execution, ExecutionDetail, Page, Row, Status, Unsettled, Verdict
from batcher.rules.doctor.points import Delay, Seen, hindrance
from batcher.rules.doubts.matching import is_within, match, window
from batcher.rules.doubts.times import EARLY
from batcher.rules.service import verdicts
from batcher.rules.service.clock import RESOLUTION, posix_of_header
from batcher.rules.service.dialect import Window

FIRST_WAIT, LONGEST_WAIT = 0.5, 10.0
"""Seconds between two walks over the list: the first and the longest wait. Each wait is twice the one before."""

EARLIER = (26 * 3600.0, 25 * 3600.0)
"""Seconds before the start between which a list is asked for that can be asked by time. What began then shows that the
list goes back a day; the start did not."""


@dataclass(frozen=True, slots=True)
class Examination:
    """What an examination needs."""

    service: Service
    start: Callable[[Row], Awaitable[Answer]]
    unknown: str
    """The name of a workflow that does not exist."""
    looking_for: float
    """Seconds for which to look for the execution in the list."""

    @property
    def is_stopped(self) -> bool:
        """Whether to send no more requests."""
        return self.service.patience.stopped()

    def steady(self) -> float:
        """Return the seconds of the steady clock, which cannot be set."""
        return self.service.clock.steady()


async def examine(examination: Examination, row: Row) -> Seen:
    """Start `row` once and collect what the service shows of it. Raises JobError if a start would be wasted."""
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
    # Sent once only: whatever the answer is, a second start would be a second execution.
    start = await examination.start(row)
    seen = seen._replace(start=start, execution=start.execution)
    if verdicts.judge(start, proven=True, repeated=False, trust_503=False) in {Verdict.STARTED, Verdict.IN_DOUBT}:
        seen = await _found(examination, seen, examination.steady())
    return await _questioned(service, seen)


async def _found(examination: Examination, seen: Seen, answered: float) -> Seen:
    """Walk the list repeatedly until it shows the execution or the time is over.

    `answered` is when the start was answered, by the steady clock.
    """
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
    """Walk the list once. Note this start's execution, and when the oldest execution began."""
    near: list[Execution] = []
    async for answer in examination.service.executions([Window(seen.sent.intent_at - EARLY, inf)]):
        seen = _dated(seen._replace(listing=answer), answer)
        for listed in answer.noun.executions if answer.noun else ():
            if listed.at is not None and (seen.oldest is None or listed.at < seen.oldest):
                seen = seen._replace(oldest=listed.at)
            if seen.execution is not None and listed.name == seen.execution.name:
                seen = seen._replace(listed=listed)
            # If the service's time is unknown, any execution in the list could match, so none is examined.
            if seen.execution is None and seen.sent.intent_at and is_within(listed.at, [window(seen.sent, 0)]):
                near.append(listed)
        if examination.is_stopped:
            break
    return await _recognised(examination.service, seen, near) if near else seen


def _dated(seen: Seen, answer: Described[Page]) -> Seen:
    """Set the latest time at which the start was sent: before the service made this answer, by its own clock."""
    served = posix_of_header(answer.date)
    if served is None or seen.sent.doubt_at is not None:
        return seen
    return seen._replace(sent=seen.sent._replace(doubt_at=served + RESOLUTION))


async def _recognised(service: Service, seen: Seen, near: list[Execution]) -> Seen:
    """Find the execution of a start whose answer was lost, as reconcile does: by its content and its time."""
    candidates = []
    for listed in near:
        detail = (await service.execution(listed.name)).noun
        candidates.append(ExecutionDetail(listed, None if detail is None else detail.input))
    for _, found in match([seen.sent], candidates, [window(seen.sent, 0)]).started:
        return seen._replace(listed=found.execution, execution=found.execution)
    return seen


async def _questioned(service: Service, seen: Seen) -> Seen:
    """Send the requests about the list and the execution, whatever the answer to the start was."""
    if seen.execution is not None:
        seen = seen._replace(detail=await service.execution(seen.execution.name))
    first = await service.page(limit=1)
    if first.noun is not None and first.noun.next_marker:
        seen = seen._replace(second=await service.page(limit=1, marker=first.noun.next_marker))
    seen = seen._replace(first=first, listing=seen.listing or first)
    if service.dialect.closes_after is not None:
        return await _earlier(service, seen)
    return seen._replace(called=await service.page(is_event=False), triggered=await service.page(is_event=True))


async def _earlier(service: Service, seen: Seen) -> Seen:
    """Ask the list for a time before the start, and note when the oldest execution began."""
    begin, end = (seen.sent.intent_at - each for each in EARLIER)
    async for answer in service.executions([Window(begin, end)]):
        times = [each.at for each in _of(answer) if each.at is not None]
        oldest = min([*times, *([] if seen.oldest is None else [seen.oldest])], default=None)
        shows = any(seen.execution is not None and each.name == seen.execution.name for each in _of(answer))
        seen = seen._replace(earlier=answer, oldest=oldest, shown_earlier=seen.shown_earlier or shows)
    return seen


def _of(answer: Described[Page]) -> Sequence[Execution]:
    return answer.noun.executions if answer.noun else ()
