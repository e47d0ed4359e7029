"""What batcher runs in a Dask worker: a shard, in a thread with a loop of its own, and a look at the run folder.

A task carries no secret. The worker finds its own credentials.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from distributed import get_worker

from batcher.app.engines.dask_desk import NAME, listens, versions
from batcher.app.leases import Answer, Lessee, run_leased
from batcher.app.process import calm_collector, fast_loop, make_room, need_threads
from batcher.app.voice import Voice
from batcher.app.world import World
from batcher.edges.worker import environment_of
from batcher.errors import ExitCode, JobError
from batcher.flow.drain import Drain
from batcher.model import Json
from batcher.options.verbs import RunOptions
from batcher.rules.progress.answered import Answered
from batcher.rules.rate.leases import VALID
from batcher.rules.shards.plan import stem

_UNHEARD = (OSError, RuntimeError, TimeoutError, asyncio.CancelledError)
"""What a scheduler that is gone, or a worker that closes, raises instead of an answer."""
_LEAVING = frozenset({"closing_gracefully", "closing", "closed", "failed"})


class Task(NamedTuple):
    """A dispatch of one shard: the values of the options, by their names, and a ticket that works once."""

    run: str
    ticket: str
    values: Mapping[str, Any]
    is_counted: bool
    """Whether the worker counts its attempts, for the metrics of all."""


def run_shard(task: Task) -> tuple[int | None, str] | None:
    """Run a shard to its end. Return the exit code and the last error, None if the ticket is void.

    The exit code is None if the worker was asked to leave before the end of the shard.
    """
    worker = get_worker()
    options = RunOptions.of(task.values)
    shard = options.shard
    if shard is None or not _call(worker, "redeem", run=task.run, shard=shard.number, ticket=task.ticket).result():
        return None

    async def asking(question: Mapping[str, Json]) -> Answer | None:
        try:
            async with asyncio.timeout(VALID):
                asked = _call(worker, "lease", run=task.run, question=question)
                found: Answer = await asyncio.wrap_future(asked)
        except _UNHEARD:
            return None
        return found

    with (options.run_dir / f"{stem(shard)}.log").open("a", encoding="utf-8") as log:

        def listen(kind: str, text: str) -> None:
            print(f"batcher: {kind}{text}", file=log, flush=True)

        voice = Voice(listen)
        world = World(voice=voice, environment=environment_of(os.environ), draining_on_signals=_no_signals)
        answered = Answered() if task.is_counted else None
        lease = Lessee(f"{shard.number}-{uuid4()}", shard.number, asking, lambda: _leaves(worker), voice.warn, answered)
        try:
            make_room(options.concurrency)
            need_threads()
            calm_collector()
            with asyncio.Runner(loop_factory=fast_loop(tls=options.endpoint.startswith("https:"))) as runner:
                code = runner.run(run_leased(options, world, Drain(), lease))
        except JobError as error:
            voice.complain(error)
            return error.exit_code, str(error)
        if code is ExitCode.STOPPED and _leaves(worker):
            return None, "its worker has left"
        return code, ""


def _call(worker: Any, name: str, **arguments: Any) -> Future[Any]:
    """Ask the scheduler, on the worker's own loop."""
    asked: Awaitable[Any] = getattr(worker.scheduler, f"{NAME}_{name}")(**arguments)
    return asyncio.run_coroutine_threadsafe(_awaited(asked), worker.loop.asyncio_loop)


async def _awaited(asked: Awaitable[Any]) -> Any:
    return await asked


def _leaves(worker: Any) -> bool:
    return worker.status.name in _LEAVING


@contextmanager
def _no_signals(_drain: Callable[[ExitCode], None], _say: Callable[[str], None]) -> Iterator[None]:
    """Leave the signals to Dask: only the main thread can take them."""
    yield


class Probe(NamedTuple):
    """What a worker shows of itself: the name of the file that it wrote, its versions, and where it listens."""

    name: str
    versions: Mapping[str, str]
    listens: Sequence[tuple[str, int]]


def write_probe(folder: str) -> Probe:
    """Write a file with a new name into the run folder. Return what this worker shows."""
    name = f"probe-{uuid4()}"
    Path(folder, name).touch(mode=0o600)
    return Probe(name, versions(), listens())


def unseen(folder: str, names: list[str]) -> list[str]:
    """Return which of these files this worker does not find in the run folder."""
    return [name for name in names if not Path(folder, name).is_file()]


def remove(folder: str, names: Iterable[str]) -> None:
    """Remove these files from the run folder."""
    for name in names:
        Path(folder, name).unlink(missing_ok=True)
