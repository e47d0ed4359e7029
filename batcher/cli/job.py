"""The main job put together: every edge opened, joined to the engine, and closed again in the right order."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import orjson

from batcher import __version__
from batcher.cli.console import complain, say
from batcher.cli.doubts import Doubts
from batcher.cli.files import PREFIX, Files, open_files
from batcher.cli.options import Options
from batcher.cli.signals import draining_on_signals
from batcher.edges.background import read_ahead
from batcher.edges.checkpoint import Header
from batcher.edges.credentials import find_credentials
from batcher.edges.manifest import Manifest, format_of, open_manifest
from batcher.edges.progress import View, showing
from batcher.edges.service import ObsV2
from batcher.edges.transport import connect
from batcher.flow import engine
from batcher.flow.attempts import Attempts
from batcher.flow.drain import Drain
from batcher.flow.preflight import declared_parameters
from batcher.flow.resend import Sift, released_rows
from batcher.model import BEGINNING, Answer, ExitCode, Found, JobError, ManifestError, Parameter, State, UsageError
from batcher.rules import admission, ending, naming
from batcher.rules.identity import canonical
from batcher.rules.prefix import Frontier, Prefix, decoded, is_passable
from batcher.rules.tally import Tally
from batcher.rules.throttle import Throttle

ROUNDS = 5
"""So often rows that were found absent are sent again within one run."""

_TABLE_COLUMNS = frozenset({"object", "bucket", "inputs"})


async def run_job(options: Options, environment: Mapping[str, str]) -> ExitCode:
    """Run the job that `options` describe, and say how it ended. Raises JobError where it cannot begin or go on."""
    header = _header(options)
    credentials = find_credentials(environment)
    drain = Drain()
    with (
        draining_on_signals(drain.begin),
        open_manifest(options.manifest, format_of(options.manifest, options.format)) as manifest,
    ):
        await asyncio.to_thread(manifest.check)
        async with (
            open_files(options.checkpoint, header, options.output) as files,
            connect(
                header.endpoint,
                connections=options.concurrency,
                timeout=options.timeout,
                verify_tls=options.verify_tls,
            ) as transport,
        ):
            service = ObsV2(transport.send, credentials, options.workflow)
            files.clock_offset = lambda: service.clock_offset
            doubts = Doubts(files, service, drain, options.on_doubt, options.settle_time)
            return await _Run(options, manifest, files, service, doubts, drain, Tally()).whole()


def _header(options: Options) -> Header:
    fault = naming.workflow_fault(options.workflow)
    if fault is not None:
        raise UsageError(f"--workflow {options.workflow}: {fault}")
    fault = None if options.bucket is None else naming.bucket_fault(options.bucket)
    if fault is not None:
        raise UsageError(f"--bucket {options.bucket}: {fault}")
    endpoint = naming.endpoint(options.endpoint, allow_http=options.allow_http)
    return Header(endpoint.url, options.workflow, canonical(options.inputs).decode() or "{}")


class _Run(NamedTuple):
    """One run over open files."""

    options: Options
    manifest: Manifest
    files: Files
    service: ObsV2
    doubts: Doubts
    drain: Drain
    tally: Tally

    async def whole(self) -> ExitCode:
        """Settle what earlier runs left in doubt, start what is to be started, settle again, and say how it went."""
        begun = time.monotonic()
        await self.doubts.settle(patient=False)
        parameters = await self._parameters()
        await self._enter(parameters or {})
        blocks = self.manifest.blocks(
            bucket=self.options.bucket, static_inputs=self.options.inputs, parameters=parameters
        )
        earlier_doubts = (await self.files.checkpoint.count_unsettled())[State.IN_DOUBT]

        def look() -> View:
            return _view(self.manifest, self.tally, earlier_doubts, time.monotonic() - begun)

        async with showing(self.options.progress, look):
            job = self._job(read_ahead(_counted(blocks, self.tally)), self._sift)
            await engine.run(job, self.tally, self.drain)
        await self._settle_doubts()
        # The settled prefix may have moved on without a settlement.
        await self.files.settle([])
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
            await engine.run(self._job(*released_rows(findings.released)), again, self.drain)
            self.tally.given_back += again.given_back

    async def _sift(self, rows: engine.Block) -> tuple[Sequence[Found], Counter[State]]:
        sifted = await self.files.checkpoint.sift(rows, admission.left_alone(self._policy))
        last = rows[-1].number
        frontier = self.files.frontier
        frontier.sifted(last, len(sifted.found), sifted.passed, is_in_order=sifted.in_order)
        mark = self.manifest.mark(last)
        if mark is not None:
            frontier.reached(mark)
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

    def _job(self, blocks: AsyncIterator[engine.Block], sift: Sift) -> engine.Job:
        attempts = Attempts(
            send=self.service.start,
            drain=self.drain,
            tally=self.tally,
            pace=_pace(self.options.max_rate, self.drain),
            now=time.time,
            monotonic=time.monotonic,
            draw=random.random,
            max_attempts=self.options.max_attempts,
            trust_503=self.options.trust_503,
        )
        policy = self._policy
        return engine.Job(
            blocks=blocks,
            sift=sift,
            decide=lambda found: admission.admission(found, policy),
            admit=lambda rows: self.files.checkpoint.admit(rows, time.time()),
            fire=attempts.fire,
            write=self.files.write,
            settle=self.files.settle,
            now=time.time,
            concurrency=self.options.concurrency,
        )

    async def _parameters(self) -> Mapping[str, Parameter] | None:
        """Give the workflow's declared parameters where the manifest's cells depend on them.

        They are asked for once in a job's life: a cell that is a number today and text tomorrow would be another row.
        """
        if _TABLE_COLUMNS.issuperset(self.manifest.header):
            return None
        kept = await self.files.checkpoint.recall("parameters")
        if kept is None:
            found = await declared_parameters(self.service.get_workflow, self.drain.sleep, random.random, time.time)
            if isinstance(found, Answer):
                say(
                    f"warning: the service does not describe the workflow (HTTP {found.status} {found.code}):"
                    " every cell is sent as text"
                )
                found = {}
            kept = orjson.dumps({name: parameter.type for name, parameter in found.items()}).decode()
            await self.files.checkpoint.remember({"parameters": kept})
        types = orjson.loads(str(kept))
        return {name: Parameter(name, type_, has_value=True, constraints={}) for name, type_ in types.items()}

    async def _end(self, seconds: float) -> ExitCode:
        """Say how the run went, and give the exit code that tells the truth."""
        for warning in self.manifest.warnings:
            say(f"warning: {warning}")
        if self.tally.read_whole and self.tally.rows == 0:
            raise ManifestError(f"{self.options.manifest or 'standard input'}: the manifest has no rows")
        in_doubt = (await self.files.checkpoint.count_unsettled())[State.IN_DOUBT]
        files = ending.Files(str(self.options.output), str(self.options.checkpoint))
        for line in ending.summary(self.tally, in_doubt, seconds, files):
            say(line)
        for line in ending.doubts(await self.files.checkpoint.unsettled({State.IN_DOUBT}, ending.SHOWN), in_doubt):
            say(line)
        code = ending.exit_code(self.tally, in_doubt, self.drain.reason)
        if isinstance(self.drain.reason, JobError):
            complain(self.drain.reason)
        else:
            say(ending.NEXT[code])
        return code


def _pace(max_rate: float | None, drain: Drain) -> Callable[[], Awaitable[None]]:
    """Give the function that waits for an attempt's turn."""
    if max_rate is None:
        return _at_once
    throttle = Throttle(max_rate)

    async def in_turn() -> None:
        wait = throttle.reserve(time.monotonic())
        if wait > 0:
            await drain.sleep(wait)

    return in_turn


async def _at_once() -> None:
    pass


def _counted(blocks: Iterator[engine.Block], tally: Tally) -> Iterator[engine.Block]:
    for block in blocks:
        tally.parsed += len(block)
        yield block


def _view(manifest: Manifest, tally: Tally, earlier_doubts: int, seconds: float) -> View:
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
        started_now=tally.started - tally.known[State.STARTED],
        fraction=fraction,
        seconds=seconds,
    )
