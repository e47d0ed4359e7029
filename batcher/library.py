"""batcher as a library: the job of `batcher run` inside a program of one's own, with its records as they are written.

The same files and the same promise: a program that is killed is run again, and so is the command in its place.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from math import inf
from pathlib import Path

from batcher.app.job_identity import beside, endpoint_of
from batcher.app.options import OnDoubt, Options
from batcher.app.run import run_job
from batcher.app.voice import ERROR, WARNING, Voice
from batcher.app.world import World
from batcher.edges.credentials import Place
from batcher.edges.manifest import Choice
from batcher.edges.progress import Mode
from batcher.errors import ExitCode, JobError, UsageError
from batcher.flow.drain import Drain
from batcher.model import Json, Record
from batcher.rules.doubts.matching import SETTLE_TIME
from batcher.rules.rate.stop import max_failures as parse_max_failures

_LOGGER = logging.getLogger("batcher")
_LEVELS = {WARNING: logging.WARNING, ERROR: logging.ERROR}

BOUNDS: Mapping[str, tuple[float, float]] = {
    "concurrency": (1, 10_000),
    "max_rate": (0.001, inf),
    "max_attempts": (1, inf),
    "max_outage": (0.001, inf),
    "max_duration": (0.001, inf),
    "limit": (1, inf),
    "timeout": (0.1, inf),
    "settle_time": (0, inf),
}
"""The least and the most of each number, as the command has them."""


@asynccontextmanager
async def run(  # noqa: PLR0913 - one argument for each option of the command
    manifest: str | Path,
    *,
    workflow: str,
    endpoint: str | None = None,
    region: str | None = None,
    bucket: str | None = None,
    inputs: Mapping[str, Json] | None = None,
    output: str | Path | None = None,
    checkpoint: str | Path | None = None,
    format: str | None = None,  # noqa: A002 - the option's name
    storage_classes: Iterable[str] = (),
    keep_placeholders: bool = False,
    concurrency: int = 64,
    max_rate: float | None = None,
    max_attempts: int = 6,
    max_failures: int | str | None = None,
    max_outage: float = 900.0,
    max_duration: float | None = None,
    limit: int | None = None,
    timeout: float = 30.0,  # noqa: ASYNC109 - of each request, not of this call
    on_doubt: OnDoubt = OnDoubt.RECONCILE,
    settle_time: float = SETTLE_TIME,
    retry_rejected: bool = False,
    allow_duplicates: bool = False,
    preflight: bool = True,
    trust_503: bool = False,
    allow_http: bool = False,
    verify_tls: bool = True,
    credentials: Place | None = None,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Running]:
    """Run a job while the block lasts. Iterate over what it gives for the job's records.

    The arguments are the options of `batcher run`, with its defaults; times are in seconds. `max_failures` is a number
    of rows or a text like "5%". `environment` is where credentials are looked for instead of the process's own.
    Leaving the block before the records end drains the job: nothing new is sent, and what is on the wire is settled.
    What the command would say goes to the logger `batcher`; signals are the program's own.

    Raises JobError, here, while iterating or at the end of the block, where the job cannot begin or go on: UsageError,
    ManifestError, ServiceError, CredentialsError, DiskError, BusyError, OtherJobError or FailuresError.
    """
    numbers = {
        "concurrency": concurrency,
        "max_rate": max_rate,
        "max_attempts": max_attempts,
        "max_outage": max_outage,
        "max_duration": max_duration,
        "limit": limit,
        "timeout": timeout,
        "settle_time": settle_time,
    }
    _check(numbers)
    name = str(manifest)
    options = Options(
        manifest=Path(manifest),
        workflow=workflow,
        endpoint=endpoint_of(endpoint, region),
        bucket=bucket,
        inputs=inputs or {},
        output=beside(name, None if output is None else Path(output), ".executions.jsonl", "output"),
        checkpoint=beside(name, None if checkpoint is None else Path(checkpoint), ".checkpoint", "checkpoint"),
        format=format,
        choice=Choice(keep_placeholders, frozenset(each.upper() for each in storage_classes)),
        concurrency=concurrency,
        max_rate=max_rate,
        max_attempts=max_attempts,
        max_failures=None if max_failures is None else parse_max_failures(str(max_failures)),
        max_outage=max_outage,
        max_duration=max_duration,
        limit=limit,
        timeout=timeout,
        on_doubt=OnDoubt(on_doubt),
        settle_time=settle_time,
        retry_rejected=retry_rejected,
        allow_duplicates=allow_duplicates,
        preflight=preflight,
        trust_503=trust_503,
        allow_http=allow_http,
        verify_tls=verify_tls,
        credentials=None if credentials is None else Place(credentials),
        progress=Mode.NONE,
        report=None,
        log=None,
        metrics=None,
    )
    world = World(
        voice=Voice(_log),
        environment=os.environ if environment is None else environment,
        # Signals are the program's own.
        draining_on_signals=lambda _drain, _say: nullcontext(),
    )
    running = Running(options, world)
    try:
        yield running
    finally:
        running.stop()
        await running.end()
    running.raise_unseen()


class Running:
    """A job that runs. Made by `run`."""

    def __init__(self, options: Options, world: World) -> None:
        self._drain = Drain()
        self._blocks: asyncio.Queue[Sequence[Record] | None] = asyncio.Queue(maxsize=1)
        """Records that are on the disk; None behind the last. A program that is slow to take them slows the job."""
        self._is_over = False
        self._has_told = False
        self._job = asyncio.create_task(self._run(options, world), name="batcher")

    @property
    def exit_code(self) -> ExitCode | None:
        """How the job ended, as the command would tell it; None before its end, and where it could not go on."""
        is_told = self._job.done() and not self._job.cancelled() and self._job.exception() is None
        return self._job.result() if is_told else None

    def stop(self) -> None:
        """Send nothing new. The records end when what is on the wire is settled."""
        self._drain.begin(ExitCode.STOPPED)

    async def __aiter__(self) -> AsyncIterator[Record]:
        """Give the records that this run writes, each once the disk has it. Those of earlier runs are in the output."""
        while (block := await self._next()) is not None:
            for record in block:
                yield record
        self.raise_unseen()

    async def end(self) -> None:
        """Wait for the job's end, and leave its further records to the output."""
        try:
            while await self._next() is not None:
                pass
        finally:
            # Cancelled while waiting: then the job is left at once, which is as safe as a crash.
            self._job.cancel()
            await asyncio.gather(self._job, return_exceptions=True)

    def raise_unseen(self) -> None:
        """Raise what ended the job, once."""
        if not self._has_told:
            self._has_told = True
            self._job.result()
            if isinstance(self._drain.reason, JobError):
                raise self._drain.reason

    async def _next(self) -> Sequence[Record] | None:
        if self._is_over:
            return None
        block = await self._blocks.get()
        if block is None:
            self._is_over = True
            await asyncio.wait([self._job])
        return block

    async def _run(self, options: Options, world: World) -> ExitCode:
        try:
            code = await run_job(options, world, self._drain, self._blocks.put)
        except Exception:
            await self._blocks.put(None)
            raise
        # Not when it is cancelled: then nobody takes anything any more.
        await self._blocks.put(None)
        return code


def _log(kind: str, text: str) -> None:
    _LOGGER.log(_LEVELS.get(kind, logging.INFO), "%s", text)


def _check(numbers: Mapping[str, float | None]) -> None:
    for name, value in numbers.items():
        least, most = BOUNDS[name]
        if value is not None and not (isinstance(value, int | float) and least <= value <= most):
            raise UsageError(f"{name}={value!r}: not a number from {least:g} to {most:g}", "Give one, or leave it out.")
