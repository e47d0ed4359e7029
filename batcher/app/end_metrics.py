"""What a watch reports while it lasts, if that is asked for: its figures as metrics."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from batcher.app.end_files import EndFiles
from batcher.app.world import World
from batcher.edges.ends import database_of
from batcher.errors import UsageError
from batcher.options.watching import WatchOptions
from batcher.rules.ends.figures import WatchFigures


@asynccontextmanager
async def measuring(
    options: WatchOptions, world: World, workflow: str, ends: EndFiles, figures: Callable[[], WatchFigures]
) -> AsyncIterator[None]:
    """Keep the metrics up to date while the block lasts, if they are asked for. Raises what serving raises."""
    if options.metrics_file is None and options.metrics_port is None:
        yield
        return
    _check_file(options)
    # Imported late: it takes longer to import than the rest of the package.
    from batcher.edges.end_metrics import EndMetrics, Standing  # noqa: PLC0415
    from batcher.edges.metrics import exposed, keeping  # noqa: PLC0415
    from batcher.edges.web import METRICS, Site, serving  # noqa: PLC0415

    metrics = EndMetrics(workflow, options.checkpoint.name)

    def look() -> Standing:
        return Standing(figures(), ends.redrives)

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(keeping(metrics, look, options.metrics_file, world.voice.warn))
        if options.metrics_port is not None:
            site = Site(partial(exposed, metrics.registry))
            served = await stack.enter_async_context(serving(site, options.metrics_host, options.metrics_port))
            world.voice.say(f"metrics on {served.url}{METRICS}")
        yield


def _check_file(options: WatchOptions) -> None:
    """Refuse a file that has another purpose, or that is none."""
    path = options.metrics_file
    if path is None:
        return
    ours = (options.checkpoint, options.output, database_of(options.checkpoint))
    if path.resolve() in {each.resolve() for each in ours}:
        raise UsageError(f"--metrics-file {path}: this is a file of the job", "Give it a file of its own.")
    if path.exists() and not path.is_file():
        raise UsageError(f"--metrics-file {path}: not a regular file", "Give the name of a file.")
