"""The times that a look at the execution list asks for: those of the executions that still run. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from statistics import median
from typing import NamedTuple

from batcher.rules.doubts.control import Control
from batcher.rules.doubts.times import EARLY, LATE
from batcher.rules.service.dialect import Window

FULLEST = 500
"""The most running executions of this job in a span that is asked for. DWR shows about 1,200 executions of a span."""
GAP = 2 * EARLY
"""Seconds without a start that end a span."""
SKEWED = 60.0
"""Seconds by which the times in answers to starts must differ from the service's clock to be corrected."""


class Margins(NamedTuple):
    """Where the list has an execution, relative to the time in the answer to its start, in seconds."""

    begin: float = -EARLY
    end: float = EARLY


def margins(controls: Sequence[Control]) -> Margins:
    """Return the margins that the controls show: a service may answer in local time, or with whole minutes."""
    late = [each.latest - each.at for each in controls if each.at is not None and each.answered_at is not None]
    if not late:
        return Margins()
    shift = median(late) if abs(median(late)) > SKEWED else 0.0
    return Margins(shift - EARLY, shift + EARLY + min(LATE, max(0.0, max(late) - shift)))


def spans(times: Iterable[float], around: Margins) -> Iterator[Window]:
    """Divide the times of starts, in their order, into windows of at most FULLEST of them.

    Windows that follow each other without a GAP meet, so that nothing is asked for twice. A time that is not known, 0,
    is left out: the list cannot be asked for it.
    """
    begin = last = 0.0
    count = 0
    for at in times:
        if at <= 0:
            continue
        if count and at - last > GAP:
            yield Window(begin, last + around.end)
            count = 0
        if not count:
            begin = at + around.begin
        elif count == FULLEST:
            middle = at + (around.begin + around.end) / 2
            yield Window(begin, middle)
            begin, count = middle, 0
        last = at
        count += 1
    if count:
        yield Window(begin, last + around.end)
