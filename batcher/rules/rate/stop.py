"""When to stop a job whose rows are rejected, before all of them are. Pure decisions."""

from __future__ import annotations

import re
from typing import NamedTuple

from msgspec import Struct

from batcher.errors import UsageError
from batcher.model import Verdict
from batcher.rules.text import plain

ENOUGH = 100
"""Finished rows before a percentage applies: 1 bad row of the first 2 does not mean that half of them fail."""

REJECTED_IN_A_ROW = 20
"""Rejections without a single start after which the job, not its rows, is taken to be wrong."""

_LIMIT = re.compile(r"(\d{1,18})|(\d{1,3}(?:\.\d{1,6})?)%", re.ASCII)


class MaxFailures(NamedTuple):
    """How many rows may fail: a number of `rows`, or a `percentage` of the finished rows."""

    rows: int | None = None
    percentage: float | None = None

    def __str__(self) -> str:
        return f"{self.rows}" if self.percentage is None else f"{plain(self.percentage)}%"


def max_failures(text: str) -> MaxFailures:
    """Parse `N` or `P%`, with P from 0 to 100. Raises UsageError."""
    match = _LIMIT.fullmatch(text.strip())
    if match and match[1]:
        return MaxFailures(rows=int(match[1]))
    if match and float(match[2]) <= 100:  # noqa: PLR2004 - per cent
        return MaxFailures(percentage=float(match[2]))
    raise UsageError(
        "neither a number of rows nor a percentage",
        "Give a number of rows, or a percentage up to 100%, such as 5%.",
    )


def is_exceeded(limit: MaxFailures, failed: int, ended: int) -> bool:
    """Return whether more rows failed than allowed. A percentage does not apply before 100 rows have finished."""
    if limit.rows is not None:
        return failed > limit.rows
    return limit.percentage is not None and ended >= ENOUGH and failed * 100 > limit.percentage * ended


class Streak(Struct, frozen=True):
    """Consecutive rejections, and whether any start of this run has succeeded."""

    rejected: int = 0
    is_proven: bool = False


def count(streak: Streak, verdict: Verdict) -> Streak:
    """Return the streak after one more verdict. Only starts and rejections change it."""
    if streak.is_proven:
        return streak
    if verdict is Verdict.STARTED:
        return Streak(is_proven=True)
    return Streak(streak.rejected + 1) if verdict is Verdict.REJECTED else streak


def is_broken(streak: Streak) -> bool:
    """Return whether the whole job seems to be wrong rather than its rows."""
    return not streak.is_proven and streak.rejected >= REJECTED_IN_A_ROW
