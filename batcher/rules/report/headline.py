"""The headline of a report: how the rows stand, with their shares, and what that means. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from batcher.model import Status
from batcher.rules.progress.extent import Extent, percent
from batcher.rules.text import counted

_FAILED = (Status.REJECTED, Status.INVALID)
_KINDS = (
    (_FAILED, "failed"),
    ((Status.IN_DOUBT,), "in doubt"),
    ((Status.REFUSED,), "refused"),
    ((Status.SENDING,), "being sent"),
    ((Status.PENDING,), "not started yet"),
    ((Status.DUPLICATE,), "duplicate"),
    ((Status.DISMISSED,), "dismissed"),
)
"""What rows that are not started are called in the headline, in the order of importance."""
_NOTES = (
    (Status.IN_DOUBT, "Rows in doubt may have been started."),
    (Status.REFUSED, "The service was too busy to start refused rows."),
)
"""What a status means for the user, where its word does not say it."""
NOTHING_LEFT = "Nothing is left to do."


def headline(counts: Mapping[Status, int], whole: Extent, *, running: bool, read_whole: bool) -> str:
    """Return how the rows stand in one sentence. The shares are those of the whole manifest, if its length is known."""
    known = sum(counts.values())
    if not known:
        nothing = "The manifest has no rows." if read_whole else "No rows have been processed yet."
        return f"{RUNNING} {nothing}" if running else nothing
    said = [_of_all(counts[Status.STARTED], whole, known)]
    for statuses, name in _KINDS:
        count = sum(counts[status] for status in statuses)
        about = ""
        if Status.PENDING in statuses and whole.unread:
            # Whether a row was read already does not matter in a headline.
            count, about = count + whole.unread, "" if whole.is_exact else "about "
        if count:
            said.append(f"{about}{count:,} {name}{_share(whole, count)}")
    return f"{', '.join(said)}."


RUNNING = "A run is in progress."


def notes(counts: Mapping[Status, int], whole: Extent, *, running: bool, read_whole: bool) -> list[str]:
    """Return sentences that explain the headline, and what is not known."""
    found = [RUNNING] if running else []
    found += [text for status, text in _NOTES if counts[status]]
    if not sum(counts.values()):
        return found
    if whole.total is None:
        found.append("The manifest may have more rows.")
    is_done = read_whole and not running and not whole.left and not any(counts[each] for each in _FAILED)
    return [*found, NOTHING_LEFT] if is_done else found


def of_executions(ends: Sequence[tuple[str, int]], succeeded: int, running: int) -> str:
    """Return how executions ended in one sentence. `ends` are those besides success: their names and counts."""
    total = succeeded + running + sum(count for _, count in ends)
    said = [f"{succeeded:,} of {counted(total, 'execution')} succeeded ({percent(succeeded / total)})"]
    said += [f"{count:,} {name} ({percent(count / total)})" for name, count in ends]
    return ", ".join(said + ([f"{running:,} running ({percent(running / total)})"] if running else [])) + "."


def _of_all(started: int, whole: Extent, known: int) -> str:
    if whole.total is None:
        return f"{started:,} of {counted(known, 'row')} read so far started"
    if started == whole.total and whole.is_exact:
        return "The only row is started" if started == 1 else f"All {started:,} rows are started"
    return f"{started:,} of {whole.words} {'row' if whole.total == 1 else 'rows'} started{_share(whole, started)}"


def _share(whole: Extent, count: int) -> str:
    return "" if whole.total is None else f" ({percent(whole.share_of(count))})"
