"""The environment variables with which a command of the user learns how a job ended. Pure.

Each variable is always set, and empty if its value is not known. None has the name of an option's variable, so that a
command can call batcher again.
"""

from __future__ import annotations

from collections.abc import Mapping

from batcher.model import Status
from batcher.rules.ends.ending import End
from batcher.rules.progress.extent import Extent

PREFIX = "BATCHER_"
EXIT_CODE, COMMAND, JOB, RECORDS = (f"{PREFIX}{name}" for name in ("EXIT_CODE", "COMMAND", "JOB", "RECORDS"))
TOTAL, LEFT, FAILED = (f"{PREFIX}{name}" for name in ("TOTAL", "LEFT", "FAILED"))
STATUSES: Mapping[Status, str] = {
    each: f"{PREFIX}{each.value.upper()}" for each in Status if each is not Status.SENDING
}
"""A row that was being sent is in doubt when a job has ended."""
RUNNING = "running"
EXECUTIONS: Mapping[str, str] = {each: f"{PREFIX}EXECUTIONS_{each.upper()}" for each in (*End, RUNNING)}

NAMES = (EXIT_CODE, COMMAND, JOB, RECORDS, TOTAL, LEFT, FAILED, *STATUSES.values(), *EXECUTIONS.values())
"""All of them, in the order in which they are documented."""


def of_rows(counts: Mapping[Status, int], extent: Extent) -> dict[str, str]:
    """Return the variables about rows. `counts` are of a job that does not run."""
    failed = counts[Status.REJECTED] + counts[Status.INVALID]
    known = {TOTAL: extent.total, LEFT: extent.left, FAILED: failed}
    known |= {name: counts[status] for status, name in STATUSES.items()}
    return {name: str(value) for name, value in known.items() if value is not None}


def of_executions(ends: Mapping[str, int], running: int) -> dict[str, str]:
    """Return the variables about executions. Those that ended with a word that is not known count as unknown."""
    counts = dict.fromkeys(EXECUTIONS, 0) | {RUNNING: running}
    for end, count in ends.items():
        counts[end if end in {*End} else End.UNKNOWN] += count
    return {name: str(counts[end]) for end, name in EXECUTIONS.items()}
