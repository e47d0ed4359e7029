"""The pages of the execution list: which executions they show, and how they follow each other.

Without quirks the list is complete. Pure: times are POSIX seconds, chance is the seeded lot of the object.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from heapq import merge, nlargest
from itertools import islice
from math import inf
from operator import attrgetter
from typing import NamedTuple

from batcher.emulator.executions import Execution, Executions, ExecutionType, Listing
from batcher.emulator.quirks import Quirk, number
from batcher.emulator.settings import Settings
from batcher.emulator.shown_times import HOUR

BEFORE_ALL = "A"
"""A marker before every execution: types begin with APICALL."""


def list_delay(settings: Settings, bucket: str, object_: str) -> float:
    """Return for how many seconds an execution is missing from the list; infinity if it never appears."""
    if settings.strikes(Quirk.DROPS, bucket, object_):
        return inf
    return settings.list_delay if settings.strikes(Quirk.LAG_SHARE, bucket, object_, absent=1.0) else 0.0


def is_known(execution: Execution, settings: Settings, now: float, as_of: float) -> bool:
    """Return whether an execution is found by its name now, in details that are as of an earlier time."""
    if as_of < execution.started_at <= now:
        return False
    return now < execution.ends_at + number(settings.quirks, Quirk.DETAILS_VANISH, inf)


class Question(NamedTuple):
    """What is asked for: up to `limit` executions of a type (None: of all types) after `marker`, as of a time."""

    now: float
    limit: int
    marker: str = ""
    type: ExecutionType | None = None


def page(asked: Collection[Executions], question: Question, settings: Settings) -> Listing:
    """Return a page of the executions of these workflows, without those that are not listed yet."""
    quirks = settings.quirks
    now, limit, marker, type_ = question
    limit = min(limit, int(number(quirks, Quirk.PAGE_LIMIT, limit)))
    skipped = int(number(quirks, Quirk.PAGE_SKIP))
    is_shown = shown(asked, settings, now)
    following = merge(*(each.following(now, marker, type_) for each in asked), key=attrgetter("marker"))
    found = list(islice(filter(is_shown, following), limit + 1 + skipped))
    executions = found[:limit]
    if len(found) <= limit:
        next_marker = BEFORE_ALL if executions and Quirk.MARKER_LOOP in quirks else ""
    else:
        last = max(0, limit - 1 - int(number(quirks, Quirk.PAGE_REPEAT)))
        next_marker = found[min(last + skipped, len(found) - 1)].marker
    return Listing(list(repeated(executions, settings)), "" if Quirk.FIRST_PAGE_ONLY in quirks else next_marker)


def shown(asked: Collection[Executions], settings: Settings, now: float) -> Callable[[Execution], bool]:
    """Return the rule by which an execution that has been listed is still shown."""
    quirks = settings.quirks
    if Quirk.EMPTY_LIST in quirks:
        return lambda _: False
    began = now - HOUR * number(quirks, Quirk.LAST_HOURS, inf)
    ended = now - number(quirks, Quirk.VANISH, inf)
    if Quirk.LAST_EXECUTIONS in quirks:
        times = (each.started_at for executions in asked for each in executions if each.started_at <= now)
        newest = nlargest(int(number(quirks, Quirk.LAST_EXECUTIONS)), times)
        began = max(began, newest[-1] if newest else began)
    return lambda execution: execution.started_at >= began and execution.ends_at > ended


def repeated(executions: Collection[Execution], settings: Settings) -> Iterator[Execution]:
    """Yield executions, and some of them twice if a quirk wants it."""
    for execution in executions:
        yield execution
        if settings.strikes(Quirk.DUPLICATES, execution.bucket, execution.object):
            yield execution
