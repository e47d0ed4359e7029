"""The runs of a job: how many there were, when they began and ended, and with which exit code. Pure.

The checkpoint stores it for the report. Nothing else relies on it: the times are those of this machine's clock.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Runs(NamedTuple):
    """What is known of the runs of a job. Times are in POSIX seconds.

    `ended` and `code` are of the last run, None while it lasts and after it was killed.
    """

    number: int
    first: float
    """When the first run began."""
    began: float
    """When the last run began."""
    ended: float | None = None
    code: int | None = None


class History(NamedTuple):
    """The runs of a job, or of all shards of one. Times are in POSIX seconds."""

    number: int
    began: float
    ended: float | None
    """When the last run ended. None if one lasts, or did not end by itself."""
    codes: Mapping[int, int]
    """How many jobs, of one or of several shards, ended last with each exit code."""
    unended: int
    """How many of them have a last run that has not ended by itself."""


def begun(former: Runs | None, at: float) -> Runs:
    """Return the runs when another one begins at `at`."""
    return Runs(1, at, at) if former is None else Runs(former.number + 1, former.first, at)


def ended(runs: Runs, at: float, code: int) -> Runs:
    """Return the runs when the last one ends at `at` with an exit code."""
    return runs._replace(ended=at, code=code)


def encoded(runs: Runs) -> str:
    """Write the runs as text for the checkpoint."""
    return json.dumps(runs._asdict())


def decoded(text: str | int | None) -> Runs | None:
    """Read what `encoded` wrote. None if there is nothing, as in checkpoints of earlier versions."""
    return None if text is None else Runs(**json.loads(str(text)))


def together(each: Sequence[Runs | None]) -> History | None:
    """Return the history of a job, from the runs of each of its shards. None unless all of them are known."""
    known = [runs for runs in each if runs is not None]
    if not known or len(known) < len(each):
        return None
    ends = [runs.ended for runs in known if runs.ended is not None]
    return History(
        number=sum(runs.number for runs in known),
        began=min(runs.first for runs in known),
        ended=max(ends) if len(ends) == len(known) else None,
        codes=Counter(runs.code for runs in known if runs.code is not None),
        unended=len(known) - len(ends),
    )
