"""`batcher run --processes`: the shards of a list in processes of this machine, with one progress and one end.

This process starts no row itself. It starts a worker for each shard, and replaces one that is killed.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from batcher.app.attempt import latest_checkpoint
from batcher.app.confirm import Confirm, UnconfirmedError, is_confirmed
from batcher.app.engines import End, Engine
from batcher.app.engines.processes import open_processes
from batcher.app.job import UNCONFIRMED
from batcher.app.job_identity import choice_of
from batcher.app.leases import Orders
from batcher.app.live_page import page_of_shards
from batcher.app.run import draining_in_time
from batcher.app.run_folder import shards_in
from batcher.app.shards import need_no_files
from batcher.app.telemetry import Telemetry, check_files, metrics_of
from batcher.app.world import World
from batcher.edges.checkpoint import glance
from batcher.edges.manifest import format_of
from batcher.edges.progress import showing
from batcher.edges.run_folder import checkpoints_in, is_run_folder, plan_in
from batcher.edges.run_lock import holding
from batcher.edges.worker import last_error
from batcher.errors import ExitCode, JobError, UsageError
from batcher.flow.drain import Drain
from batcher.model import Status, Verdict
from batcher.options.verbs import RunCommandOptions
from batcher.rules import choices
from batcher.rules.progress.answered import Answered
from batcher.rules.progress.extent import Length, extent
from batcher.rules.progress.figures import Figures
from batcher.rules.progress.view import RUN
from batcher.rules.records.standing import current_counts
from batcher.rules.report import opening
from batcher.rules.report.live import Live
from batcher.rules.report.next_commands import left_of, next_steps
from batcher.rules.shards.assignment import Shard
from batcher.rules.shards.figures import attempts_of, ended, summed
from batcher.rules.shards.plan import stem
from batcher.rules.shards.quota import Quota
from batcher.rules.text import counted

REPLACED = 3
"""How often a worker of one shard is replaced."""
SHARDS_EACH = 4
"""Shards for each worker of a cluster, unless --processes gives their number: a worker that is done takes another."""
LOOK_SECONDS = 0.1

_WORST = (ExitCode.ROWS_IN_DOUBT, ExitCode.ROWS_REJECTED, ExitCode.OK)
"""The exit codes of shards that have read their list, the worst first."""
_ENDED = (ExitCode.STOPPED, *_WORST)
"""The exit codes of shards that have ended as they should, the worst first. All others are worse."""
SENT = frozenset({Status.SENDING, Status.IN_DOUBT, Status.STARTED, Status.REFUSED, Status.REJECTED})
"""The statuses of rows that were sent, or may have been."""


async def run_shards(options: RunCommandOptions, world: World, confirm: Confirm | None = None) -> ExitCode:
    """Run all shards of the list to their ends, at most one on each worker of an engine, and report how they ended.

    `confirm` asks a person before many rows are started. Raises UsageError for options that several workers cannot
    share, or for an engine that cannot be used.
    """
    _need_sharable(options)
    check_files(options)
    drain = Drain()
    orders = Orders(options.max_rate, lambda: drain.begin(ExitCode.STOPPED))
    with world.draining_on_signals(drain.begin, world.voice.say), draining_in_time(options, world, drain):
        if confirm is not None:
            await _confirm(confirm, options, world, drain)
        with holding(options.run_dir):
            async with _engine(options, world, orders) as engine:
                plan = plan_in(options.run_dir)
                of = plan.shards if plan is not None else options.processes or SHARDS_EACH * engine.room
                return await _ended(Workers(options, world, engine, of, drain))


async def _ended(workers: Workers) -> ExitCode:
    """Run the shards, with their progress and metrics. Return the exit code of all of them."""
    options = workers.options
    metrics = metrics_of(options, options.run_dir.name, Answered())
    live = None if options.metrics_port is None else Live()
    telemetry = Telemetry(None, metrics, workers.world, live=live)

    def look() -> Figures:
        counts = attempts_of([*workers.engine.latest.values()])
        if metrics is not None:
            metrics.count(counts)
        if live is not None:
            live.starts = sum(number for (verdict, _), number in counts.kinds.items() if verdict == Verdict.STARTED)
        return workers.figures()

    page = partial(page_of_shards, options, workers.figures, workers.world.clock)
    async with telemetry.measuring(options, look, page):
        async with showing(options.progress, workers.figures, RUN):
            await workers.whole()
        code = workers.report_end()
        telemetry.ended(code, workers.figures())
    return code


def _engine(options: RunCommandOptions, world: World, orders: Orders) -> AbstractAsyncContextManager[Engine]:
    if options.engine is not choices.Engine.DASK:
        return open_processes(options, world, orders)
    try:
        # Slow to import, and an extra.
        from batcher.app.engines.dask import open_dask  # noqa: PLC0415
    except ImportError as error:
        raise UsageError(
            f"--engine dask: {error.name} is not installed", "Install it with pip install 'obs-batcher[dask]'."
        ) from None
    return open_dask(options, world, orders)


async def _confirm(confirm: Confirm, options: RunCommandOptions, world: World, drain: Drain) -> None:
    """Ask a person if the list has more new rows than `confirm` allows. Raises UnconfirmedError if the answer is no."""
    format_ = format_of(options.manifest, options.format)
    with world.open_manifest(options.manifest, format_, choice_of(options)) as manifest:
        await asyncio.to_thread(manifest.check)
        lines = max(0, (manifest.lines or 0) - manifest.header_lines)
    begun = [glance(path).counts.total() for path in checkpoints_in(options.run_dir)]
    if min(lines - sum(begun), options.limit or lines) > confirm.above:
        question = opening.question(confirm.above, options.workflow, Length(lines, is_exact=False))
        if not await is_confirmed(confirm, question, drain) and not drain.begun:
            raise UnconfirmedError("not confirmed: nothing was started", UNCONFIRMED)


def _need_sharable(options: RunCommandOptions) -> None:
    is_dask = options.engine is choices.Engine.DASK
    if options.scheduler is not None and not is_dask:
        raise UsageError("--scheduler needs --engine dask")
    if options.processes is None and not is_dask:
        raise UsageError("--engine processes needs --processes P", "Give the number of processes.")
    if options.shard is not None:
        raise UsageError("--processes and a shard cannot be combined", "Each process is given a shard by this one.")
    if options.manifest is None:
        raise UsageError("--processes: standard input can be read by one process only", "Give the list as a file.")
    need_no_files(options)
    if options.canary is not None:
        raise UsageError("--canary and --processes cannot be combined", "A canary is one of a list in one process.")
    if options.max_running is not None:
        raise UsageError("--max-running and --processes cannot be combined", "It counts the executions of one process.")


@dataclass
class Workers:
    """The `of` shards of a job, which the workers of an engine run one by one."""

    options: RunCommandOptions
    world: World
    engine: Engine
    of: int
    drain: Drain
    running: set[int] = field(default_factory=set)
    codes: dict[int, int] = field(default_factory=dict)
    """The exit codes of the shards that have ended."""
    lost: Counter[int] = field(default_factory=Counter)
    """How often the worker of a shard was lost."""
    _over: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    """The last figures of each shard that has ended."""

    def __post_init__(self) -> None:
        self._begun = self.world.monotonic()
        self._quota = Quota(self.options.limit, self.of)
        self._sent_before = {shard: self._sent_ever(shard) for shard in range(self.of)}

    async def whole(self) -> None:
        """Run the shards, until none may send more. A drain is passed on to those that run, and no other is begun."""
        shards = [shard for shard in range(self.of) if self._quota.left(shard) != 0]
        while shards and not self.drain.begun:
            await self._run(shards)
            shards = self._quota.divide()

    async def _run(self, shards: Iterable[int]) -> None:
        waiting = deque(shards)
        has_drained = False
        while self.running or (waiting and not self.drain.begun):
            # The first one alone, until it has written the plan: what is wrong with the job is said once.
            room = self.engine.room if is_run_folder(self.options.run_dir) or self.codes else 1
            while waiting and len(self.running) < room and not self.drain.begun:
                shard = waiting.popleft()
                self.running.add(shard)
                self._over.pop(shard, None)
                await self.engine.start(Shard(shard, self.of), self._quota.left(shard))
            if self.drain.begun and not has_drained:
                has_drained = True
                self.engine.drain()
            await asyncio.sleep(LOOK_SECONDS)
            for shard, end in self.engine.ended().items():
                self.running.remove(shard)
                waiting.extendleft([] if self._has_ended(shard, end) else [shard])
            if self.codes and not is_run_folder(self.options.run_dir):
                return

    def _has_ended(self, shard: int, end: End) -> bool:
        """Return whether a shard has ended for good. One whose worker was lost is begun again, a few times."""
        name = f"shard {shard}/{self.of}"
        self._note_sent(shard, end)
        is_limited = self._quota.left(shard) == 0
        if end.code is None and not is_limited and not self.drain.begun and self.lost[shard] < REPLACED:
            self.lost[shard] += 1
            self.world.voice.warn(f"{name}: {end.why}, started again")
            return False
        lost = ExitCode.STOPPED if is_limited else ExitCode.INTERNAL
        self.codes[shard] = lost if end.code is None else end.code
        if end.code == ExitCode.FAILURES:
            self.drain.begin(ExitCode.FAILURES)
        self._note_end(shard)
        error = last_error(self._log(shard)) if end.code not in _ENDED else ""
        if error or end.code is None:
            self.world.voice.warn(f"{name}: {end.why or error}")
        return True

    def _note_sent(self, shard: int, end: End) -> None:
        """Note how many rows a shard has sent, and whether the limit is all that keeps it from sending more."""
        shown = self.engine.latest.get(shard, {}).get("taken", 0)
        # What a killed worker has sent since it showed its figures is in the checkpoint.
        sent = max(shown, self._sent_ever(shard) - self._sent_before[shard])
        self._quota.note(shard, sent, can_go_on=end.code in {None, ExitCode.STOPPED})

    def _sent_ever(self, shard: int) -> int:
        """Return how many rows of a shard runs have sent, as far as its checkpoint shows it, if that is limited."""
        if self.options.limit is not None:
            # A shard that has not begun has no checkpoint.
            with suppress(JobError):
                counts = glance(latest_checkpoint(self.options.run_dir, Shard(shard, self.of))).counts
                return sum(counts[status] for status in SENT)
        return 0

    def _note_end(self, shard: int) -> None:
        # A shard that has not begun has no checkpoint, and no figures.
        with suppress(JobError):
            seen = glance(latest_checkpoint(self.options.run_dir, Shard(shard, self.of)))
            counts = current_counts(seen.counts, running=False)
            whole = extent(counts, seen.length, read_whole=seen.read_whole)
            self._over[shard] = ended(self.engine.latest.get(shard, {}), counts, whole)

    def _log(self, shard: int) -> Path:
        return self.options.run_dir / f"{stem(Shard(shard, self.of))}.log"

    def figures(self) -> Figures:
        """Look at all shards as they stand."""
        latest = {**self.engine.latest, **self._over}
        return summed([*latest.values()], self.of, self.world.monotonic() - self._begun)

    def report_end(self) -> ExitCode:
        """Report how the shards have ended. Return the exit code of all of them."""
        voice = self.world.voice
        shards = shards_in(self.options.run_dir) if checkpoints_in(self.options.run_dir) else None
        if shards is not None:
            seen = shards.as_one
            counts = current_counts(seen.counts, running=False)
            said = ", ".join(f"{count:,} {each.words}" for each, count in counts.items() if count)
            rows, begun = counted(sum(counts.values()), "row"), counted(len(shards.seen), "shard")
            voice.say(f"{rows} in {begun}: {said or 'none'}")
            voice.say(f"run folder: {self.options.run_dir}")
            for fault in shards.faults:
                voice.warn(fault)
            left = left_of(counts, read_whole=seen.read_whole)
            for step in next_steps(shards.job, left, [*_workers(self.options)]):
                voice.say(f"next: {step.command}")
        return self._code()

    def _code(self) -> ExitCode:
        codes = {*self.codes.values()}
        if len(self.codes) < self.of:
            # The limit, or the drain, has kept the others from beginning.
            codes.add(ExitCode.STOPPED)
        reason = self.drain.reason
        # If all shards have come to their ends, what asked them to stop came too late.
        if isinstance(reason, ExitCode) and not (reason is ExitCode.STOPPED and codes <= {*_WORST}):
            return reason
        others = [code for code in self.codes.values() if code not in _ENDED]
        if others:
            return ExitCode(others[0]) if others[0] in {*ExitCode} else ExitCode.INTERNAL
        return next(code for code in _ENDED if code in codes)


def _workers(options: RunCommandOptions) -> Iterator[str]:
    """Yield the words by which a command runs all shards in the workers of this one."""
    for flag, value in (
        ("--processes", options.processes),
        ("--engine", options.engine and options.engine.value),
        ("--scheduler", options.scheduler),
    ):
        if value is not None:
            yield from (flag, str(value))
