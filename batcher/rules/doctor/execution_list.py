"""The listing: what the execution list has shown of itself, held against what is assumed of it. Pure.

The documented part is https://support.huaweicloud.com/en-us/api-obs/obs_04_0128.html: pages, a marker, two types. How
soon an execution is listed, for how long, and in which order is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from batcher.model import Described, Execution, Page
from batcher.rules.doctor.points import Point, Seen, Told, confirmed, differs, phrase, told, unseen
from batcher.rules.doubts.matching import RETENTION, is_within, window
from batcher.rules.doubts.settle_time import SETTLE_TIME
from batcher.rules.service.clock import posix

_STATES = frozenset({"running", "success", "failed"})
_FEWEST = 3
"""So many executions at least tell an order from chance."""


def is_readable(seen: Seen) -> bool:
    """Tell whether the list could be read."""
    return _page(seen.listing) is not None


def is_timely(seen: Seen) -> bool:
    """Tell whether the execution's time in the list would lead a reconcile to it."""
    if seen.listed is None:
        return False
    at = seen.listed.at
    return at is not None and is_within(at, [window(seen.sent, 0)])


def _readable(seen: Seen) -> Told:
    if seen.listing is None:
        return unseen("the list was not asked for")
    return confirmed("every page") if is_readable(seen) else differs(phrase(seen.listing))


def _delay(seen: Seen) -> Told:
    if not is_readable(seen):
        return unseen("the list was not read")
    if seen.execution is None:
        return unseen("no execution of this start was found in the list")
    if seen.delay is None:
        return differs(f"not listed within {seen.waited:,.0f} s")
    by = f"{seen.delay.by:,.1f} s after the start was answered"
    shown = f"by {by}" if seen.delay.after is None else f"not {seen.delay.after:,.1f} s, but {by}"
    return told(shown, holds=seen.delay.by <= SETTLE_TIME)


def _times(seen: Seen) -> Told:
    if seen.listed is None:
        return unseen("the execution was not seen in the list")
    text = seen.listed.started_at
    if not is_timely(seen):
        return differs(f"{text or 'no time'}, which is not when it was started")
    answered = None if seen.execution is None else seen.execution.started_at
    if answered and posix(answered) != seen.listed.at:
        return differs(f"{text}, where the start was answered with {answered}")
    return confirmed(f"{text} is when it was started")


def _filter(seen: Seen) -> Told:
    called, triggered = _page(seen.called), _page(seen.triggered)
    if seen.called is None or seen.triggered is None:
        return unseen("the list was not asked for")
    if called is None or triggered is None:
        return differs(phrase(seen.called if called is None else seen.triggered))
    wrong = [each for each in called.executions if each.type.upper() != "APICALL"]
    wrong += [each for each in triggered.executions if not each.type.upper().startswith("TRIGGER")]
    if wrong:
        return differs(f"asked for one type, it lists {wrong[0].type or 'no type'} too")
    if not called.executions:
        return unseen("no execution was there to be listed")
    return confirmed(
        f"{len(called.executions)} of APICALL, {len(triggered.executions)} of TRIGGERCAL on their first pages"
    )


def _order(seen: Seen) -> Told:
    page = _page(seen.called)
    if page is None or len(page.executions) < _FEWEST:
        return unseen("too few executions")
    if _is_sorted([each.type + each.name for each in page.executions]):
        return confirmed(f"by name, {len(page.executions)} executions")
    times = [each.started_at for each in page.executions]
    in_time = _is_sorted(times) or _is_sorted(times[::-1])
    return differs("in the order of time" if in_time else "in no order that shows")


def _is_sorted(texts: Sequence[str]) -> bool:
    return all(one <= other for one, other in pairwise(texts))


def _paging(seen: Seen) -> Told:
    first, second = _page(seen.first), _page(seen.second)
    if first is None:
        return unseen("no page was read")
    if len(first.executions) > 1:
        return differs(f"asked for one execution, it lists {len(first.executions)}")
    if not first.next_marker:
        return unseen("one page holds all executions")
    if second is None:
        return differs("the second page cannot be read")
    if _names(first.executions) & _names(second.executions):
        return differs("the second page repeats the first")
    return confirmed("the marker of a page leads to the next one")


def _names(executions: Sequence[Execution]) -> set[str]:
    return {each.name for each in executions}


def _count(seen: Seen) -> Told:
    page = _page(seen.first)
    if page is None or not page.next_marker:
        return unseen("one page holds all executions")
    return told(f"{page.counted} on a page of {len(page.executions)}", holds=page.counted == len(page.executions))


def _state(seen: Seen) -> Told:
    if seen.listed is None:
        return unseen("the execution was not seen in the list")
    return told(seen.listed.state or "no state", holds=seen.listed.state.lower() in _STATES)


def _retention(seen: Seen) -> Told:
    if seen.oldest is None or seen.sent.doubt_at is None:
        return unseen("no execution with a time was listed, or the service does not tell its own")
    age = seen.sent.doubt_at - seen.oldest
    days = f"its oldest execution is {age / 86400:,.1f} days old"
    return confirmed(days) if age > RETENTION else unseen(days)


def _page(answer: Described[Page] | None) -> Page | None:
    return None if answer is None else answer.noun


LISTING: Sequence[Point] = (
    Point("list", "the key may read the execution list, and each page can be read whole", _readable),
    Point("list-delay", f"an execution is listed within {SETTLE_TIME:.0f} s of its start", _delay),
    Point("list-times", "its time in the list is the service's, in UTC, and that of the start's answer", _times),
    Point("list-filter", "a list of one type holds only that type, APICALL or TRIGGERCAL", _filter),
    Point("list-order", "the list is in the order of names, not of time", _order),
    Point("list-paging", "a page is as long as it is asked to be, and its marker leads to the next", _paging),
    Point("list-count", "count is that of the page, not of all executions", _count),
    Point("states", "an execution is RUNNING, SUCCESS or FAILED", _state),
    Point("retention", "the list keeps executions for a day and longer", _retention),
)
"""The points that have to do with the execution list."""
