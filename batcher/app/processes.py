"""`batcher run --processes`: the shards of a list in processes of this machine, with one progress and one end.

This process starts no row itself. It starts a worker for each shard, and replaces one that is killed.
"""

from __future__ import annotations

import asyncio
import signal
from asyncio.subprocess import Process
from collections import Counter, deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from batcher.app.attempt import latest_checkpoint
from batcher.app.confirm import Confirm, UnconfirmedError, is_confirmed
from batcher.app.job import UNCONFIRMED
from batcher.app.job_identity import choice_of
from batcher.app.run_folder import shards_in
from batcher.app.shards import need_no_files
from batcher.app.world import World
from batcher.edges.checkpoint import glance
from batcher.edges.control import ask
from batcher.edges.manifest import format_of
from batcher.edges.progress import showing
from batcher.edges.run_folder import checkpoints_in, is_run_folder, plan_in
from batcher.edges.worker import last_error, start
from batcher.errors import ExitCode, JobError, UsageError
from batcher.flow.drain import Drain
from batcher.options.verbs import RunCommandOptions
from batcher.options.words import words_of
from batcher.rules.progress.extent import Length, extent
from batcher.rules.progress.figures import Figures
from batcher.rules.records.standing import current_counts
from batcher.rules.report import opening
from batcher.rules.report.next_commands import left_of, next_steps
from batcher.rules.shards.assignment import Shard
from batcher.rules.shards.figures import ended, summed
from batcher.rules.shards.plan import stem
from batcher.rules.text import counted

REPLACED = 3
"""How often a worker of one shard is replaced."""
LOOK_SECONDS = 0.1

_OURS = frozenset(
    {"manifest", "shard", "run_dir", "processes", "max_rate", "progress", "report", "yes", "confirm_above", "dry_run"}
)
"""The options that this process handles, or words otherwise."""
_WORST = (ExitCode.ROWS_IN_DOUBT, ExitCode.ROWS_REJECTED, ExitCode.OK)
"""The exit codes of shards that have read their list, the worst first. All others are worse."""


async def run_processes(
    options: RunCommandOptions, processes: int, world: World, confirm: Confirm | None = None
) -> ExitCode:
    """Run all shards of the list to their ends, at most `processes` at a time, and report how they ended.

    `confirm` asks a person before many rows are started. Raises UsageError for options that several processes cannot
    share.
    """
    _need_sharable(options)
    plan = plan_in(options.run_dir)
    workers = Workers(options, world, processes, processes if plan is None else plan.shards)
    with world.draining_on_signals(workers.drain.begin, world.voice.say):
        if confirm is not None:
            await _confirm(confirm, options, world, workers.drain)
        options.run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        async with showing(options.progress, workers.figures):
            await workers.whole()
    return workers.report_end()


async def _confirm(confirm: Confirm, options: RunCommandOptions, world: World, drain: Drain) -> None:
    """Ask a person if the list has more new rows than `confirm` allows. Raises UnconfirmedError if the answer is no."""
    format_ = format_of(options.manifest, options.format)
    with world.open_manifest(options.manifest, format_, choice_of(options)) as manifest:
        await asyncio.to_thread(manifest.check)
        lines = max(0, (manifest.lines or 0) - manifest.header_lines)
    begun = [glance(path).counts.total() for path in checkpoints_in(options.run_dir)]
    if lines - sum(begun) > confirm.above:
        question = opening.question(confirm.above, options.workflow, Length(lines, is_exact=False))
        if not await is_confirmed(confirm, question, drain) and not drain.begun:
            raise UnconfirmedError("not confirmed: nothing was started", UNCONFIRMED)


def _need_sharable(options: RunCommandOptions) -> None:
    if options.shard is not None:
        raise UsageError("--processes and a shard cannot be combined", "Each process is given a shard by this one.")
    if options.manifest is None:
        raise UsageError("--processes: standard input can be read by one process only", "Give the list as a file.")
    need_no_files(options)
    for name, flag in (("limit", "--limit"), ("metrics_port", "--metrics-port"), ("metrics_file", "--metrics-file")):
        if options.has(name) and getattr(options, name) is not None:
            raise UsageError(f"--processes and {flag} cannot be combined", "Run each shard by itself, with --shard.")


@dataclass
class Workers:
    """The worker of each shard: at most `most` run at a time, of the `of` shards."""

    options: RunCommandOptions
    world: World
    most: int
    of: int
    drain: Drain = field(default_factory=Drain)
    running: dict[int, Process] = field(default_factory=dict)
    codes: dict[int, int] = field(default_factory=dict)
    """The exit codes of the shards that have ended."""
    killed: Counter[int] = field(default_factory=Counter)
    _latest: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    """The last figures of each shard."""

    def __post_init__(self) -> None:
        self._begun = self.world.monotonic()

    async def whole(self) -> None:
        """Run the shards. A drain is passed on to those that run, and no other is begun."""
        try:
            await self._whole()
        finally:
            self._end_all()

    def _end_all(self) -> None:
        """Ask the workers that run to end gracefully."""
        for process in self.running.values():
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)

    async def _whole(self) -> None:
        waiting = deque(range(self.of))
        has_drained = False
        while self.running or (waiting and not self.drain.begun):
            # The first one alone, until it has written the plan: what is wrong with the job is said once.
            room = self.most if is_run_folder(self.options.run_dir) or self.codes else 1
            while waiting and len(self.running) < room and not self.drain.begun:
                shard = waiting.popleft()
                self.running[shard] = await self._start(shard)
            if self.drain.begun and not has_drained:
                has_drained = True
                self._end_all()
            await asyncio.sleep(LOOK_SECONDS)
            for shard, code in [(shard, process.returncode) for shard, process in self.running.items()]:
                if code is not None:
                    del self.running[shard]
                    waiting.extendleft([] if self._has_ended(shard, code) else [shard])
            if self.codes and not is_run_folder(self.options.run_dir):
                return

    def _has_ended(self, shard: int, code: int) -> bool:
        """Return whether the worker of a shard has ended for good. One that was killed is replaced."""
        name = f"shard {shard}/{self.of}"
        if code < 0 and not self.drain.begun and self.killed[shard] < REPLACED:
            self.killed[shard] += 1
            self.world.voice.warn(f"{name}: killed by {signal.Signals(-code).name}, started again")
            return False
        self.codes[shard] = code
        self._note_end(shard)
        error = last_error(self._log(shard)) if code not in {*_WORST, ExitCode.STOPPED} else ""
        if error:
            self.world.voice.warn(f"{name}: {error}")
        return True

    def _note_end(self, shard: int) -> None:
        # A shard that has not begun has no checkpoint, and no figures.
        with suppress(JobError):
            seen = glance(self._checkpoint(shard))
            counts = current_counts(seen.counts, running=False)
            whole = extent(counts, seen.length, read_whole=seen.read_whole)
            self._latest[shard] = ended(self._latest.get(shard, {}), counts, whole)

    async def _start(self, shard: int) -> Process:
        options = self.options
        words = ["run", f"--shard={Shard(shard, self.of)}", f"--run-dir={options.run_dir}", "--progress=none"]
        if options.max_rate is not None:
            # Never more in all, whichever of them are running.
            words.append(f"--max-rate={options.max_rate / min(self.most, self.of)}")
        words += words_of(options, without=_OURS)
        return await start([*words, str(options.manifest)], self.world.environment, self._log(shard))

    def _log(self, shard: int) -> Path:
        return self.options.run_dir / f"{stem(Shard(shard, self.of))}.log"

    def _checkpoint(self, shard: int) -> Path:
        return latest_checkpoint(self.options.run_dir, Shard(shard, self.of))

    def figures(self) -> Figures:
        """Look at all shards as they stand."""
        for shard in self.running:
            live = ask(self._checkpoint(shard), {"do": "look"})
            if live is not None and "error" not in live:
                self._latest[shard] = live
        return summed([*self._latest.values()], self.of, self.world.monotonic() - self._begun)

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
            for step in next_steps(shards.job, left_of(counts, read_whole=seen.read_whole)):
                voice.say(f"next: {step.command}")
        return self._code()

    def _code(self) -> ExitCode:
        if isinstance(self.drain.reason, ExitCode):
            return self.drain.reason
        others = [code for code in self.codes.values() if code not in _WORST]
        if others:
            return ExitCode(others[0]) if others[0] in {*ExitCode} else ExitCode.INTERNAL
        return next(code for code in _WORST if code in self.codes.values())
