"""The walk over the execution list of DWR v3, which is asked for spans of time and shows a part of a full span. Pure.

A span that does not fit is halved. Every span is asked for from one second before it to one second after it, since it
is not documented whether the ends belong to it. https://support.huaweicloud.com/api-dwr/dwr_04_0128.html
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from datetime import UTC, datetime
from math import floor, isinf
from typing import NamedTuple

from batcher.model import Execution, Page
from batcher.rules.service.dialect import Call, Walk, Window

MOST_LISTED = 200
"""The most executions on a page. The service ignores a higher limit."""
FURTHEST = 1000
"""The highest offset that the service accepts."""
LONGEST_OFFSET = 9
"""Digits of the longest offset that is read."""
LONGEST_SPAN = 3 * 86_400 - 2
"""Seconds of the longest span: the service lists as much if it is asked for one end only, so it can."""
READINGS = 4
"""How many times a span of several pages is read if it changes meanwhile."""

UNDATED = "the execution list can only be asked for by time, and the time of a row is not known"
OUTSIDE = "the execution list shows executions of other times than it was asked for"
TOO_FULL = "more executions began in one second than the execution list shows"
TOO_LARGE = "an entry of the execution list is too large to be read"
FEWER = "the execution list shows fewer executions than it counts"
MOVING = "the execution list changes while it is read"
ASTRAY = "the execution list repeats an offset"


class Span(NamedTuple):
    """Whole seconds since 1970, both included."""

    first: int
    last: int


class _Full(NamedTuple):
    """A span does not fit. `limit` is the limit that its pages were read with."""

    limit: int


PageOf = Callable[[Span, str, int], Call]
"""Composes the call for the page of a span at an offset (empty for the first), with a limit."""


def walk(page_of: PageOf, windows: Sequence[Window]) -> Walk:
    """List every execution that began within the windows. All of these must have passed.

    A second with too many executions is read as far as it is shown, and so are the others. Then the list is not whole.
    """
    fault = ""
    for window in windows:
        if isinf(window.end) or window.begin <= 0:
            return UNDATED
        spans = _parts(Span(floor(window.begin), floor(window.end)))
        while spans:
            span = spans.pop()
            reason = yield from _read(page_of, span)
            if isinstance(reason, str) and reason:
                return reason
            if isinstance(reason, _Full):
                if span.first == span.last:
                    fault = TOO_FULL
                    continue
                middle = (span.first + span.last) // 2
                spans += [Span(middle + 1, span.last), Span(span.first, middle)]
    return fault


def times_of(span: Span) -> tuple[str, str]:
    """Return the two ends to ask for, as the service writes times."""
    begin, end = (datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for at in _asked(span))
    return begin, end


def _asked(span: Span) -> tuple[int, int]:
    return span.first - 1, span.last + 1


def _parts(span: Span) -> list[Span]:
    """Divide a span into parts that may be asked for, the latest first."""
    firsts = range(span.first, max(span.first, span.last) + 1, LONGEST_SPAN)
    return [Span(first, min(first + LONGEST_SPAN - 1, max(span.last, first))) for first in reversed(firsts)]


def _read(page_of: PageOf, span: Span) -> Generator[Call, Page | None, str | _Full]:
    """Read all pages of a span. Return _Full if there are too many, else why it cannot be read, empty if it was read.

    Executions that begin or are deleted meanwhile move others to another page, which is then not seen. So the first
    page of several is read again: if it is the same as before, none was moved.
    """
    limit = MOST_LISTED
    for _ in range(READINGS):
        first = yield page_of(span, "", limit)
        while first is None and limit > 1:
            limit //= 2
            first = yield page_of(span, "", limit)
        if first is None:
            return TOO_LARGE
        reason = yield from _pages(page_of, span, first, limit)
        if reason not in {"", FEWER} or not first.next_marker:
            return reason
        again = yield page_of(span, "", limit)
        if again is not None and _places(again) == _places(first):
            return reason
    return MOVING


def _pages(page_of: PageOf, span: Span, first: Page, limit: int) -> Generator[Call, Page | None, str | _Full]:
    """Read the pages after the first one."""
    page, names, offset = first, set[str](), 0
    while True:
        if any(_is_outside(each, span) for each in page.executions):
            return OUTSIDE
        names.update(each.name for each in page.executions)
        if not page.next_marker:
            return FEWER if page.counted is not None and page.counted > len(names) else ""
        following = _number(page.next_marker)
        if following <= offset:
            return ASTRAY
        offset = following
        if offset > FURTHEST:
            return _Full(limit)
        answered = yield page_of(span, page.next_marker, limit)
        if answered is None:
            return TOO_LARGE
        page = answered


def _places(page: Page) -> tuple[list[str], str]:
    """Return where the executions of a page are. What else is shown of them changes when they end."""
    return [each.name for each in page.executions], page.next_marker


def _number(marker: str) -> int:
    """Return the offset that a marker is, 0 if it is none."""
    is_offset = marker.isascii() and marker.isdecimal() and len(marker) <= LONGEST_OFFSET
    return int(marker) if is_offset else 0


def _is_outside(execution: Execution, span: Span) -> bool:
    """Return whether an execution certainly began before or after the ends that were asked for."""
    begin, end = _asked(span)
    # A time may be rounded to the second.
    return execution.at is not None and not begin - 1 <= execution.at <= end + 1
