"""The library for what follows a run: watch the executions of a job, redrive those that failed, and see how they ended.

`watch` and `redrive` do what the commands do, in the event loop of the program. Their twins have a loop of their own.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from batcher.app.ends import SeenEnds, seen_ends
from batcher.app.job_places import checkpoint_of, located
from batcher.app.redrive import redrive_job
from batcher.app.voice import Voice
from batcher.app.watch import watch_job
from batcher.app.world import World
from batcher.errors import ExitCode, JobError
from batcher.library.arguments import in_arguments, log, signature
from batcher.options.redriving import RedriveOptions
from batcher.options.watching import WatchOptions
from batcher.rules.choices import Mode

OptionsT = TypeVar("OptionsT", bound=WatchOptions)

OF_COMMANDS = ("as_json", "on_end", "dry_run")
"""The options that only a command has: what it prints, and what it runs."""


async def watch(
    checkpoint: str | os.PathLike[str], *, environment: Mapping[str, str] | None = None, **arguments: Any
) -> ExitCode:
    """Follow the executions of a job until none runs, as `batcher watch` does. Returns the exit code of the command.

    `checkpoint` is the checkpoint of the job, its manifest or its run folder. The arguments are the options of the
    command, with the same defaults. Credentials are read from `environment`, by default that of the process. To stop,
    cancel the call: the next one goes on. Raises JobError as `run` does.
    """
    return await _followed(watch_job, WatchOptions, checkpoint, environment, arguments)


async def redrive(
    checkpoint: str | os.PathLike[str], *, environment: Mapping[str, str] | None = None, **arguments: Any
) -> ExitCode:
    """Restore the executions of a job that failed, and follow all to their end, as `batcher redrive` does.

    Arguments, result and errors are as those of `watch`, with `only` and `max_redrives`.
    """
    return await _followed(redrive_job, RedriveOptions, checkpoint, environment, arguments)


def watch_sync(
    checkpoint: str | os.PathLike[str], *, environment: Mapping[str, str] | None = None, **arguments: Any
) -> ExitCode:
    """Follow the executions of a job: `watch` for programs without asyncio, with the same arguments and errors."""
    return asyncio.run(watch(checkpoint, environment=environment, **arguments))


def redrive_sync(
    checkpoint: str | os.PathLike[str], *, environment: Mapping[str, str] | None = None, **arguments: Any
) -> ExitCode:
    """Restore the executions that failed: `redrive` for programs without asyncio, with the same arguments."""
    return asyncio.run(redrive(checkpoint, environment=environment, **arguments))


def ends(checkpoint: str | os.PathLike[str]) -> SeenEnds | None:
    """Return how the executions of a job stand, as its watch has found. None if no watch has followed it.

    Raises JobError if the file of the ends cannot be read.
    """
    return seen_ends(checkpoint_of(Path(checkpoint)))


async def _followed(
    act: Callable[[OptionsT, World], Awaitable[ExitCode]],
    struct: type[OptionsT],
    checkpoint: str | os.PathLike[str],
    environment: Mapping[str, str] | None,
    arguments: Mapping[str, Any],
) -> ExitCode:
    unknown = [name for name in OF_COMMANDS if name in arguments]
    if unknown:
        raise TypeError(f"{', '.join(unknown)}: only the command has this option")
    world = World(
        voice=Voice(partial(log, struct=struct)),
        environment=os.environ if environment is None else environment,
        # Signals are left to the program.
        draining_on_signals=lambda _drain, _say: nullcontext(),
    )
    try:
        options = located(struct(**{**arguments, "checkpoint": checkpoint}))
        if options.progress is Mode.AUTO:
            options = options.but(progress=Mode.NONE)
        return await act(options, world)
    except JobError as error:
        raise in_arguments(error, struct) from error


watch.__signature__ = signature(WatchOptions, without=OF_COMMANDS)  # type: ignore[attr-defined]
watch_sync.__signature__ = watch.__signature__  # type: ignore[attr-defined]
redrive.__signature__ = signature(RedriveOptions, without=OF_COMMANDS)  # type: ignore[attr-defined]
redrive_sync.__signature__ = redrive.__signature__  # type: ignore[attr-defined]
