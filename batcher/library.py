"""batcher as a library: runs the job of `batcher run` inside a program, which gets the records as they are written.

The files and the guarantees are those of the command. Each can resume a job that the other has begun.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import Any

from batcher.app.job_places import located
from batcher.app.report import write_report
from batcher.app.run import run_job
from batcher.app.voice import ERROR, WARNING, Voice
from batcher.app.world import World
from batcher.errors import ExitCode, JobError
from batcher.flow.drain import Drain
from batcher.model import Record
from batcher.options.declaring import Derived, declared_by
from batcher.options.verbs import RunOptions
from batcher.options.wording import as_arguments
from batcher.rules.choices import Mode

_LOGGER = logging.getLogger("batcher")
_LEVELS = {WARNING: logging.WARNING, ERROR: logging.ERROR}


@asynccontextmanager
async def run(
    manifest: RunOptions | str | os.PathLike[str], *, environment: Mapping[str, str] | None = None, **arguments: Any
) -> AsyncIterator[Running]:
    """Run a job inside an `async with` block. Iterate over the yielded object to get the job's records.

    The arguments are the options of `batcher run`, with the same defaults, or one RunOptions. Times are in seconds, or
    texts such as "15m". Credentials and OBS_ENDPOINT are read from `environment`, by default that of the process.
    Leaving the block before the records end drains the job: it sends nothing new and settles the requests on the wire.
    The messages of the command go to the logger `batcher`. Progress is shown only if `progress` is given. Signals are
    left to the program.

    Raises JobError if the job cannot begin or continue, here, while iterating or at the end of the block: UsageError,
    ManifestError, ServiceError, CredentialsError, DiskError, BusyError, OtherJobError or FailuresError.
    """
    world = World(
        voice=Voice(_log),
        environment=os.environ if environment is None else environment,
        # Signals are left to the program.
        draining_on_signals=lambda _drain, _say: nullcontext(),
    )
    try:
        options = _options(manifest, arguments, world.environment)
    except JobError as error:
        raise _in_arguments(error) from None
    running = Running(options, world)
    try:
        yield running
    finally:
        running.stop()
        await running.end()
    running.raise_unseen()


def _signature() -> inspect.Signature:
    """Return the signature of `run` from the declarations, for `help(batcher.run)` and for editors."""
    parameters = [
        inspect.Parameter(
            each.name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD if each.option.is_argument else inspect.Parameter.KEYWORD_ONLY,
            default=_default(each.default) if not each.is_required else inspect.Parameter.empty,
            annotation=each.kind.python,
        )
        for each in declared_by(RunOptions)
    ]
    parameters.append(inspect.Parameter("environment", inspect.Parameter.KEYWORD_ONLY, default=None))
    return inspect.Signature(sorted(parameters, key=lambda each: each.kind))


def _default(value: object) -> object:
    return None if isinstance(value, Derived) else value


run.__signature__ = _signature()  # type: ignore[attr-defined]


def _options(
    given: RunOptions | str | os.PathLike[str], arguments: Mapping[str, Any], environment: Mapping[str, str]
) -> RunOptions:
    """Make the options from the arguments. Raises UsageError for wrong arguments, before anything is opened."""
    passed: dict[str, Any] = {**arguments, "manifest": given}
    options = given if isinstance(given, RunOptions) else RunOptions(**passed)
    if given is options and arguments:
        raise TypeError(f"RunOptions and {', '.join(arguments)} cannot be combined; use one of them")
    if not any(options.has(name) for name in RunOptions.alternatives):
        options = options.but(**_shared(environment))
    options = located(options)
    if options.progress is Mode.AUTO:
        options = options.but(progress=Mode.NONE)
    # Derive these options now, so that a missing one is reported before anything is opened.
    _ = options.endpoint, options.checkpoint, options.output
    return options


def _shared(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what the environment sets for all programs. The BATCHER_ variables apply to the command only."""
    return {
        each.name: environment[name]
        for each in declared_by(RunOptions)
        for name in each.option.shared_environment
        if environment.get(name)
    }


def _in_arguments(error: JobError) -> JobError:
    """Return the same error with arguments in place of flags."""
    return type(error)(as_arguments(str(error), RunOptions), as_arguments(error.advice, RunOptions))


class Running:
    """A running job. Made by `run`."""

    def __init__(self, options: RunOptions, world: World) -> None:
        self._drain = Drain()
        self._blocks: asyncio.Queue[Sequence[Record] | None] = asyncio.Queue(maxsize=1)
        """Records that are on the disk, then None. A program that takes them slowly slows the job down."""
        self._is_over = False
        self._has_raised = False
        self._job = asyncio.create_task(self._run(options, world), name="batcher")

    @property
    def exit_code(self) -> ExitCode | None:
        """The exit code of the command for this job. None before the end, and if an error ended the job."""
        has_ended = self._job.done() and not self._job.cancelled() and self._job.exception() is None
        return self._job.result() if has_ended else None

    def stop(self) -> None:
        """Send nothing new. The records end when the requests on the wire are settled."""
        self._drain.begin(ExitCode.STOPPED)

    async def __aiter__(self) -> AsyncIterator[Record]:
        """Yield the records that this run writes, after they are on the disk. The output has those of earlier runs."""
        while (block := await self._next()) is not None:
            for record in block:
                yield record
        self.raise_unseen()

    async def end(self) -> None:
        """Wait until the job ends. Its remaining records are only in the output."""
        try:
            while await self._next() is not None:
                pass
        finally:
            # If the wait is cancelled, the job is cancelled at once, which is as safe as a crash.
            self._job.cancel()
            await asyncio.gather(self._job, return_exceptions=True)

    def raise_unseen(self) -> None:
        """Raise the error that ended the job, unless it was raised before."""
        if not self._has_raised:
            self._has_raised = True
            self._job.result()
            if isinstance(self._drain.reason, JobError):
                raise _in_arguments(self._drain.reason)

    async def _next(self) -> Sequence[Record] | None:
        if self._is_over:
            return None
        block = await self._blocks.get()
        if block is None:
            self._is_over = True
            await asyncio.wait([self._job])
        return block

    async def _run(self, options: RunOptions, world: World) -> ExitCode:
        try:
            code = await run_job(options, world, self._drain, self._blocks.put)
            if options.report is not None:
                await asyncio.to_thread(write_report, options.checkpoint, options.report, world.voice)
        except JobError as error:
            await self._blocks.put(None)
            raise _in_arguments(error) from error
        except Exception:
            await self._blocks.put(None)
            raise
        # Not put when the job is cancelled, since the program no longer takes anything.
        await self._blocks.put(None)
        return code


def _log(kind: str, text: str) -> None:
    _LOGGER.log(_LEVELS.get(kind, logging.INFO), "%s", as_arguments(text, RunOptions))
