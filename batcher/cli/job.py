"""The main job put together: every edge opened, joined to the engine, and closed again in the right order."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import inf
from typing import NamedTuple

import orjson

from batcher import __version__
from batcher.cli.console import complain, say
from batcher.cli.doubts import Doubts
from batcher.cli.files import PREFIX, Files, open_files
from batcher.cli.keys import open_keys
from batcher.cli.options import Options
from batcher.cli.parameters import parameters_of
from batcher.cli.signals import draining_on_signals
from batcher.cli.telling import Telling, open_telling
from batcher.cli.viewing import view_of
from batcher.cli.watch import Watch
from batcher.edges.background import read_ahead
from batcher.edges.checkpoint import Header
from batcher.edges.control import listening
from batcher.edges.manifest import Manifest, format_of, open_manifest
from batcher.edges.progress import showing
from batcher.edges.service import ObsV2
from batcher.edges.transport import connect
from batcher.flow import engine
from batcher.flow.attempts import Attempts
from batcher.flow.drain import Drain
from batcher.flow.preflight import contact
from batcher.flow.resend import Sift, released_rows
from batcher.flow.turns import Turns
from batcher.model import (
    BEGINNING,
    ExitCode,
    FailuresError,
    Found,
    JobError,
    ManifestError,
    Parameter,
    Record,
    Row,
    Settlement,
    State,
    Status,
    UsageError,
)
from batcher.rules import admission, ending, guards, naming
from batcher.rules.guards import Streak
from batcher.rules.identity import canonical
from batcher.rules.prefix import Frontier, Prefix, decoded, is_passable
from batcher.rules.progress import View
from batcher.rules.tally import Tally
from batcher.rules.throttle import Throttle

ROUNDS = 5
"""So often rows that were found absent are sent again within one run."""


async def run_job(options: Options, environment: Mapping[str, str]) -> ExitCode:
    """Run the job that `options` describe, and say how it ended. Raises JobError where it cannot begin or go on."""
    header = _header(options)
    async with open_telling(options) as telling:
        return await _run_job(options, header, environment, telling)


async def _run_job(options: Options, header: Header, environment: Mapping[str, str], telling: Telling) -> ExitCode:
    drain = Drain()
    with (
        draining_on_signals(drain.begin),
        _draining_after(options.max_duration, drain),
        open_manifest(options.manifest, format_of(options.manifest, options.format)) as manifest,
    ):
        await asyncio.to_thread(manifest.check)
        async with (
            open_keys(options.credentials, environment, drain, telling.warn) as keys,
            open_files(options.checkpoint, header, options.output) as files,
            connect(
                header.endpoint,
                connections=options.concurrency,
                timeout=options.timeout,
                verify_tls=options.verify_tls,
            ) as transport,
        ):
            service = ObsV2(transport.send, keys.use, options.workflow, telling.warn)
            watch = await _watch(options, files, service, drain, telling)
            doubts = Doubts(files, service, drain, options.on_doubt, options.settle_time)
            run = _Run(options, manifest, files, service, doubts, watch)
            async with telling.measuring(options.metrics, run.view):
                async with watch.keeping(), listening(options.checkpoint, watch.answer) as fault:
                    if fault:
                        telling.warn(f"the run cannot be steered while it goes on: {fault}")
                    code = await run.whole()
                telling.ended(code, run.view())
            return code


def _header(options: Options) -> Header:
    fault = naming.workflow_fault(options.workflow)
    if fault is not None:
        raise UsageError(f"--workflow {options.workflow}: {fault}")
    fault = None if options.bucket is None else naming.bucket_fault(options.bucket)
    if fault is not None:
        raise UsageError(f"--bucket {options.bucket}: {fault}")
    endpoint = naming.endpoint(options.endpoint, allow_http=options.allow_http)
    return Header(endpoint.url, options.workflow, canonical(options.inputs).decode() or "{}")


@contextmanager
def _draining_after(seconds: float | None, drain: Drain) -> Iterator[None]:
    def end() -> None:
        say("it is time to stop: no new starts, waiting for what is on the wire")
        drain.begin(ExitCode.STOPPED)

    timer = None if seconds is None else asyncio.get_running_loop().call_later(seconds, end)
    try:
        yield
    finally:
        if timer is not None:
            timer.cancel()


async def _watch(options: Options, files: Files, service: ObsV2, drain: Drain, telling: Telling) -> Watch:
    """Begin at the limit that an earlier run has found, and keep the one that this run finds."""
    max_rate = options.max_rate or inf
    turns = Turns(
        drain=drain,
        throttle=Throttle(max_rate, await files.kept_limit()),
        monotonic=time.monotonic,
        service_now=service.now,
        max_outage=options.max_outage,
    )
    files.limit = lambda: turns.throttle.limit
    return Watch(Tally(), turns, max_rate, telling, time.monotonic())


class _Run(NamedTuple):
    """One run over open files."""

    options: Options
    manifest: Manifest
    files: Files
    service: ObsV2
    doubts: Doubts
    watch: Watch

    @property
    def tally(self) -> Tally:
        return self.watch.tally

    @property
    def drain(self) -> Drain:
        return self.watch.turns.drain

    async def whole(self) -> ExitCode:
        """Settle what earlier runs left in doubt, start what is to be started, settle again, and say how it went."""
        self.watch.telling.reconciled(await self.doubts.settle(patient=False))
        parameters = await parameters_of(self.manifest, self.files.checkpoint, self.service, self.drain)
        await self._enter(parameters or {})
        blocks = self.manifest.blocks(
            bucket=self.options.bucket, static_inputs=self.options.inputs, parameters=parameters
        )
        self.watch.earlier_doubts = (await self.files.checkpoint.count_unsettled())[State.IN_DOUBT]
        async with showing(self.options.progress, self.view):
            rows = _waited_for(read_ahead(_counted(blocks, self.watch)), self.tally)
            await engine.run(self._job(rows, self._sift, self.options.limit), self.tally, self.drain)
        await self._settle_doubts()
        # The settled prefix may have moved on without a settlement.
        await self.files.settle([])
        return await self._end()

    def view(self) -> View:
        """Look at the run as it stands."""
        return view_of(self.manifest, self.watch, self.options.limit)

    async def _settle_doubts(self) -> None:
        """Ask about the rows in doubt, and send those again that were never started; a few rounds at most."""
        for round_ in range(ROUNDS + 1):
            findings = await self.doubts.settle(patient=True, release=round_ < ROUNDS)
            self.watch.telling.reconciled(findings)
            self.tally.adopted += len(findings.adopted)
            if not findings.released:
                return
            self.tally.resent += len(findings.released)
            again = self.tally.again()
            await engine.run(self._job(*released_rows(findings.released), None), again, self.drain)
            self.tally.given_back += again.given_back

    async def _sift(self, rows: engine.Block) -> tuple[Sequence[Found], Counter[State]]:
        sifted = await self.files.checkpoint.sift(rows, admission.left_alone(self._policy))
        last = rows[-1].number
        frontier = self.files.frontier
        frontier.sifted(last, len(sifted.found), sifted.passed, is_in_order=sifted.in_order)
        mark = self.manifest.mark(last)
        if mark is not None:
            frontier.reached(mark)
        if not self.service.now() and any(isinstance(each.row, Row) for each in sifted.found):
            # Before the first intent: it is dated by the service's clock, since this machine's may be set later.
            await contact(self.service.get_workflow, self.drain, random.random, time.monotonic)
        return sifted.found, sifted.passed

    async def _enter(self, parameters: Mapping[str, Parameter]) -> None:
        """Pass over what is settled of a manifest that is as it was. Where something may differ, every row is read."""
        options, checkpoint = self.options, self.files.checkpoint
        types = {name: parameter.type for name, parameter in parameters.items()}
        format_ = format_of(options.manifest, options.format)
        reading = orjson.dumps([__version__, format_, options.bucket, options.inputs, types]).decode()
        prefix = Prefix(BEGINNING, {}, reading)
        kept = await checkpoint.recall(PREFIX)
        if kept:
            earlier = decoded(str(kept))
            may_pass = is_passable(earlier, reading, admission.left_alone(self._policy))
            if may_pass and await asyncio.to_thread(self.manifest.enter, earlier.mark):
                prefix = earlier
            else:
                # This run may send rows of it again, so it must not outlive the first of them.
                await checkpoint.remember({PREFIX: ""})
        await checkpoint.enter(prefix.mark.rows)
        self.tally.pass_over(prefix.states)
        self.files.frontier = Frontier(prefix)

    @property
    def _policy(self) -> admission.Policy:
        return admission.Policy(self.options.retry_rejected, self.options.allow_duplicates)

    def _job(self, blocks: AsyncIterator[engine.Block], sift: Sift, limit: int | None) -> engine.Job:
        attempts = Attempts(
            send=self.service.start,
            tally=self.tally,
            turns=self.watch.turns,
            now=self.service.now,
            monotonic=time.monotonic,
            draw=random.random,
            max_attempts=self.options.max_attempts,
            trust_503=self.options.trust_503,
            seen=self.watch.telling.seen,
            streak=Streak(is_proven=self.tally.started > 0),
        )
        policy = self._policy
        return engine.Job(
            blocks=blocks,
            sift=sift,
            decide=lambda found: admission.admission(found, policy),
            admit=lambda rows: self.files.checkpoint.admit(rows, self.service.now()),
            fire=attempts.fire,
            write=self._write,
            settle=self._settle,
            look=self._guard,
            now=time.time,
            concurrency=self.options.concurrency,
            limit=limit,
        )

    async def _write(self, records: Sequence[Record]) -> None:
        self.tally.is_writing = True
        await self.files.write(records)
        self.watch.telling.recorded(records)

    async def _settle(self, settlements: Sequence[Settlement]) -> None:
        await self.files.settle(settlements)
        self.tally.is_writing = False

    def _guard(self, tally: Tally) -> None:
        """Stop the job when more rows are rejected than the user allows."""
        allowed, rejected = self.options.max_failures, tally.written[Status.REJECTED]
        if allowed is not None and guards.is_exceeded(allowed, rejected, tally.written.total()):
            self.drain.begin(
                FailuresError(
                    f"{rejected:,} rows were rejected, more than --max-failures allows",
                    "The records say why. Mend the cause, then run the same command again, with --retry-rejected to"
                    " send rejected rows once more.",
                )
            )

    async def _end(self) -> ExitCode:
        """Say how the run went, and give the exit code that tells the truth."""
        for warning in self.manifest.warnings:
            self.watch.telling.warn(warning)
        if self.tally.read_whole and self.tally.rows == 0:
            raise ManifestError(f"{self.options.manifest or 'standard input'}: the manifest has no rows")
        in_doubt = (await self.files.checkpoint.count_unsettled())[State.IN_DOUBT]
        files = ending.Files(str(self.options.output), str(self.options.checkpoint))
        for line in ending.summary(self.tally, in_doubt, self.watch.seconds, files):
            say(line)
        for line in ending.slowness(self.watch.turns.throttle.limit, self.watch.slowness.seconds(time.monotonic())):
            say(line)
        for line in ending.doubts(await self.files.checkpoint.unsettled({State.IN_DOUBT}, ending.SHOWN), in_doubt):
            say(line)
        code = ending.exit_code(self.tally, in_doubt, self.drain.reason)
        if isinstance(self.drain.reason, JobError):
            complain(self.drain.reason)
        else:
            say(ending.NEXT[code])
        return code


def _counted(blocks: Iterator[engine.Block], watch: Watch) -> Iterator[engine.Block]:
    for block in blocks:
        watch.tally.parsed += len(block)
        watch.lines_parsed = block[-1].line
        yield block
    watch.tally.is_parsed = True


async def _waited_for(blocks: AsyncIterator[engine.Block], tally: Tally) -> AsyncIterator[engine.Block]:
    tally.is_reading = True
    async for block in blocks:
        tally.is_reading = False
        yield block
        tally.is_reading = True
    tally.is_reading = False
