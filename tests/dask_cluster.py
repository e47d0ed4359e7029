"""A Dask scheduler and workers in processes of their own, on loopback, with the ports that the kernel chooses."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from test_command import ENVIRONMENT

SETTINGS = {
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0",
    "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "30s",
}
TICKETS_OFF = """
from batcher.app.engines.dask_desk import Desk


class Open(Desk):
    def redeem(self, run, shard, ticket):
        return True


async def dask_setup(scheduler):
    desk = Open()
    await desk.start(scheduler)
    scheduler.add_plugin(desk, name="batcher")
"""
"""Preloaded by a scheduler: a desk at which each ticket works any number of times."""


class Cluster:
    def __init__(self, folder, stack):
        self.folder, self._stack, self.workers = folder, stack, []

    async def _start(self, path, *words, **more):
        log = self._stack.enter_context(path.open("ab"))
        environment = ENVIRONMENT | SETTINGS | {"PYTHONPATH": str(Path(__file__).parent.parent)} | more
        environment = {name: value for name, value in environment.items() if value is not None}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", *words), env=environment, stdout=log, stderr=log, cwd=self.folder
        )
        self._stack.push_async_callback(end, process)
        return process

    async def begin(self, workers, *, preload="", protocol="tcp", of_workers=None, **environment):
        """Start them. `environment` is that of the scheduler, without what is None, and `of_workers` theirs."""
        where = self.folder / "scheduler.json"
        self._of_workers = of_workers or {}
        words = ["distributed.cli.dask_scheduler", "--host=127.0.0.1", "--port=0", "--dashboard-address=127.0.0.1:0"]
        words.append(f"--protocol={protocol}")
        if preload:
            (self.folder / "preload.py").write_text(preload)
            words.append("--preload=preload.py")
        words.append(f"--scheduler-file={where}")
        self.scheduler = await self._start(self.folder / "scheduler.log", *words, **environment)
        while not where.exists() or not where.read_bytes():  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(0.02)
        self.address = json.loads(where.read_text())["address"]
        for _ in range(workers):
            await self.worker()

    async def worker(self, host="--host=127.0.0.1"):
        words = ("distributed.cli.dask_worker", self.address, "--no-nanny", "--nthreads=1", host)
        name = f"w{len(self.workers)}"
        log = self.folder / f"{name}.log"
        self.workers.append(
            await self._start(log, *words, f"--name={name}", "--dashboard-address=127.0.0.1:0", **self._of_workers)
        )
        while "Registered to" not in log.read_text():  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.02)


async def end(process):
    if process.returncode is None:
        process.kill()
    await process.wait()


@asynccontextmanager
async def cluster(folder, workers=2, **more):
    async with AsyncExitStack() as stack:
        made = Cluster(folder, stack)
        async with asyncio.timeout(60):
            await made.begin(workers, **more)
        yield made


RETIRE = """
import sys
from distributed import Client
with Client(sys.argv[1]) as client:
    (address,) = [each for each, info in client.scheduler_info(n_workers=-1)["workers"].items() if info["name"] == "w0"]
    client.retire_workers([address])
"""


def retire(cluster_):
    subprocess.run([sys.executable, "-c", RETIRE, cluster_.address], check=True, timeout=60, env={**os.environ})


DEATHS = {
    "kill": lambda made: made.workers[0].send_signal(signal.SIGKILL),
    "terminate": lambda made: made.workers[0].send_signal(signal.SIGTERM),
    "retire": retire,
}
