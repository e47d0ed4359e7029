"""The end of a run: its exit code and its summary. Pure.

Every exit code has its sentence here, with advice on what to do next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from batcher.errors import ExitCode, JobError
from batcher.model import Status, Unsettled
from batcher.rules.progress.counts import Tally
from batcher.rules.progress.extent import Length, total_in_words
from batcher.rules.rate.bottleneck import Slowed
from batcher.rules.text import counted, number, printable

SHOWN = 10
"""Maximum number of rows in doubt that are named on the screen. All of them are in the records."""

NEXT: dict[ExitCode, str] = {
    ExitCode.OK: "Every row is started. Nothing is left to do.",
    ExitCode.ROWS_REJECTED: "Some rows were refused, rejected or invalid; their records show why. Run the same command"
    " again to send refused rows. For the others, fix the manifest first, and add --retry-rejected to send rejected"
    " rows.",
    ExitCode.ROWS_IN_DOUBT: "Some rows may have been started, but neither an answer nor the execution list confirms it."
    " They are not sent again. Run the same command again later, or batcher reconcile with the checkpoint.",
    ExitCode.STOPPED: "Stopped as requested; rows are left. Run the same command again to continue.",
    ExitCode.SIGINT: "Interrupted. Run the same command again to continue.",
    ExitCode.SIGTERM: "Terminated. Run the same command again to continue.",
    ExitCode.SIGHUP: "The terminal was closed. Run the same command again to continue.",
}
"""The advice for each exit code. Errors have their own advice."""
SHARD_DONE = "Every row of this shard is started or settled."
DISMISSED = "Every row is started or dismissed. Nothing is left to do."
"""Replaces the text for OK if rows were dismissed."""
OWN_LEFT = "Every row of this manifest is started, but other rows of the job are left."
"""Replaces the text for OK if rows of the job are left that are not in the manifest of this run."""


class Files(NamedTuple):
    """The paths of a run's files."""

    records: str
    checkpoint: str


def exit_code(tally: Tally, in_doubt: int, reason: ExitCode | JobError | None) -> ExitCode:
    """Return the exit code of a run: why it stopped early, else the worst state of its rows."""
    if isinstance(reason, JobError):
        return reason.exit_code
    # If nothing was left to send when it was stopped, the run has not stopped early.
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


def summary(tally: Tally, length: Length | None, in_doubt: int, seconds: float, files: Files) -> list[str]:
    """Summarize a run in a few lines. `in_doubt` counts the checkpoint's rows, `seconds` is the run's duration.

    `length` is that of the manifest, None if it is not known.
    """
    now_started = tally.written[Status.STARTED]
    rate = now_started / seconds if seconds > 0 else 0.0
    counts = (
        (tally.started, "started"),
        (tally.refused, "refused"),
        (tally.rejected, "rejected"),
        (tally.invalid, "invalid"),
        (tally.duplicate, "duplicate"),
        (in_doubt, "in doubt"),
        *([(tally.dismissed, "dismissed")] if tally.dismissed else []),
    )
    settled = f"{tally.found:,} found in the execution list, {tally.missed:,} not found and therefore not started"
    retries = f"{tally.retries:,} {'retry' if tally.retries == 1 else 'retries'}"
    work = f"{counted(tally.requests, 'request')} including {retries}"
    return [
        f"{_extent(tally, length)}: {', '.join(f'{count:,} {name}' for count, name in counts)}",
        f"this run: {now_started:,} started in {seconds:,.1f} s ({rate:,.1f} per second), {work}",
        *([f"in doubt:   {settled}"] if tally.found or tally.missed else []),
        f"records:    {files.records}",
        f"checkpoint: {files.checkpoint}",
    ]


def _extent(tally: Tally, length: Length | None) -> str:
    if tally.read_whole:
        return counted(tally.rows, "row")
    if length is None:
        return f"{counted(tally.rows, 'row')} read, their total is unknown"
    total = total_in_words(length.rows, is_exact=length.is_exact)
    rows = "row" if length.rows == 1 else "rows"
    return f"{tally.done:,} of {total} {rows} done, {max(0, length.rows - tally.done):,} left"


def slowness(limit: float | None, slowed: Slowed) -> list[str]:
    """Report what limited a run: the estimated limit of the service, and the seconds lost to each cause."""
    found = f"about {number(limit)} starts per second (estimated)" if limit is not None else "not found"
    lines = [f"limit:      {'; '.join(filter(None, [found, slowed.refused]))}"] if limit or slowed.refused else []
    return lines + ([f"slowed by:  {slowed.words}"] if slowed.words else [])


def doubts(rows: Sequence[Unsettled], total: int) -> list[str]:
    """List the first rows in doubt out of `total`."""
    lines = [f"in doubt: row {row.number}: {row.bucket}/{printable(row.object)}" for row in rows[:SHOWN]]
    if total > len(lines):
        lines.append(f"in doubt: {total - len(lines):,} more, see the records with status in_doubt")
    return lines
