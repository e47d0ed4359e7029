"""The main job put together: every edge opened, joined to the engine, and closed again in the right order."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

import orjson

from batcher.cli.console import complain, say
from batcher.cli.options import Options
from batcher.cli.signals import draining_on_signals
from batcher.edges.background import read_ahead
from batcher.edges.checkpoint import Checkpoint, Header, open_checkpoint
from batcher.edges.credentials import find_credentials
from batcher.edges.manifest import Manifest, format_of, open_manifest
from batcher.edges.progress import View, showing
from batcher.edges.records import Output, open_output
from batcher.edges.service import ObsV2
from batcher.edges.transport import connect
from batcher.flow import engine
from batcher.flow.attempts import Attempts
from batcher.flow.drain import Drain
from batcher.flow.preflight import declared_parameters
from batcher.flow.resume import LEFT_OPEN, resume
from batcher.model import Answer, ExitCode, JobError, ManifestError, Parameter, Record, Settlement, State, UsageError
from batcher.rules import admission, ending, naming
from batcher.rules.identity import canonical
from batcher.rules.tally import Tally
from batcher.rules.throttle import Throttle

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
            open_checkpoint(options.checkpoint, header) as checkpoint,
            _output(options, checkpoint) as output,
            connect(
                header.endpoint,
                connections=options.concurrency,
                timeout=options.timeout,
                verify_tls=options.verify_tls,
            ) as transport,
        ):
            service = ObsV2(transport.send, credentials, options.workflow)
            return await _Run(options, manifest, checkpoint, output, service, drain).whole()


def _header(options: Options) -> Header:
    fault = naming.workflow_fault(options.workflow)
    if fault is not None:
        raise UsageError(f"--workflow {options.workflow}: {fault}")
    fault = None if options.bucket is None else naming.bucket_fault(options.bucket)
    if fault is not None:
        raise UsageError(f"--bucket {options.bucket}: {fault}")
    endpoint = naming.endpoint(options.endpoint, allow_http=options.allow_http)
    return Header(endpoint.url, options.workflow, canonical(options.inputs).decode() or "{}")


@asynccontextmanager
async def _output(options: Options, checkpoint: Checkpoint) -> AsyncIterator[Output]:
    """Open the output at the length that the checkpoint knows of this very file."""
    fact = _length_fact(options)
    known = await checkpoint.recall(fact)
    async with open_output(options.output, None if known is None else int(known)) as output:
        if known is None:
            await checkpoint.remember({fact: 0})
        yield output


def _length_fact(options: Options) -> str:
    return f"length of {options.output.absolute()}"


class _Run(NamedTuple):
    """One run over open files."""

    options: Options
    manifest: Manifest
    checkpoint: Checkpoint
    output: Output
    service: ObsV2
    drain: Drain

    async def whole(self) -> ExitCode:
        """Settle what an earlier run left open, start what is to be started, and say how it went."""
        tally, begun = Tally(), time.monotonic()
        left = await self.checkpoint.unsettled(LEFT_OPEN)
        await resume(left, self.output.recovered, self._write, self._settle, time.time())
        earlier_doubts = (await self.checkpoint.count_unsettled())[State.IN_DOUBT]
        blocks = self.manifest.blocks(
            bucket=self.options.bucket, static_inputs=self.options.inputs, parameters=await self._parameters()
        )

        def look() -> View:
            return _view(self.manifest, tally, earlier_doubts, time.monotonic() - begun)

        async with showing(self.options.progress, look):
            await engine.run(self._job(read_ahead(_counted(blocks, tally)), tally), tally, self.drain)
        return await self._end(tally, time.monotonic() - begun)

    def _job(self, blocks: AsyncIterator[engine.Block], tally: Tally) -> engine.Job:
        policy = admission.Policy(self.options.retry_rejected, self.options.allow_duplicates)
        leave = admission.left_alone(policy)
        attempts = Attempts(
            send=self.service.start,
            drain=self.drain,
            tally=tally,
            pace=_pace(self.options.max_rate, self.drain),
            now=time.time,
            monotonic=time.monotonic,
            draw=random.random,
            max_attempts=self.options.max_attempts,
            trust_503=self.options.trust_503,
        )
        return engine.Job(
            blocks=blocks,
            sift=lambda rows: self.checkpoint.sift(rows, leave),
            decide=lambda found: admission.admission(found, policy),
            admit=lambda rows: self.checkpoint.admit(rows, time.time()),
            fire=attempts.fire,
            write=self._write,
            settle=self._settle,
            now=time.time,
            concurrency=self.options.concurrency,
        )

    async def _write(self, records: Sequence[Record]) -> None:
        await self.output.append(records)

    async def _settle(self, settlements: Sequence[Settlement]) -> None:
        facts = {_length_fact(self.options): self.output.length}
        await self.checkpoint.settle(settlements, facts, time.time())

    async def _parameters(self) -> Mapping[str, Parameter] | None:
        """Give the workflow's declared parameters where the manifest's cells depend on them.

        They are asked for once in a job's life: a cell that is a number today and text tomorrow would be another row.
        """
        if _TABLE_COLUMNS.issuperset(self.manifest.header):
            return None
        kept = await self.checkpoint.recall("parameters")
        if kept is None:
            found = await declared_parameters(self.service.get_workflow, self.drain.sleep, random.random, time.time)
            if isinstance(found, Answer):
                say(
                    f"warning: the service does not describe the workflow (HTTP {found.status} {found.code}):"
                    " every cell is sent as text"
                )
                found = {}
            kept = orjson.dumps({name: parameter.type for name, parameter in found.items()}).decode()
            await self.checkpoint.remember({"parameters": kept})
        types = orjson.loads(str(kept))
        return {name: Parameter(name, type_, has_value=True, constraints={}) for name, type_ in types.items()}

    async def _end(self, tally: Tally, seconds: float) -> ExitCode:
        """Say how the run went, and give the exit code that tells the truth."""
        for warning in self.manifest.warnings:
            say(f"warning: {warning}")
        if tally.read_whole and tally.rows == 0:
            raise ManifestError(f"{self.options.manifest or 'standard input'}: the manifest has no rows")
        in_doubt = (await self.checkpoint.count_unsettled())[State.IN_DOUBT]
        files = ending.Files(str(self.options.output), str(self.options.checkpoint))
        for line in ending.summary(tally, in_doubt, seconds, files):
            say(line)
        for line in ending.doubts(await self.checkpoint.unsettled({State.IN_DOUBT}, ending.SHOWN), in_doubt):
            say(line)
        code = ending.exit_code(tally, in_doubt, self.drain.reason)
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
