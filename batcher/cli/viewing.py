"""The view of a run: what its parts know, put together for whoever shows it."""

from __future__ import annotations

from batcher.cli.watch import Watch
from batcher.edges.manifest import AnyManifest
from batcher.rules import eta
from batcher.rules.progress import View


def view_of(manifest: AnyManifest, watch: Watch, limit: int | None) -> View:
    """Look at a run that sends at most `limit` rows (None: all of them)."""
    tally = watch.tally
    rows = eta.rows_in_all(tally.parsed, watch.lines_parsed, manifest.lines, is_parsed=tally.is_parsed)
    left = None if rows is None else rows - tally.ended
    if left is not None and limit is not None:
        left = min(left, limit - tally.sent)
    return View(
        rows=tally.rows,
        started=tally.started,
        rejected=tally.rejected,
        invalid=tally.invalid,
        duplicates=tally.duplicates,
        in_doubt=watch.earlier_doubts + tally.in_doubt - tally.adopted - tally.resent,
        retries=tally.retries,
        in_flight=tally.in_flight,
        oldest=watch.oldest,
        rate=watch.rate,
        limit=watch.turns.throttle.limit,
        state=watch.state,
        fraction=eta.part_done(tally.ended, rows),
        eta=None if watch.is_at_rest else eta.eta(left, watch.pace),
        seconds=watch.seconds,
    )
