"""What `batcher watch` does: follows the executions of a job to their end, and reports how they ended."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from math import inf
from typing import NamedTuple

from batcher.app.api import chosen_before
from batcher.app.end_files import EndFiles, open_end_files
from batcher.app.end_metrics import measuring
from batcher.app.run_folder import job_at
from batcher.app.service import Site, open_credentials, open_service
from batcher.app.voice import show
from batcher.app.world import World
from batcher.edges.progress import showing
from batcher.errors import ExitCode, JobError
from batcher.flow.drain import Drain
from batcher.flow.paced import paced
from batcher.flow.preflight import contact
from batcher.flow.service import Service
from batcher.flow.turns import Turns
from batcher.flow.watch import ASKERS, Ends, Observer, Watch
from batcher.options.watching import WatchOptions
from batcher.rules.choices import MOST_REDRIVES, RESTORED
from batcher.rules.ends import figures, summary
from batcher.rules.progress.view import View
from batcher.rules.rate.throttle import Throttle
from batcher.rules.report import next_commands

OUT_OF_TIME = "the deadline is reached: the watch ends, the executions go on"
VIEW = View(figures.parts, figures.document)


async def watch_job(options: WatchOptions, world: World, drain: Drain | None = None) -> ExitCode:
    """Follow the executions of a job until none runs, and report how they ended.

    Raises JobError if that is impossible, or if the service refuses to list executions.
    """
    drain = drain or Drain()
    with ending_in_time(options, world, drain):
        async with open_watch(options, world, drain) as opened:
            return await _watched(options, world, opened, drain)


async def _watched(options: WatchOptions, world: World, opened: OpenWatch, drain: Drain) -> ExitCode:
    await opened.ends.renew()
    if opened.ends.running:
        opened.say_begun()
        await contact(opened.service.workflow, drain, world.draw, world.monotonic)
    figures_of = opened.watch.figures
    measured = measuring(options, world, opened.service.name, opened.ends, figures_of)
    async with measured, showing(options.progress, figures_of, VIEW):
        await opened.watch.until_ended()
    return report(options, world, opened, drain)


class OpenWatch(NamedTuple):
    """A watch with its files and its service. Questions to the service keep to the turns."""

    watch: Watch
    ends: EndFiles
    service: Service
    turns: Turns
    say: Callable[[str], None]

    def say_begun(self) -> None:
        """Say what is watched."""
        executions = summary.executions(len(self.ends))
        self.say(f"watching {self.ends.running:,} of {executions} of workflow {self.service.name}")


@contextmanager
def ending_in_time(options: WatchOptions, world: World, drain: Drain) -> Iterator[None]:
    """Let signals and the deadline begin the drain during the block."""
    with (
        world.draining_on_signals(drain.begin, world.voice.say),
        drain.within(options.deadline, ExitCode.DEADLINE, partial(world.voice.say, OUT_OF_TIME)),
    ):
        yield


@asynccontextmanager
async def open_watch(
    options: WatchOptions,
    world: World,
    drain: Drain,
    connections: int = ASKERS,
    narrowed: Callable[[EndFiles], Ends] = lambda ends: ends,
) -> AsyncIterator[OpenWatch]:
    """Open the ends of a job and its service for a watch, which follows the executions that are `narrowed` to.

    Its requests keep to a throttle of their own. Raises what opening either raises.
    """
    job = job_at(options.checkpoint)
    warn = world.voice.warn
    async with AsyncExitStack() as edges:
        ends = await edges.enter_async_context(
            open_end_files(
                options.checkpoint,
                options.output,
                warn,
                is_chosen=options.has("output"),
                for_spreadsheets=options.spreadsheet,
            )
        )
        dialect = chosen_before(job.card)
        credentials = await edges.enter_async_context(open_credentials(options.credentials, world, drain, warn))
        site = Site(job.card.endpoint, job.card.workflow, connections, options.timeout, options.trust)
        service = await edges.enter_async_context(open_service(site, credentials, world, drain, warn, dialect))
        turns = _turns(options, world, drain, service)
        service.send = paced(service.send, turns, dialect)
        watch = Watch(narrowed(ends), _observer(options, world, service), drain)
        yield OpenWatch(watch, ends, service, turns, world.voice.say)


def _turns(options: WatchOptions, world: World, drain: Drain, service: Service) -> Turns:
    most = options.max_rate or inf
    return Turns(
        drain=drain,
        throttle=Throttle(most),
        monotonic=world.monotonic,
        service_now=service.now,
        named_limit=service.dialect.errors.named_limit,
        max_outage=options.max_outage,
    )


def _observer(options: WatchOptions, world: World, service: Service) -> Observer:
    closes_after = service.dialect.closes_after
    return Observer(
        pages=service.executions,
        execution=service.execution,
        now=service.now,
        monotonic=world.monotonic,
        is_by_time=closes_after is not None,
        settle_time=max(options.settle_time, closes_after or 0.0),
        longest_wait=options.interval,
        details=options.details,
    )


def report(
    options: WatchOptions, world: World, opened: OpenWatch, drain: Drain, most_redrives: int = MOST_REDRIVES
) -> ExitCode:
    """Report how the executions ended, and return the exit code. Raises the error that ended the watch.

    Executions that were restored fewer than `most_redrives` times may be restored next.
    """
    voice, watch, ends = world.voice, opened.watch, opened.ends
    lines = [
        *summary.lines(ends.ends, ends.running, ends.causes()),
        *summary.unknown(ends.unknown(summary.NAMED), ends.ends),
        f"ends:      {ends.path}",
    ]
    for line in lines:
        voice.say(line)
    if ends.running and watch.figures().fault:
        voice.warn(f"the last look at the list: {watch.figures().fault}")
    code = summary.exit_code(ends.ends, ends.running, drain.reason)
    if options.as_json:
        show(json.dumps(figures.document(watch.figures()) | {"exit_code": int(code)}))
    if isinstance(drain.reason, JobError):
        raise drain.reason
    voice.say(summary.NEXT[code])
    if ends.running:
        voice.say(f"next: {next_commands.about('watch', options.checkpoint)}")
    elif ends.has_restorable(RESTORED, most_redrives):
        voice.say(f"next: {next_commands.about('redrive', options.checkpoint)}")
    return code
