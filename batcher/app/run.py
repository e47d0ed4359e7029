"""A job put together for one run: every edge opened, joined to the run, and closed again in the right order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import datetime
from math import inf

from batcher.app.doubts import Doubts
from batcher.app.job import Run
from batcher.app.job_files import Files, PassOn, open_files
from batcher.app.job_identity import card_of, choice_of, need_bucket
from batcher.app.monitor import Watch
from batcher.app.preflight import Preflight
from batcher.app.service import Site, open_credentials, open_service
from batcher.app.summary import tell_end
from batcher.app.telemetry import Telling, open_telling
from batcher.app.world import World
from batcher.edges.control import listening
from batcher.edges.manifest import AnyManifest, format_of
from batcher.errors import ExitCode
from batcher.flow.drain import Drain
from batcher.flow.service import Service
from batcher.flow.turns import Turns
from batcher.options.verbs import RunOptions
from batcher.rules.progress.counts import Tally
from batcher.rules.rate.throttle import Throttle
from batcher.rules.service.dialect import Dialect
from batcher.rules.service.dialects import DIALECT
from batcher.rules.text import seconds_until


async def run_job(
    options: RunOptions, world: World, drain: Drain, pass_on: PassOn | None = None, dialect: Dialect = DIALECT
) -> ExitCode:
    """Run the job that `options` describe until it ends or `drain` begins, and say how it ended.

    Records are passed on once the disk has them. Raises JobError where the job cannot begin or go on.
    """
    card = card_of(options, dialect)
    async with AsyncExitStack() as edges:
        telling = await edges.enter_async_context(open_telling(options, world, pass_on))
        edges.enter_context(world.draining_on_signals(drain.begin, world.voice.say))
        edges.enter_context(_draining_after(_seconds(options, world), drain, world.voice.say))
        manifest = edges.enter_context(_open_manifest(options, world))
        await asyncio.to_thread(manifest.check)
        credentials = await edges.enter_async_context(open_credentials(options.credentials, world, drain, telling.warn))
        site = Site(card.endpoint, options.workflow, options.concurrency, options.timeout, options.verify_tls)
        service = await edges.enter_async_context(open_service(site, credentials, world, drain, telling.warn, dialect))
        preflight = Preflight(
            service, options.workflow, drain, world, manifest, options.inputs, telling.warn, options.max_outage
        )
        if options.preflight and not options.checkpoint.exists():
            await preflight.workflow()
        files = await edges.enter_async_context(
            open_files(options.checkpoint, card, options.output, world, telling.pass_on)
        )
        watch = await _watch(options, world, manifest, files, service, drain, telling)
        doubts = Doubts(files, service, drain, world, options.on_doubt, options.settle_time)
        return await _finished(Run(options, world, manifest, files, service, preflight, doubts, watch))


async def _finished(run: Run) -> ExitCode:
    """Run the job over its open edges, watched and steered, and say how it ended."""
    telling, watch = run.watch.telling, run.watch
    async with telling.measuring(run.options, watch.figures):
        async with watch.keeping(), listening(run.options.checkpoint, watch.answer) as fault:
            if fault:
                telling.warn(f"the run cannot be steered while it goes on: {fault}")
            await run.whole()
            code = await tell_end(run)
        telling.ended(code, watch.figures())
    return code


@contextmanager
def _open_manifest(options: RunOptions, world: World) -> Iterator[AnyManifest]:
    """Open the manifest, and make sure that its rows can have a bucket."""
    format_ = format_of(options.manifest, options.format)
    with world.open_manifest(options.manifest, format_, choice_of(options)) as manifest:
        need_bucket(manifest, format_, options.bucket)
        yield manifest


def _seconds(options: RunOptions, world: World) -> float | None:
    """Give the seconds until the run is to drain, the nearer of both options."""
    ends = [] if options.max_duration is None else [options.max_duration]
    if options.stop_at is not None:
        # The zone is that of the person who gives the time: none is named, and the system knows it.
        ends.append(seconds_until(options.stop_at, datetime.fromtimestamp(world.clock())))  # noqa: DTZ006
    return min(ends, default=None)


@contextmanager
def _draining_after(seconds: float | None, drain: Drain, say: Callable[[str], None]) -> Iterator[None]:
    def end() -> None:
        say("it is time to stop: no new starts, waiting for what is on the wire")
        drain.begin(ExitCode.STOPPED)

    timer = None if seconds is None else asyncio.get_running_loop().call_later(seconds, end)
    try:
        yield
    finally:
        if timer is not None:
            timer.cancel()


async def _watch(  # noqa: PLR0913, PLR0917 - as above
    options: RunOptions,
    world: World,
    manifest: AnyManifest,
    files: Files,
    service: Service,
    drain: Drain,
    telling: Telling,
) -> Watch:
    """Begin at the limit that an earlier run has found, and keep the one that this run finds."""
    max_rate = options.max_rate or inf
    turns = Turns(
        drain=drain,
        throttle=Throttle(max_rate, await files.kept_limit()),
        monotonic=world.monotonic,
        service_now=service.now,
        max_outage=options.max_outage,
    )
    files.limit = lambda: turns.throttle.limit
    return Watch(Tally(), turns, max_rate, telling, world, world.monotonic(), manifest, options.limit)
