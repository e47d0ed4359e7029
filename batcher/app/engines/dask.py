"""The engine of `--engine dask`: each shard is a task on a worker of a Dask cluster, one at a time for each.

Nothing here relies on what Dask says about a task. A dispatch works once by its ticket, and the checkpoints decide.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import dask
from distributed import Client, LocalCluster

from batcher.app.engines import OURS, End
from batcher.app.engines.dask_desk import NAME, Desk, versions
from batcher.app.engines.dask_worker import Task, remove, run_shard, unseen, write_probe
from batcher.app.leases import Orders, reachable
from batcher.app.telemetry import has_metrics
from batcher.app.world import World
from batcher.errors import ServiceError, UsageError
from batcher.flow.beside import beside
from batcher.options.declaring import declared_by
from batcher.options.verbs import RunCommandOptions, RunOptions
from batcher.rules.choices import Mode
from batcher.rules.rate.leases import EVERY, VALID
from batcher.rules.shards.assignment import Shard
from batcher.rules.shards.cluster import SETTINGS, need_cluster, need_private, need_protected, need_same_versions

CONNECT_SECONDS = 15.0
SILENT_SECONDS = 10.0
"""Seconds without an answer after which the scheduler is taken for gone."""
_LOCAL = "127.0.0.1:0"


@asynccontextmanager
async def open_dask(options: RunCommandOptions, world: World, orders: Orders) -> AsyncIterator[Dask]:
    """Connect to the cluster, or start one on this machine, and verify it. Yields the engine.

    Raises UsageError for a cluster that cannot be used, and ServiceError if the scheduler does not answer.
    """
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(_client(options))
        await client.register_plugin(Desk(), name=NAME)
        engine = Dask(options, world, orders, client)
        await engine.verify()
        await stack.enter_async_context(reachable(options.run_dir, orders.done))
        await stack.enter_async_context(engine.beating())
        yield engine


@asynccontextmanager
async def _client(options: RunCommandOptions) -> AsyncIterator[Any]:
    if options.scheduler is None:
        with dask.config.set(SETTINGS):
            local = LocalCluster(
                n_workers=options.processes or os.cpu_count() or 1, threads_per_worker=1, processes=True,
                host="127.0.0.1", dashboard_address=_LOCAL, worker_dashboard_address=_LOCAL, asynchronous=True,
            )  # fmt: skip
            async with local as cluster, Client(cluster, asynchronous=True, set_as_default=False) as client:
                yield client
        return
    # By their whole names: those that come from the environment are spelled in another way.
    certificates = [dask.config.get(f"distributed.comm.tls.{name}", None) for name in ("ca-file", "client.cert")]
    need_private(options.scheduler, has_certificates=all(certificates))
    try:
        client = Client(options.scheduler, asynchronous=True, set_as_default=False, timeout=CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        raise UsageError(f"the certificates of distributed.comm.tls cannot be used: {error}") from None
    try:
        await client
    except OSError as error:
        raise ServiceError(
            f"--scheduler {options.scheduler}: {error}", "Check the address, and that dask scheduler runs there."
        ) from None
    try:
        yield client
    finally:
        with suppress(TimeoutError):
            await client.close(timeout=VALID)


@dataclass
class Dask:
    """The workers of a cluster, with one shard each at the most."""

    options: RunCommandOptions
    world: World
    orders: Orders
    client: Any
    run: str = field(default_factory=lambda: str(uuid4()))
    latest: Mapping[int, Mapping[str, Any]] = field(default_factory=dict, init=False)
    """The last figures of each shard."""
    _workers: set[str] = field(default_factory=set, init=False)
    """The addresses of the workers that have been verified, and are connected."""
    _unfit: set[str] = field(default_factory=set, init=False)
    _running: dict[int, tuple[str, asyncio.Task[End]]] = field(default_factory=dict, init=False)
    """The worker of each shard that runs, and what waits for its end."""
    _heard_at: float = field(default=0.0, init=False)

    @property
    def room(self) -> int:
        """How many shards can run at once."""
        return len(self._workers)

    async def verify(self) -> None:
        """Verify the scheduler, and all of its workers together. Raises UsageError for what cannot be used."""
        # They may just be starting.
        with suppress(TimeoutError):
            await self.client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        found = await self._call("cluster")
        need_cluster(found["allowed_failures"], found["worker_ttl"])
        need_same_versions("the scheduler", versions(), found["versions"])
        self._need_protected("the scheduler", found["address"], found["listens"])
        if not found["workers"]:
            raise UsageError("the Dask scheduler has no workers", "Start some: dask worker ADDRESS --nthreads 1")
        await self._admit(found["workers"])
        await self._beat()

    async def _admit(self, workers: list[str]) -> None:
        """Verify workers: their versions, and that all of them and this process see one run folder."""
        folder = str(self.options.run_dir.absolute())
        own = write_probe(folder).name
        written = {own}
        try:
            probes = await self.client.run(write_probe, folder, workers=workers)
            written |= {probe.name for probe in probes.values()}
            for address, probe in probes.items():
                need_same_versions(f"the worker {address}", versions(), probe.versions)
                self._need_protected(f"the worker {address}", address, probe.listens)
            missing = {"this process": unseen(folder, [*written])}
            missing |= await self.client.run(unseen, folder, [*written], workers=workers)
            if any(missing.values()):
                who = next(name for name, names in missing.items() if names)
                raise UsageError(
                    f"{folder}: the workers do not share this folder: {who} does not see what others wrote",
                    "Give a --run-dir that is the same folder for all of them.",
                )
        except (OSError, ImportError, AttributeError) as error:
            raise UsageError(
                f"a worker cannot use {folder}: {error}", "Install batcher on all workers, and share the run folder."
            ) from None
        finally:
            remove(folder, written)
        self._workers |= {*workers}

    def _need_protected(self, who: str, address: str, listens: Iterable[tuple[str, int]]) -> None:
        warning = need_protected(who, address, listens)
        if warning:
            self.world.voice.warn(warning)

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        """Pass the orders on, and look at the cluster, during the block. Drains the workers at its end."""
        try:
            async with beside(self._keep_beating(), "beat"):
                yield
        finally:
            self.drain()
            with suppress(ServiceError):
                await self._beat()

    async def _keep_beating(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            with suppress(ServiceError, OSError):
                await self._beat()

    async def _beat(self) -> None:
        present = await self._look()
        self._workers &= present
        for address in present - self._workers - self._unfit:
            try:
                await self._admit([address])
            except UsageError as error:
                self._unfit.add(address)
                self.world.voice.warn(str(error))

    async def _look(self) -> set[str]:
        """Pass the orders on, and take the figures of all shards. Return the workers of the cluster."""
        orders = self.orders
        told = (orders.most, orders.is_paused, orders.is_draining)
        found = await self._call("beat", run=self.run, client=self.client.id, told=told)
        self._heard_at = self.world.monotonic()
        self.latest = {int(number): figures for number, figures in found["latest"]}
        return {*found["workers"]}

    async def _call(self, name: str, **arguments: Any) -> Any:
        try:
            async with asyncio.timeout(VALID):
                return await getattr(self.client.scheduler, f"{NAME}_{name}")(**arguments)
        except (OSError, TimeoutError):
            raise _gone() from None

    async def start(self, shard: Shard, limit: int | None) -> None:
        """Dispatch a shard to a worker that has none, with a new ticket."""
        busy = {address for address, _ in self._running.values()}
        address = next(iter(sorted(self._workers - busy)))
        task = task_of(self.options, shard, limit, self.run)
        await self._call("issue", run=self.run, shard=shard.number, ticket=task.ticket)
        future = self.client.submit(run_shard, task, key=f"{NAME}-{task.ticket}", workers=[address], retries=0)
        self._running[shard.number] = address, asyncio.create_task(self._ended(address, future))

    async def _ended(self, address: str, future: Any) -> End:
        """Wait until a task has ended, whatever Dask makes of it, and take its last figures."""
        try:
            ended = await future
        except Exception as error:  # noqa: BLE001 - no error of an engine says what was sent
            return End(None, f"its worker {address} was lost ({type(error).__name__})")
        finally:
            future.release()
        with suppress(ServiceError):
            await self._look()
        return End(None, "Dask has run it again, which starts nothing") if ended is None else End(*ended)

    def ended(self) -> Mapping[int, End]:
        """Return how tasks have ended since the last time. Raises ServiceError if the scheduler is gone."""
        if self.world.monotonic() > self._heard_at + SILENT_SECONDS:
            raise _gone()
        found: dict[int, End] = {}
        for number, (address, task) in self._running.items():
            if task.done():
                found[number] = task.result()
            elif address not in self._workers:
                # It cannot run elsewhere, so Dask would keep it for ever.
                task.cancel()
                found[number] = End(None, f"its worker {address} has left")
        for number in found:
            del self._running[number]
        return found

    def drain(self) -> None:
        """Ask all workers to end gracefully."""
        self.orders.is_draining = True


def _gone() -> ServiceError:
    return ServiceError(
        "the Dask scheduler does not answer: workers stop sending within 3 s",
        "Start it again, then run the same command again.",
    )


def task_of(options: RunCommandOptions, shard: Shard, limit: int | None, run: str) -> Task:
    """Return the dispatch of a shard, with a new ticket and without secrets. Paths are those of every directory."""
    names = {each.name for each in declared_by(RunOptions)} - OURS
    values = {name: value for name, value in vars(options).items() if name in names}
    values |= {"manifest": options.manifest, "run_dir": options.run_dir}
    values = {name: value.absolute() if isinstance(value, Path) else value for name, value in values.items()}
    values |= {"shard": shard, "limit": limit, "progress": Mode.NONE}
    return Task(run, str(uuid4()), values, is_counted=has_metrics(options))
