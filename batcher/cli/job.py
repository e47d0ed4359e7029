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

from batcher.cli.console import complain, say, warn
from batcher.cli.doubts import Doubts
from batcher.cli.files import BUCKET, MANIFEST, Files, open_files
from batcher.cli.keys import open_keys
from batcher.cli.options import Options
from batcher.cli.parameters import parameters_of
from batcher.cli.signals import draining_on_signals
from batcher.cli.watch import Watch
from batcher.edges.background import read_ahead
from batcher.edges.checkpoint import Header
from batcher.edges.control import listening
from batcher.edges.manifest import Manifest, format_of, open_manifest
from batcher.edges.progress import View, showing
from batcher.edges.service import ObsV2
from batcher.edges.transport import connect
from batcher.flow import engine
from batcher.flow.attempts import Attempts
from batcher.flow.drain import Drain
from batcher.flow.preflight import contact
from batcher.flow.resend import Sift, released_rows
from batcher.flow.turns import Turns
from batcher.model import (
    ExitCode,
    FailuresError,
    Found,
    JobError,
    ManifestError,
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
from batcher.rules.tally import Tally
from batcher.rules.throttle import Throttle

ROUNDS = 5
"""So often rows that were found absent are sent again within one run."""


async def run_job(options: Options, environment: Mapping[str, str]) -> ExitCode:
    """Run the job that `options` describe, and say how it ended. Raises JobError where it cannot begin or go on."""
    header = _header(options)
    drain = Drain()
    with (
        draining_on_signals(drain.begin),
        _draining_after(options.max_duration, drain),
        open_manifest(options.manifest, format_of(options.manifest, options.format)) as manifest,
    ):
        await asyncio.to_thread(manifest.check)
        async with (
            open_keys(options.credentials, environment, drain) as keys,
            open_files(options.checkpoint, header, options.output, _about(options)) as files,
            connect(
                header.endpoint,
                connections=options.concurrency,
                timeout=options.timeout,
                verify_tls=options.verify_tls,
            ) as transport,
        ):
            service = ObsV2(transport.send, keys.use, options.workflow, warn)
            watch = await _watch(options, files, service, drain)
            doubts = Doubts(files, service, drain, options.on_doubt, options.settle_time)
            async with watch.keeping(), listening(options.checkpoint, watch.answer) as fault:
                if fault:
                    warn(f"the run cannot be steered while it goes on: {fault}")
                return await _Run(options, manifest, files, service, doubts, watch).whole()


def _header(options: Options) -> Header:
    fault = naming.workflow_fault(options.workflow)
    if fault is not None:
        raise UsageError(f"--workflow {options.workflow}: {fault}")
    fault = None if options.bucket is None else naming.bucket_fault(options.bucket)
    if fault is not None:
        raise UsageError(f"--bucket {options.bucket}: {fault}")
    endpoint = naming.endpoint(options.endpoint, allow_http=options.allow_http)
    return Header(endpoint.url, options.workflow, canonical(options.inputs).decode() or "{}")


def _about(options: Options) -> dict[str, str]:
    """Give what is worth remembering of a run, for what is asked after it."""
    manifest = "-" if options.manifest is None else str(options.manifest.absolute())
    return {MANIFEST: manifest, BUCKET: options.bucket or ""}


@contextmanager
def _draining_after(seconds: float | None, drain: Drain) -> Iterator[None]:
    timer = None if seconds is None else asyncio.get_running_loop().call_later(seconds, drain.begin, ExitCode.STOPPED)
    try:
        yield
    finally:
        if timer is not None:
            timer.cancel()


async def _watch(options: Options, files: Files, service: ObsV2, drain: Drain) -> Watch:
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
    return Watch(Tally(), turns, max_rate)


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
        begun = time.monotonic()
        await self.doubts.settle(patient=False)
        parameters = await parameters_of(self.manifest, self.files.checkpoint, self.service, self.drain)
        blocks = self.manifest.blocks(
            bucket=self.options.bucket, static_inputs=self.options.inputs, parameters=parameters
        )
        earlier_doubts = (await self.files.checkpoint.count_unsettled())[State.IN_DOUBT]

        def look() -> View:
            return _view(self.manifest, self.watch, earlier_doubts, time.monotonic() - begun)

        async with showing(self.options.progress, look):
            rows = _waited_for(read_ahead(_counted(blocks, self.tally)), self.tally)
            await engine.run(self._job(rows, self._sift, self.options.limit), self.tally, self.drain)
        await self._settle_doubts()
        return await self._end(time.monotonic() - begun)

    async def _settle_doubts(self) -> None:
        """Ask about the rows in doubt, and send those again that were never started; a few rounds at most."""
        for round_ in range(ROUNDS + 1):
            findings = await self.doubts.settle(patient=True, release=round_ < ROUNDS)
            self.tally.adopted += len(findings.adopted)
            if not findings.released:
                return
            self.tally.resent += len(findings.released)
            again = self.tally.again()
            await engine.run(self._job(*released_rows(findings.released), None), again, self.drain)
            self.tally.given_back += again.given_back

    async def _sift(self, rows: engine.Block) -> tuple[Sequence[Found], Counter[State]]:
        sifted = await self.files.checkpoint.sift(rows, admission.left_alone(self._policy))
        if not self.service.now() and any(isinstance(each.row, Row) for each in sifted.found):
            # Before the first intent: it is dated by the service's clock, since this machine's may be set later.
            await contact(self.service.get_workflow, self.drain, random.random)
        return sifted.found, sifted.passed

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

    async def _end(self, seconds: float) -> ExitCode:
        """Say how the run went, and give the exit code that tells the truth."""
        for warning in self.manifest.warnings:
            warn(warning)
        if self.tally.read_whole and self.tally.rows == 0:
            raise ManifestError(f"{self.options.manifest or 'standard input'}: the manifest has no rows")
        in_doubt = (await self.files.checkpoint.count_unsettled())[State.IN_DOUBT]
        files = ending.Files(str(self.options.output), str(self.options.checkpoint))
        for line in ending.summary(self.tally, in_doubt, seconds, files):
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


def _counted(blocks: Iterator[engine.Block], tally: Tally) -> Iterator[engine.Block]:
    for block in blocks:
        tally.parsed += len(block)
        yield block


async def _waited_for(blocks: AsyncIterator[engine.Block], tally: Tally) -> AsyncIterator[engine.Block]:
    tally.is_reading = True
    async for block in blocks:
        tally.is_reading = False
        yield block
        tally.is_reading = True
    tally.is_reading = False


def _view(manifest: Manifest, watch: Watch, earlier_doubts: int, seconds: float) -> View:
    tally = watch.tally
    # So much of the file is parsed, and of what is parsed so much has ended.
    fraction = (
        manifest.position / manifest.size * tally.ended / tally.parsed if manifest.size and tally.parsed else None
    )
    return View(
        rows=tally.rows,
        started=tally.started,
        rejected=tally.rejected,
        invalid=tally.invalid,
        in_doubt=earlier_doubts + tally.in_doubt,
        retries=tally.retries,
        in_flight=tally.in_flight,
        rate=watch.rate,
        limit=watch.turns.throttle.limit,
        state=watch.state,
        fraction=fraction,
        seconds=seconds,
    )
