"""The prescription: which settings follow from the examination of a service. Pure.

Rule 1: rows in doubt may be settled by the list only if the list would have led to this start's execution.
Rule 2: one observation does not make an ambiguous answer safe: 503 stays in doubt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil

from batcher.errors import ExitCode, JobError, ServiceError
from batcher.model import Answer, Verdict
from batcher.rules.doctor.dwr_points import DWR
from batcher.rules.doctor.execution_list import LISTING, is_readable, is_timely
from batcher.rules.doctor.kept_input import KEPT, content, fits
from batcher.rules.doctor.list_clock import LIST_CLOCK
from batcher.rules.doctor.points import CALLS, DWR_UNTRIED, UNTRIED, Point, Seen, phrase
from batcher.rules.doubts.settle_time import SETTLE_TIME
from batcher.rules.job.card import OBS_V2
from batcher.rules.service import verdicts
from batcher.rules.settings_file import Setting

SPARE = 3
"""The settle time is this multiple of the measured delay, because the delay was measured only once."""
_STEP = 5

POINTS: Sequence[Point] = (*CALLS, *LISTING, *LIST_CLOCK, *KEPT)
"""Every point that one start can examine."""
_BY_TYPE_AND_NAME = frozenset({"list-filter", "list-order"})
"""The points about a list that is filtered by type and ordered by name. That of DWR v3 is not."""


def points_of(api: str) -> Sequence[Point]:
    """Return the points of an API."""
    if api == OBS_V2:
        return POINTS
    return (*CALLS, *(point for point in LISTING if point.name not in _BY_TYPE_AND_NAME), *DWR, *LIST_CLOCK, *KEPT)


def untried_of(api: str) -> Sequence[str]:
    """Return what one start cannot show of an API."""
    return UNTRIED if api == OBS_V2 else DWR_UNTRIED


def prescription(seen: Seen) -> Mapping[str, Setting]:
    """Return settings by flag name. There are none if certainly nothing was started."""
    if seen.start is None or (seen.execution is None and not is_doubtful(seen)):
        return {}
    settings = {"trust-503": Setting(value=False, why="one start cannot show that a 503 starts nothing")}
    why = _why_hold(seen)
    if why:
        return settings | {"on-doubt": Setting("hold", why)}
    settings["on-doubt"] = Setting("reconcile", "the execution was found, and its input is that of the start")
    if seen.delay is not None:
        seconds = max(SETTLE_TIME, ceil(SPARE * seen.delay.by / _STEP) * _STEP)
        settings["settle-time"] = Setting(seconds, f"listed {seen.delay.by:,.1f} s after its start")
    return settings


def is_doubtful(seen: Seen) -> bool:
    """Return whether an execution may have been started that neither an answer nor the list has shown."""
    return (
        seen.start is not None
        and seen.execution is None
        and verdicts.judge(seen.start, proven=False, repeated=False, trust_503=False) is Verdict.IN_DOUBT
    )


def _why_hold(seen: Seen) -> str:
    causes = (
        (not is_readable(seen), "the execution list cannot be read"),
        (seen.listed is None, f"the execution was not listed within {seen.waited:,.0f} s"),
        (not is_timely(seen), "the list does not show when the execution was started"),
        (seen.clock_off is None, "answers do not contain the service's time"),
        (content(seen) is None, "the execution does not show what it was started with"),
        (not fits(seen), "the execution's input differs from what was sent"),
    )
    return next((why for holds, why in causes if holds), "")


def ending(seen: Seen, reason: ExitCode | JobError | None) -> ExitCode | JobError:
    """Return the exit code for the result of the one start, or the error that explains why there was none.

    `reason` is why the examination was stopped early, None if it was not.
    """
    if isinstance(reason, JobError):
        return reason
    if seen.start is not None and seen.execution is None:
        return _without_execution(seen.start)
    return reason or ExitCode.OK


def _without_execution(start: Answer) -> ExitCode | JobError:
    verdict = verdicts.judge(start, proven=False, repeated=False, trust_503=False)
    if verdict is Verdict.FATAL:
        return verdicts.ending(start)
    if verdict is Verdict.REJECTED:
        return ExitCode.ROWS_REJECTED
    if verdict is Verdict.IN_DOUBT:
        return ExitCode.ROWS_IN_DOUBT
    return ServiceError(f"nothing was started: {phrase(start)}", "Run the same command again later.")
