"""The end of a watch: its summary and its exit code. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from batcher.errors import ExitCode, JobError
from batcher.rules.ends.ending import End, words_of
from batcher.rules.ends.figures import counts
from batcher.rules.ends.followed import Known
from batcher.rules.ends.redriven import Redriven
from batcher.rules.text import counted, printable

NAMED = 10
"""The most unknown executions, and the most causes, that are shown."""

NEXT: Mapping[ExitCode, str] = {
    ExitCode.OK: "Every execution succeeded. Nothing is left to do.",
    ExitCode.ENDS: "Some executions did not succeed. The end records show which.",
    ExitCode.DEADLINE: "Executions still run. Run the same command again to follow them.",
    ExitCode.SIGINT: "Interrupted; the executions go on. Run the same command again to follow them.",
    ExitCode.SIGTERM: "Terminated; the executions go on. Run the same command again to follow them.",
    ExitCode.SIGHUP: "The terminal was closed; the executions go on. Run the same command again to follow them.",
}
"""What to do next, by exit code. Errors have their own advice."""


class Cause(NamedTuple):
    """Executions that failed alike: how they ended, the state that failed, its message, and how many."""

    end: str
    state: str
    message: str
    number: int


def executions(number: int) -> str:
    """Format a number of executions."""
    return counted(number, "execution")


def lines(ends: Mapping[str, int], running: int, causes: Sequence[Cause]) -> list[str]:
    """Summarize how executions ended, with the causes of those that were asked for them."""
    found = [f"watched:   {counts(ends, running)}"]
    asked = sum(cause.number for cause in causes)
    failed = sum(ends.get(end, 0) for end in (End.FAILED, End.TIMED_OUT, End.CANCELLED))
    found += [f"{words_of(cause.end)}: {cause.number:,} {cause_in_words(cause)}" for cause in causes[:NAMED]]
    if asked < failed and causes:
        found.append(f"causes: {asked:,} of {failed:,} were asked for; --details N asks for more")
    return found


def redriven(seen: Redriven) -> list[str]:
    """Return how many executions were restored, in one line; none if none was."""
    if not seen.restores and not seen.in_doubt:
        return []
    often = f", {seen.restores:,} times in all" if seen.restores != seen.executions else ""
    doubts = f"; {executions(seen.in_doubt)} in doubt" if seen.in_doubt else ""
    return [f"redriven:  {executions(seen.executions)}{often}{doubts}"]


def cause_in_words(cause: Cause) -> str:
    """Return where and why executions failed, as far as the service shows it."""
    where = f"in state {cause.state}" if cause.state else "in a state that is not shown"
    return f"{where}: {cause.message or 'no message'}"


def cause_of(known: Known) -> str:
    """Return where and why an execution failed. Empty if it was not asked for that."""
    if known.end is None or known.state is None:
        return ""
    return cause_in_words(Cause(known.end, known.state, known.message or "", 1))


def named(known: Known) -> str:
    """Name an execution, with its row and its object."""
    return f"row {known.row:,}: {known.bucket or '?'}/{printable(known.object or '?')} (execution {known.name})"


def unknown(some: Sequence[Known], ends: Mapping[str, int]) -> list[str]:
    """Name executions whose end is unknown."""
    found = [f"unknown: {named(each)}" for each in some]
    more = ends.get(End.UNKNOWN, 0) - len(some)
    return found + ([f"and {executions(more)} more"] if more > 0 else [])


def exit_code(ends: Mapping[str, int], running: int, reason: ExitCode | JobError | None) -> ExitCode:
    """Return the exit code of a watch: why it stopped, if executions run, else whether all of them succeeded."""
    if isinstance(reason, JobError):
        return reason.exit_code
    if running and reason is not None:
        return reason
    return ExitCode.OK if sum(ends.values()) == ends.get(End.SUCCEEDED, 0) and not running else ExitCode.ENDS
