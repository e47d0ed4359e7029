"""The content of a run's page while it lasts."""

from __future__ import annotations

from batcher.app.job import Run
from batcher.app.job_identity import job_of
from batcher.rules.rate.bottleneck import Slowed
from batcher.rules.report.live import Live, counts_of, live_page
from batcher.rules.report.page import Known, Page


def page_of(run: Run, live: Live) -> Page:
    """Return the page of a run as it stands."""
    now, tally = run.monitor.figures(), run.tally
    known = Known(
        job=job_of(run.files.card, run.options.checkpoint),
        running=True,
        read_whole=tally.read_whole,
        length=run.monitor.length,
        counts=counts_of(now, tally.dismissed),
        in_doubt=(),
        limit=now.limit,
        slowed=Slowed(now.chance, dict(now.slowed), run.monitor.turns.flight.at_once),
        at=run.world.clock(),
    )
    return live_page(known, now, live)
