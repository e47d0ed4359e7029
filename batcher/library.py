"""batcher as a library: the job of `batcher run` inside a program of one's own, with its records as they are written.

The files and the promise are those of the command: either resumes what the other has begun.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import Any

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
    """Run a job while the block lasts. Iterate over what it gives for the job's records.

    The arguments are the options of `batcher run`, with its defaults, or one RunOptions that has them; times are in
    seconds, or texts such as "15m". `environment` is where credentials and OBS_ENDPOINT are looked for instead of the
    process's own. Leaving the block before the records end drains the job: nothing new is sent, and what is on the wire
    is settled. What the command would say goes to the logger `batcher`, and no progress is shown unless `progress` asks
    for it; signals are the program's own.

    Raises JobError, here, while iterating or at the end of the block, where the job cannot begin or go on: UsageError,
    ManifestError, ServiceError, CredentialsError, DiskError, BusyError, OtherJobError or FailuresError.
    """
    world = World(
        voice=Voice(_log),
        environment=os.environ if environment is None else environment,
        # Signals are the program's own.
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
    """Give the signature of `run` as the declarations have it, for `help(batcher.run)` and for editors."""
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
    """Make the options of what was passed. Raises UsageError for what cannot be, before anything is opened."""
    passed: dict[str, Any] = {**arguments, "manifest": given}
    options = given if isinstance(given, RunOptions) else RunOptions(**passed)
    if given is options and arguments:
        raise TypeError(f"RunOptions and {', '.join(arguments)} cannot be combined; use one of them")
    if not any(options.has(name) for name in RunOptions.alternatives):
        options = options.but(**_shared(environment))
    if options.progress is Mode.AUTO:
        options = options.but(progress=Mode.NONE)
    # What follows from other options is worked out here, so that what is missing is an error at once.
    _ = options.endpoint, options.checkpoint, options.output
    return options


def _shared(environment: Mapping[str, str]) -> dict[str, str]:
    """Give what the environment sets for every program; what it sets for the command alone is not the library's."""
    return {
        each.name: environment[name]
        for each in declared_by(RunOptions)
        for name in each.option.shared_environment
        if environment.get(name)
    }


def _in_arguments(error: JobError) -> JobError:
    """Make the same error speak of arguments, where the command speaks of flags."""
    return type(error)(as_arguments(str(error), RunOptions), as_arguments(error.advice, RunOptions))


class Running:
    """A job that runs. Made by `run`."""

    def __init__(self, options: RunOptions, world: World) -> None:
        self._drain = Drain()
        self._blocks: asyncio.Queue[Sequence[Record] | None] = asyncio.Queue(maxsize=1)
        """Records that are on the disk; None behind the last. A program that is slow to take them slows the job."""
        self._is_over = False
        self._has_raised = False
        self._job = asyncio.create_task(self._run(options, world), name="batcher")

    @property
    def exit_code(self) -> ExitCode | None:
        """How the job ended, as the command's exit code; None before its end, and where it could not go on."""
        has_ended = self._job.done() and not self._job.cancelled() and self._job.exception() is None
        return self._job.result() if has_ended else None

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
        # Not when it is cancelled: then no program takes anything any more.
        await self._blocks.put(None)
        return code


def _log(kind: str, text: str) -> None:
    _LOGGER.log(_LEVELS.get(kind, logging.INFO), "%s", as_arguments(text, RunOptions))
