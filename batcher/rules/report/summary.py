"""The ending: which exit code tells the truth about a run, and what to say with it. Pure.

Every exit code has its sentence here, with what to do next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from batcher.errors import ExitCode, JobError
from batcher.model import Status, Unsettled
from batcher.rules.progress.counts import Tally
from batcher.rules.rate.bottleneck import Cause
from batcher.rules.text import counted, number, printable

SHORTEST = 1.0
"""Seconds of a cause that are worth a word."""
SHOWN = 10
"""So many rows in doubt are named on the screen; all of them are in the records."""

NEXT: dict[ExitCode, str] = {
    ExitCode.OK: "Every row is started. Nothing is left to do.",
    ExitCode.ROWS_REJECTED: "Some rows were refused, rejected or are invalid: their records say why. Run the same"
    " command again to send refused rows. Fix the manifest first for the others, and add --retry-rejected to send"
    " rejected rows.",
    ExitCode.ROWS_IN_DOUBT: "Some rows may have been started, and neither an answer nor the execution list says so."
    " They are held. Run the same command again later, or batcher reconcile with the checkpoint.",
    ExitCode.STOPPED: "Stopped as you asked; rows are left. Run the same command again to go on.",
    ExitCode.SIGINT: "Interrupted. Run the same command again to go on.",
    ExitCode.SIGTERM: "Terminated. Run the same command again to go on.",
    ExitCode.SIGHUP: "The terminal is gone. Run the same command again to go on.",
}
"""What to do next, by exit code. Errors bring their own advice."""
DISMISSED = "Every row is started or dismissed. Nothing is left to do."
"""In place of the words for OK, where rows were dismissed."""
OWN_LEFT = "Every row of this manifest is started, and rows of the job are left."
"""In place of the words for OK, where the manifest that was run is not all that there is to the job."""


class Files(NamedTuple):
    """Where a run has put what."""

    records: str
    checkpoint: str


def exit_code(tally: Tally, in_doubt: int, reason: ExitCode | JobError | None) -> ExitCode:
    """Give the exit code of a run: why it stopped early, else the worst that is true of its rows."""
    if isinstance(reason, JobError):
        return reason.exit_code
    # Asked to stop when there was nothing left to send, it has not stopped early.
    is_late = reason is ExitCode.STOPPED and tally.read_whole and not tally.given_back
    if reason is not None and not is_late:
        return reason
    if tally.is_limited:
        return ExitCode.STOPPED
    if in_doubt:
        return ExitCode.ROWS_IN_DOUBT
    if tally.refused or tally.rejected or tally.invalid:
        return ExitCode.ROWS_REJECTED
    return ExitCode.OK


def summary(tally: Tally, in_doubt: int, seconds: float, files: Files) -> list[str]:
    """Say in a few lines what a run has done. `in_doubt` counts the checkpoint's rows, `seconds` is the run's time."""
    now_started = tally.written[Status.STARTED]
    rate = now_started / seconds if seconds > 0 else 0.0
    rows = counted(tally.rows, "row") if tally.read_whole else f"{counted(tally.rows, 'row')} read, more may follow"
    counts = (
        (tally.started, "started"),
        (tally.refused, "refused"),
        (tally.rejected, "rejected"),
        (tally.invalid, "invalid"),
        (tally.duplicate, "duplicate"),
        (in_doubt, "in doubt"),
        *([(tally.dismissed, "dismissed")] if tally.dismissed else []),
    )
    settled = f"{tally.found:,} found started in the execution list, {tally.missed:,} found absent and free to be sent"
    work = f"{counted(tally.requests, 'request')}, {tally.retries:,} of them retries"
    return [
        f"{rows}: {', '.join(f'{count:,} {name}' for count, name in counts)}",
        f"this run: {now_started:,} started in {seconds:,.1f} s ({rate:,.1f} a second), {work}",
        *([f"in doubt:   {settled}"] if tally.found or tally.missed else []),
        f"records:    {files.records}",
        f"checkpoint: {files.checkpoint}",
    ]


def slowness(limit: float | None, seconds: Mapping[Cause, float]) -> list[str]:
    """Say what kept a run from going faster: the limit found, and the seconds that each cause took."""
    causes = [f"{cause.value} {spent:,.0f} s" for cause, spent in seconds.items() if spent >= SHORTEST]
    lines = [f"limit:      the service takes about {number(limit)} starts a second"] if limit is not None else []
    return lines + ([f"slowed by:  {', '.join(causes)}"] if causes else [])


def doubts(rows: Sequence[Unsettled], total: int) -> list[str]:
    """Name the rows in doubt, the first few of `total`."""
    lines = [f"in doubt: row {row.number}: {row.bucket}/{printable(row.object)}" for row in rows[:SHOWN]]
    if total > len(lines):
        lines.append(f"in doubt: and {total - len(lines):,} more, see the records with status in_doubt")
    return lines
