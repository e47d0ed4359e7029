"""The main job: opens every edge, builds the run over them, and closes them in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from datetime import datetime
from functools import partial
from math import inf
from typing import TYPE_CHECKING

from batcher.app.api import Chosen, choose
from batcher.app.attempt import Terms, need_shareable, open_attempt, with_latest_files
from batcher.app.columns import Columns
from batcher.app.job import Run
from batcher.app.job_files import Files, PassOn, open_files
from batcher.app.job_identity import card_of, choice_of, job_of, need_bucket
from batcher.app.learned import remember, remembered
from batcher.app.look import look_through
from batcher.app.monitor import Monitor
from batcher.app.preflight import Preflight
from batcher.app.process import import_beside
from batcher.app.runs import noted
from batcher.app.service import Site, open_credentials, open_service
from batcher.app.shards import pinned, planned
from batcher.app.space import Paths, warn_if_short
from batcher.app.summary import report_end
from batcher.app.telemetry import Telemetry, open_telemetry
from batcher.app.world import World
from batcher.edges.checkpoint.facts import CANARY
from batcher.edges.control import listening
from batcher.edges.manifest import AnyManifest, format_of, share_of
from batcher.errors import ExitCode
from batcher.flow.drain import Drain
from batcher.flow.service import Service
from batcher.flow.turns import Turns
from batcher.options.verbs import RunOptions
from batcher.rules.choices import OnDoubt
from batcher.rules.doubts.settle_time import condition
from batcher.rules.job.card import STANDARD_INPUT
from batcher.rules.progress.answered import Answered
from batcher.rules.progress.counts import Tally
from batcher.rules.rate.found import FoundLimit
from batcher.rules.rate.remembered import Remembered, first_rate, most_rows
from batcher.rules.rate.throttle import Throttle
from batcher.rules.report import opening
from batcher.rules.service.credentials import described
from batcher.rules.service.dialect import Dialect
from batcher.rules.service.dialects import dialect_of
from batcher.rules.text import seconds_until

if TYPE_CHECKING:
    from batcher.app.canary import Watching
    from batcher.app.confirm import Confirm
    from batcher.app.doubts import Doubts
    from batcher.app.sharing import Sharing
    from batcher.app.unknown import Newness
    from batcher.rules.report.live import Live
    from batcher.rules.report.page import Page

OUT_OF_TIME = "the time limit is reached: no new starts, waiting for requests on the wire"


async def run_job(  # noqa: PLR0913 - a job, its world, and who takes part in it
    options: RunOptions,
    world: World,
    drain: Drain,
    pass_on: PassOn | None = None,
    dialect: Dialect | None = None,
    *,
    confirm: Confirm | None = None,
    attend: Callable[[Monitor], None] | None = None,
    answered: Answered | None = None,
) -> ExitCode:
    """Run the job that `options` describe until it ends or `drain` begins, and report how it ended.

    `pass_on` takes the records once they are on disk, `attend` the monitor once the files are open. `answered` counts
    the attempts, if another process has metrics. `confirm` asks a person before many rows are started; without it no
    one is asked. The options choose the dialect, unless it is given. Raises JobError if the job cannot start or
    continue.
    """
    # The names are checked before anything is opened.
    card_of(options, dialect or dialect_of(options.api))
    if options.canary is not None or options.max_running is not None:
        # Imported here, since most runs have neither.
        from batcher.app.canary import need_possible  # noqa: PLC0415

        need_possible(options)
    is_first = True
    with draining_in_time(options, world, drain):
        while True:
            opened = _open_run(
                options, world, drain, pass_on, dialect, confirm=confirm, attend=attend, answered=answered
            )
            async with opened as (run, shown):
                outcome = await _finished(run, shown, is_first=is_first)
            if isinstance(outcome, ExitCode):
                return outcome
            # Imported here, since only a canary needs it.
            from batcher.app.canary_watch import watch_canary  # noqa: PLC0415

            stopped = await watch_canary(run.options, outcome.executions, world, drain)
            if stopped is not None:
                return stopped
            is_first, confirm = False, None if outcome.was_asked else confirm
            if options.limit is not None:
                options = options.but(limit=options.limit - outcome.sent)


@asynccontextmanager
async def _open_run(  # noqa: PLR0913 - a job, its world, and who takes part in it
    options: RunOptions,
    world: World,
    drain: Drain,
    pass_on: PassOn | None,
    dialect: Dialect | None,
    *,
    confirm: Confirm | None,
    attend: Callable[[Monitor], None] | None,
    answered: Answered | None,
) -> AsyncIterator[tuple[Run, Sequence[str]]]:
    """Open all edges of a job, and yield the run over them with its first lines. Arguments are those of `run_job`."""
    async with AsyncExitStack() as edges:
        # First, since a file may be a pipe without a reader: to open it takes until the second signal.
        edges.enter_context(world.draining_on_signals(drain.begin, world.voice.say))
        telemetry = await edges.enter_async_context(open_telemetry(options, world, pass_on, answered))
        manifest = edges.enter_context(_open_manifest(options, world))
        # The client of HTTP takes as long to import as a long list to look through, and reads files half of the time.
        import_beside("batcher.edges.transport")
        await asyncio.to_thread(look_through, manifest, options)
        for warning in manifest.warnings:
            telemetry.warn(warning)
        paths = Paths(options.manifest, options.checkpoint, options.output)
        warn_if_short(manifest.lines or 0, paths, world, telemetry.warn)
        given, options = options, with_latest_files(options)
        api = Chosen(dialect) if dialect else await choose(options, world, drain, options.checkpoint)
        plan = await planned(given, card_of(options, *api))
        if plan is not None:
            need_shareable(options.run_dir, world, telemetry.warn)
        service = await edges.enter_async_context(
            _open_service(options, card_of(options, *api).endpoint, world, drain, telemetry, api.dialect)
        )
        columns = Columns(options, manifest, telemetry.warn)
        preflight = await _preflight(options, world, manifest, service, drain, telemetry, columns)
        await pinned(options, plan)
        terms = Terms(options.take_over_after, options.predecessor_is_dead)
        attempt = await edges.enter_async_context(open_attempt(options.checkpoint, world, drain, terms))
        if attempt is not None:
            options = options.but(checkpoint=attempt.checkpoint, output=attempt.output)
        sharing = await edges.enter_async_context(_sharing(options))
        files = await edges.enter_async_context(
            open_files(
                options.checkpoint,
                card_of(options, *api),
                options.output,
                world,
                telemetry.pass_on,
                for_spreadsheets=options.spreadsheet,
                attempt=attempt,
                sharing=sharing,
            )
        )
        known = await remembered(options, files, world)
        monitor = _monitor(options, world, manifest, known, service, drain, telemetry)
        shown = opening.lines(await _opening(options, files, monitor, service, known))
        if attend is not None:
            attend(monitor)
        relies_on = condition(options.settle_time, options.timeout)
        if relies_on and options.on_doubt is OnDoubt.RECONCILE:
            world.voice.say(relies_on)
        doubts = partial(_doubts, options, world, files, service, drain)
        newness = None if files.unproven is None else _newness(doubts(), telemetry.warn)
        run = Run(options, world, manifest, columns, files, service, preflight, doubts, monitor, newness, confirm)
        yield run, shown


def _doubts(options: RunOptions, world: World, files: Files, service: Service, drain: Drain) -> Doubts:
    """Return what settles rows in doubt."""
    # Imported here, since most runs have none.
    from batcher.app.doubts import Doubts  # noqa: PLC0415

    job = job_of(files.card, options.checkpoint)
    return Doubts(files, service, drain, world, options.on_doubt, options.settle_time, job)


def _newness(doubts: Doubts, warn: Callable[[str], None]) -> Newness:
    """Return what holds rows that may have been started by a run that the checkpoint does not know."""
    # Imported here, since most checkpoints are proven to be the newest of their job.
    from batcher.app.unknown import Newness  # noqa: PLC0415

    return Newness(doubts, warn)


def _sharing(options: RunOptions) -> AbstractAsyncContextManager[Sharing | None]:
    """Return the job's part in the ledger that is given, None without one."""
    if options.ledger is None:
        return nullcontext()
    # Imported here, since only such a run needs it.
    from batcher.app.sharing import open_sharing  # noqa: PLC0415

    return open_sharing(options.ledger, options.policy)


async def _preflight(  # noqa: PLR0913, PLR0917 - a job and its service meet here
    options: RunOptions,
    world: World,
    manifest: AnyManifest,
    service: Service,
    drain: Drain,
    telemetry: Telemetry,
    columns: Columns,
) -> Preflight:
    """Return the preflight. For a new job it has been made, since a corrected command would be another job.

    Raises what `Preflight.workflow` raises.
    """
    is_due = options.preflight and not options.checkpoint.exists()
    preflight = Preflight(
        service,
        options.workflow,
        drain,
        world,
        manifest,
        options.inputs,
        telemetry.warn,
        options.max_outage,
        columns.of_header if is_due else None,
    )
    if is_due:
        await preflight.workflow()
    return preflight


async def _opening(
    options: RunOptions, files: Files, monitor: Monitor, service: Service, known: Remembered
) -> opening.Opening:
    call = service.dialect.start(options.workflow)
    return opening.Opening(
        card=files.card,
        api=f"API {service.dialect.name}, {call.method} {call.path}",
        credentials=described(service.credentials.current),
        rows=monitor.listed,
        most=options.limit,
        rate=known.limit or known.proven,
        manifest=str(options.manifest or STANDARD_INPUT),
        records=str(options.output),
        checkpoint=str(options.checkpoint),
    )


async def _finished(run: Run, shown: Sequence[str], *, is_first: bool) -> ExitCode | Watching:
    """Run the job over its open edges, monitored and steered, and report how it ended.

    `shown` are the first lines of the run, which are said if this is its first part. Return what is to be watched first
    if the job begins with a canary.
    """
    telemetry, monitor = run.monitor.telemetry, run.monitor
    async with telemetry.measuring(run.options, monitor.figures, partial(_page, run)):
        async with monitor.keeping(), listening(run.options.checkpoint, monitor.answer) as fault:
            if fault:
                telemetry.warn(f"this run cannot be steered: {fault}")
            for line in shown if is_first else ():
                run.world.voice.say(line)
            async with _closed_loop(run):
                outcome = await noted(run.files, run.world.clock, partial(_work, run), is_first=is_first)
            remember(run.options, run.files, run.world, monitor.learned)
        if isinstance(outcome, ExitCode):
            telemetry.ended(outcome, monitor.figures())
    return outcome


async def _work(run: Run) -> ExitCode | Watching:
    """Start the rows of the list, those of the canary first if the job has one. Return what is to be watched first."""
    options = run.options
    if options.canary is not None or options.canary_passed or await run.files.checkpoint.recall(CANARY):
        # Imported here, since most jobs have no canary.
        from batcher.app import canary  # noqa: PLC0415

        outcome = await canary.work(run)
        if outcome is not None:
            return outcome
    if not run.drain.begun:
        await run.whole()
    return await report_end(run)


def _closed_loop(run: Run) -> AbstractAsyncContextManager[None]:
    """Return what limits the executions that run at the same time. Without --max-running nothing does."""
    if run.options.max_running is None:
        return nullcontext()
    # Imported here, since only such a run needs it.
    from batcher.app.closed_loop import closed_loop  # noqa: PLC0415

    return closed_loop(run, run.options.max_running)


def _page(run: Run, live: Live) -> Page:
    """Return the page of a run as it stands."""
    # Imported here, since only a run with metrics has one.
    from batcher.app.live_page import page_of  # noqa: PLC0415

    return page_of(run, live)


@asynccontextmanager
async def _open_service(  # noqa: PLR0913, PLR0917 - a job and its service meet here
    options: RunOptions, endpoint: str, world: World, drain: Drain, telemetry: Telemetry, dialect: Dialect
) -> AsyncIterator[Service]:
    site = Site(endpoint, options.workflow, options.concurrency, options.timeout, options.trust)
    async with (
        open_credentials(options.credentials, world, drain, telemetry.warn) as credentials,
        open_service(site, credentials, world, drain, telemetry.warn, dialect) as service,
    ):
        yield service


@contextmanager
def _open_manifest(options: RunOptions, world: World) -> Iterator[AnyManifest]:
    """Open the manifest, or the share of a shard. Raises UsageError if none of its rows can have a bucket."""
    format_ = format_of(options.manifest, options.format)
    with world.open_manifest(options.manifest, format_, choice_of(options)) as manifest:
        need_bucket(manifest, format_, options.bucket, options.manifest)
        yield share_of(manifest, options.shard)


def _seconds(options: RunOptions, world: World) -> float | None:
    """Return the seconds until the run drains: the smaller of --max-duration and --stop-at."""
    ends = [] if options.max_duration is None else [options.max_duration]
    if options.stop_at is not None:
        # No time zone is given, so it is that of this machine.
        ends.append(seconds_until(options.stop_at, datetime.fromtimestamp(world.clock())))  # noqa: DTZ006
    return min(ends, default=None)


def draining_in_time(options: RunOptions, world: World, drain: Drain) -> AbstractContextManager[None]:
    """Begin the drain during the block when --max-duration or --stop-at says so."""
    return drain.within(_seconds(options, world), ExitCode.STOPPED, partial(world.voice.say, OUT_OF_TIME))


def _monitor(  # noqa: PLR0913, PLR0917 - what a run consists of
    options: RunOptions,
    world: World,
    manifest: AnyManifest,
    known: Remembered,
    service: Service,
    drain: Drain,
    telemetry: Telemetry,
) -> Monitor:
    """Return the monitor of a run that begins at the rate that earlier runs found, as far as it is `known`."""
    max_rate = options.max_rate or inf
    first = first_rate(known.proven, most_rows(manifest.lines, options.limit))
    turns = Turns(
        drain=drain,
        throttle=Throttle(max_rate, known.limit, first),
        monotonic=world.monotonic,
        service_now=service.now,
        named_limit=service.dialect.errors.named_limit,
        max_outage=options.max_outage,
    )
    return Monitor(
        Tally(),
        turns,
        max_rate,
        telemetry,
        world,
        world.monotonic(),
        manifest,
        options.limit,
        options.concurrency,
        FoundLimit(known.limit),
    )
