"""The content of a run's page while it lasts."""

from __future__ import annotations

from collections.abc import Callable

from batcher.app.job import Run
from batcher.app.job_identity import job_of
from batcher.options.verbs import RunOptions
from batcher.rules.job.card import Card
from batcher.rules.progress.extent import Length
from batcher.rules.progress.figures import Figures
from batcher.rules.rate.bottleneck import Slowed
from batcher.rules.report.live import Live, counts_of, live_page
from batcher.rules.report.next_commands import Job
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


def page_of_shards(options: RunOptions, figures: Callable[[], Figures], clock: Callable[[], float], live: Live) -> Page:
    """Return the page of shards that run in several processes, as they stand. It has no errors and no rows in doubt."""
    now = figures()
    card = Card(options.endpoint, options.workflow, manifest=str(options.manifest), output=str(options.run_dir))
    known = Known(
        job=Job(card, str(options.run_dir.resolve())),
        running=True,
        read_whole=False,
        length=None if now.total is None else Length(now.total, is_exact=False),
        counts=counts_of(now, 0),
        in_doubt=(),
        limit=now.limit,
        slowed=Slowed(now.chance, dict(now.slowed)),
        at=clock(),
    )
    return live_page(known, now, live)._replace(knows_errors=False)
