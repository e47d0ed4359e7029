"""The options of a run that follows its executions: a canary, and a maximum of running ones.

No `from __future__ import annotations` here: the annotations are read at run time.
"""

from typing import Annotated

from batcher.options.declaring import Option, Options
from batcher.options.kinds import PERCENTAGE

ALL = 100.0
"""The percentage of canaries that have to succeed, unless the user gives another one."""
MOST = 1000
"""The most canaries. The checkpoint stores the identities of their candidates in one entry."""


class Bounded(Options):
    """How many executions may run."""

    group = "Watching"

    max_running: Annotated[
        int | None,
        Option(
            "Start a row only while fewer than N executions of this job run, as the execution list shows their ends.",
            least=1,
            most=1_000_000,
        ),
    ] = None


class Proven(Options):
    """What has to be proven before all rows are started."""

    group = "Canary"

    canary: Annotated[
        int | None,
        Option(
            "Start N rows first, spread over the list, watch them to their end, and go on only if they succeeded.",
            least=1,
            most=MOST,
        ),
    ] = None
    canary_success: Annotated[
        float, Option("Percentage of the canaries that have to succeed.", PERCENTAGE, default="100%")
    ] = ALL
    canary_passed: Annotated[
        bool, Option("Go on although the canary failed, or before it has ended.", is_spoken=True)
    ] = False
