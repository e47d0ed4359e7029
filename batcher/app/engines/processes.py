"""The engine of `--processes`: each worker is a child process of this one, which grants the rates over a socket.

The socket is in the run folder. A worker whose parent is gone ends gracefully.
"""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from batcher.app.engines import OURS, End
from batcher.app.leases import Answer, Grantor, Lessee, Orders, reachable
from batcher.app.telemetry import has_metrics
from batcher.app.world import World
from batcher.edges.control import ask
from batcher.edges.worker import start
from batcher.model import Json
from batcher.options.verbs import RunCommandOptions
from batcher.options.words import words_of
from batcher.rules.progress.answered import Answered
from batcher.rules.shards.assignment import Shard
from batcher.rules.shards.plan import RUN, stem

LEASE = "BATCHER_LEASE"
"""The environment variable of a worker: `PID:COUNTS:FOLDER`.

That is the process id of its parent, whether it counts its attempts ("1" or ""), and the run folder.
"""


@asynccontextmanager
async def open_processes(options: RunCommandOptions, world: World, orders: Orders) -> AsyncIterator[Processes]:
    """Yield the engine, and answer its workers and what steers the run. Raises DiskError without a socket."""
    engine = Processes(options, world, options.processes or 1, orders)
    async with reachable(options.run_dir, engine.answer):
        try:
            yield engine
        finally:
            engine.drain()


@dataclass
class Processes:
    """At most `room` processes at a time."""

    options: RunCommandOptions
    world: World
    room: int
    orders: Orders
    _grantor: Grantor = field(init=False)
    _running: dict[int, Process] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._grantor = Grantor(self.world.monotonic)

    def answer(self, question: Mapping[str, Any]) -> Mapping[str, Json]:
        """Answer a worker, or a person who steers the run."""
        if question.get("do") == "lease":
            return self._grantor.answer(question, self.orders)
        return self.orders.done(question)

    @property
    def latest(self) -> Mapping[int, Mapping[str, Any]]:
        """The last figures of each shard."""
        return self._grantor.latest

    async def start(self, shard: Shard, limit: int | None) -> None:
        """Start the process of a shard."""
        options = self.options
        counts = "1" if has_metrics(options) else ""
        words = ["run", f"--shard={shard}", f"--run-dir={options.run_dir}", "--progress=none"]
        words += [] if limit is None else [f"--limit={limit}"]
        words += words_of(options, without=OURS)
        own = {LEASE: f"{os.getpid()}:{counts}:{options.run_dir.absolute()}"}
        log = options.run_dir / f"{stem(shard)}.log"
        self._running[shard.number] = await start([*words, str(options.manifest)], self.world.environment, log, own)

    def ended(self) -> Mapping[int, End]:
        """Return how processes have ended since the last time."""
        codes = {number: process.returncode for number, process in self._running.items()}
        found = {number: _end(code) for number, code in codes.items() if code is not None}
        for number in found:
            del self._running[number]
        return found

    def drain(self) -> None:
        """Ask the processes to end gracefully."""
        for process in self._running.values():
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)


def _end(code: int) -> End:
    return End(code) if code >= 0 else End(None, f"killed by {signal.Signals(-code).name}")


def lessee_of(environment: Mapping[str, str], shard: Shard | None, world: World) -> Lessee | None:
    """Return the lease that this process must keep to, None if it is no worker of another one."""
    given = environment.get(LEASE, "")
    if not given or shard is None:
        return None
    parent, counts, folder = given.split(":", 2)

    async def asking(question: Mapping[str, Json]) -> Answer | None:
        return await asyncio.to_thread(ask, Path(folder, RUN), question)

    return Lessee(
        worker=f"{shard.number}-{os.getpid()}",
        shard=shard.number,
        asking=asking,
        is_abandoned=lambda: os.getppid() != int(parent),
        warn=world.voice.warn,
        answered=Answered() if counts else None,
    )
