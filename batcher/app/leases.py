"""The leases of a run in several workers: who grants rates and passes orders on, and how a worker keeps to them.

A worker asks every half second. Without an answer its lease expires, and it sends nothing until one comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

from batcher.app.monitor import Monitor
from batcher.app.run import run_job
from batcher.app.world import World
from batcher.edges.control import Answering, listening
from batcher.errors import DiskError, ExitCode
from batcher.flow.beside import beside
from batcher.flow.drain import Drain
from batcher.model import Json
from batcher.options.verbs import RunOptions
from batcher.rules.progress import answered
from batcher.rules.progress.answered import Answered
from batcher.rules.progress.figures import document
from batcher.rules.rate import orders
from batcher.rules.rate.leases import EVERY, VALID, Asked, Leases
from batcher.rules.shards.figures import as_one_shard
from batcher.rules.shards.plan import RUN

Answer = Mapping[str, Any]
Asking = Callable[[Mapping[str, Json]], Awaitable[Answer | None]]
"""Asks the grantor. Returns None if it does not answer in time."""

SHARED = "share of all processes"
"""Why the rate of a worker changes when it takes over another limit."""
ABANDONED = "the command that started this process is gone: no new starts, waiting for requests on the wire"


async def run_leased(options: RunOptions, world: World, drain: Drain, lease: Lessee) -> ExitCode:
    """Run the job of a worker within its lease. Raises what `run_job` raises."""
    async with lease.keeping(drain) as attend:
        return await run_job(options, world, drain, attend=attend, answered=lease.answered)


class Orders:
    """What holds for all workers of a run: the rate of all together, and whether they pause or drain."""

    def __init__(self, max_rate: float | None, drain: Callable[[], None]) -> None:
        """Begin with `max_rate` starts per second, None for no limit. `drain` ends the run gracefully."""
        self._max_rate = max_rate or inf
        self._drain = drain
        self.most = self._max_rate
        self.is_paused = self.is_draining = False

    def done(self, question: Mapping[str, Any]) -> Mapping[str, Json]:
        """Do what a person asks, and return what was done."""
        said = self._done(question)
        return {"said": f"all shards: {said}"} if said else {"error": orders.UNKNOWN}

    def _done(self, question: Mapping[str, Any]) -> str:
        match question:
            case {"do": "rate", "value": None | int() | float() as value} if value is None or value > 0:
                self.most, said = orders.capped(value, self._max_rate)
                return said
            case {"do": "pause"}:
                self.is_paused = True
                return orders.PAUSED
            case {"do": "resume"}:
                self.is_paused = False
                return orders.RESUMED
            case {"do": "drain"}:
                self._drain()
                return orders.DRAINED
        return ""


@asynccontextmanager
async def reachable(run_dir: Path, answer: Answering) -> AsyncIterator[None]:
    """Answer requests at the socket of a run folder during the block. Raises DiskError if there can be none."""
    async with listening(run_dir / RUN, answer) as fault:
        if fault:
            raise DiskError(f"the run cannot be reached: {fault}", "Put the run folder on another filesystem.")
        yield


class Grantor:
    """Grants rates to the workers of one run, passes the orders on, and keeps the figures that they send."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._leases = Leases()
        self._monotonic = monotonic
        self.latest: dict[int, Mapping[str, Any]] = {}
        """The last figures of each shard, by its number: those of all workers that it has had."""
        self._of_workers: dict[int, dict[str, Mapping[str, Any]]] = {}

    def answer(self, question: Mapping[str, Any], told: Orders | Told) -> Mapping[str, Json]:
        """Answer a worker's request for a lease. One that says farewell sends nothing any more."""
        self._note(question["shard"], question["worker"], question["figures"])
        if question["is_over"]:
            self._leases.left(question["worker"])
            return {}
        self._leases.most = told.most
        demand = inf if question["demand"] is None else question["demand"]
        asked = Asked(question["worker"], question["held"], demand, question["used"], question["limit"])
        grant = self._leases.ask(asked, self._monotonic())
        return {
            "number": grant.number,
            "rate": None if grant.rate == inf else grant.rate,
            "limit": grant.limit,
            "is_paused": told.is_paused,
            "is_draining": told.is_draining,
        }

    def _note(self, shard: int, worker: str, figures: Mapping[str, Any]) -> None:
        of_workers = self._of_workers.setdefault(shard, {})
        of_workers[worker] = figures
        self.latest[shard] = as_one_shard([*of_workers.values()])


class Told(NamedTuple):
    """Orders as a value, for a grantor that is in another process."""

    most: float
    is_paused: bool
    is_draining: bool


@dataclass
class Lessee:
    """One worker: keeps a job within the rate that is granted to it, for as long as it is granted."""

    worker: str
    """A name that no other process has had."""
    shard: int
    asking: Asking
    is_abandoned: Callable[[], bool]
    """Whether the process that started the worker is gone for good."""
    warn: Callable[[str], None]
    answered: Answered | None = None
    """Counts the attempts, if the metrics of all workers are asked for."""
    _held: int = field(default=0, init=False)
    _sent: int = field(default=0, init=False)
    _sent_at: float = field(default=-inf, init=False)
    _is_paused: bool = field(default=False, init=False)

    @asynccontextmanager
    async def keeping(self, drain: Drain) -> AsyncIterator[Callable[[Monitor], None]]:
        """Keep the job of the block within its lease. Yields what attends its monitor, once it has one."""
        attended: asyncio.Future[Monitor] = asyncio.get_running_loop().create_future()

        def attend(monitor: Monitor) -> None:
            monitor.turns.leased_until = -inf
            attended.set_result(monitor)

        try:
            async with beside(self._keep(attended, drain), "lease"):
                yield attend
        finally:
            if attended.done() and not attended.cancelled():
                await self._ask(attended.result(), {"is_over": True})

    async def _keep(self, attended: asyncio.Future[Monitor], drain: Drain) -> None:
        while not attended.done():
            # It may wait long, for another process that works on its shard.
            self._look_after(drain)
            await asyncio.wait({attended}, timeout=EVERY)
        while True:
            self._look_after(drain)
            await self._renew(attended.result(), drain)
            await asyncio.sleep(EVERY)

    def _look_after(self, drain: Drain) -> None:
        if self.is_abandoned() and not drain.begun:
            self.warn(ABANDONED)
            drain.begin(ExitCode.STOPPED)

    async def _renew(self, monitor: Monitor, drain: Drain) -> None:
        turns, asked_at = monitor.turns, monitor.world.monotonic()
        used = self._used(monitor, asked_at)
        demand = turns.demand(used)
        asked = {"demand": None if demand == inf else demand, "used": used, "limit": turns.throttle.limit}
        answer = await self._ask(monitor, {"is_over": False, "held": self._held, **asked})
        if answer is not None and "number" in answer:
            self._take(answer, asked_at, monitor)
            if answer["is_draining"]:
                drain.begin(ExitCode.STOPPED)

    async def _ask(self, monitor: Monitor, more: Mapping[str, Json]) -> Answer | None:
        figures = document(monitor.figures()) | {"taken": monitor.tally.taken, "answered": None}
        if self.answered is not None:
            figures["answered"] = answered.document(self.answered)
        return await self.asking(
            {"do": "lease", "worker": self.worker, "shard": self.shard, "figures": figures, **more}
        )

    def _take(self, answer: Answer, asked_at: float, monitor: Monitor) -> None:
        turns, now = monitor.turns, monitor.world.monotonic()
        rate, self._held = answer["rate"], answer["number"]
        if rate != 0:
            turns.throttle.cap(now, min(rate or inf, monitor.most))
        # Counted from before it was asked for: the grantor counts from later.
        turns.leased_until = asked_at + VALID if rate != 0 else -inf
        if answer["limit"] is not None:
            event = turns.throttle.take(now, answer["limit"], SHARED)
            if event is not None:
                turns.decisions.append(event)
        if answer["is_paused"] != self._is_paused:
            turns.is_paused = self._is_paused = answer["is_paused"]

    def _used(self, monitor: Monitor, now: float) -> float:
        """Return the attempts per second since the last time."""
        sent, before, self._sent = monitor.tally.requests, self._sent, monitor.tally.requests
        since, self._sent_at = now - self._sent_at, now
        return (sent - before) / since
