"""Compares how the execution list behaves with what is assumed of it. Pure.

https://support.huaweicloud.com/en-us/api-obs/obs_04_0128.html documents pages, a marker and two types. It does not say
how soon an execution is listed, for how long, and in which order.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from batcher.model import Described, Execution, Page
from batcher.rules.doctor.points import Point, Result, Seen, compared, confirmed, differs, phrase, unseen
from batcher.rules.doubts.matching import is_within, window
from batcher.rules.doubts.settle_time import SETTLE_TIME
from batcher.rules.doubts.times import RETENTION
from batcher.rules.service.clock import posix

_STATES = frozenset({"running", "success", "failed", "fail", "timeout", "cancel"})
"""Those of both APIs. Only OBS has FAILED."""
_FEWEST = 3
"""The minimum number of executions that show an order that is not chance."""


def is_readable(seen: Seen) -> bool:
    """Return whether the list could be read."""
    return _page(seen.listing) is not None


def is_timely(seen: Seen) -> bool:
    """Return whether a reconcile would find the execution by its time in the list."""
    if seen.listed is None:
        return False
    at = seen.listed.at
    return at is not None and is_within(at, [window(seen.sent, 0)])


def _readable(seen: Seen) -> Result:
    if seen.listing is None:
        return unseen("the list was not requested")
    return confirmed("every page was read") if is_readable(seen) else differs(phrase(seen.listing))


def _delay(seen: Seen) -> Result:
    if not is_readable(seen):
        return unseen("the list was not read")
    if seen.execution is None:
        return unseen("no execution of this start was found in the list")
    if seen.delay is None:
        return differs(f"not listed within {seen.waited:,.0f} s")
    by = f"listed {seen.delay.by:,.1f} s after the answer to the start"
    shown = by if seen.delay.after is None else f"{by}, not yet listed at {seen.delay.after:,.1f} s"
    return compared(shown, holds=seen.delay.by <= SETTLE_TIME)


def _times(seen: Seen) -> Result:
    if seen.listed is None:
        return unseen("the execution was not seen in the list")
    text = seen.listed.started_at
    if not is_timely(seen):
        return differs(f"{text or 'no time'}, which is not the time of the start")
    answered = None if seen.execution is None else seen.execution.started_at
    if answered and posix(answered) != seen.listed.at:
        return differs(f"{text}, but the answer to the start had {answered}")
    return confirmed(f"{text} is the time of the start")


def _filter(seen: Seen) -> Result:
    called, triggered = _page(seen.called), _page(seen.triggered)
    if seen.called is None or seen.triggered is None:
        return unseen("the list was not requested")
    if called is None or triggered is None:
        return differs(phrase(seen.called if called is None else seen.triggered))
    wrong = [each for each in called.executions if each.type.upper() != "APICALL"]
    wrong += [each for each in triggered.executions if not each.type.upper().startswith("TRIGGER")]
    if wrong:
        return differs(f"a list of one type also contains {wrong[0].type or 'executions without a type'}")
    if not called.executions:
        return unseen("there was no execution to list")
    return confirmed(
        f"{len(called.executions)} of APICALL, {len(triggered.executions)} of TRIGGERCAL on their first pages"
    )


def _order(seen: Seen) -> Result:
    page = _page(seen.called)
    if page is None or len(page.executions) < _FEWEST:
        return unseen("too few executions in the list")
    if _is_sorted([each.type + each.name for each in page.executions]):
        return confirmed(f"{len(page.executions)} executions are ordered by name")
    times = [each.started_at for each in page.executions]
    in_time = _is_sorted(times) or _is_sorted(times[::-1])
    return differs("ordered by time" if in_time else "in no recognizable order")


def _is_sorted(texts: Sequence[str]) -> bool:
    return all(one <= other for one, other in pairwise(texts))


def _paging(seen: Seen) -> Result:
    first, second = _page(seen.first), _page(seen.second)
    if first is None:
        return unseen("no page was read")
    if len(first.executions) > 1:
        return differs(f"a page of one execution has {len(first.executions)}")
    if not first.next_marker:
        return unseen("one page contains all executions")
    if second is None:
        return differs("the second page cannot be read")
    if _names(first.executions) & _names(second.executions):
        return differs("the second page repeats the first")
    return confirmed("the marker of a page leads to the next page")


def _names(executions: Sequence[Execution]) -> set[str]:
    return {each.name for each in executions}


def _count(seen: Seen) -> Result:
    page = _page(seen.first)
    if page is None or not page.next_marker:
        return unseen("one page contains all executions")
    return compared(f"{page.counted} on a page of {len(page.executions)}", holds=page.counted == len(page.executions))


def _state(seen: Seen) -> Result:
    if seen.listed is None:
        return unseen("the execution was not seen in the list")
    return compared(seen.listed.state or "no state", holds=seen.listed.state.lower() in _STATES)


def _retention(seen: Seen) -> Result:
    if seen.oldest is None or seen.sent.doubt_at is None:
        return unseen("no execution with a time was listed, or the service does not report its own time")
    age = seen.sent.doubt_at - seen.oldest
    days = f"the oldest execution is {age / 86400:,.1f} days old"
    return confirmed(days) if age > RETENTION else unseen(days)


def _page(answer: Described[Page] | None) -> Page | None:
    return None if answer is None else answer.noun


LISTING: Sequence[Point] = (
    Point("list", "the key may read the execution list, and each page can be read completely", _readable),
    Point("list-delay", f"an execution is listed within {SETTLE_TIME:.0f} s of its start", _delay),
    Point("list-times", "its time in the list is in UTC by the service's clock, and equals that in the answer", _times),
    Point("list-filter", "a list of one type contains only that type, APICALL or TRIGGERCAL", _filter),
    Point("list-order", "the list is ordered by name, not by time", _order),
    Point("list-paging", "a page is as long as requested, and its marker leads to the next page", _paging),
    Point("list-count", "count is the number of executions on the page, not of all executions", _count),
    Point("states", "an execution is RUNNING, SUCCESS or FAILED", _state),
    Point("retention", "the list keeps executions for a day or longer", _retention),
)
"""The points about the execution list."""
