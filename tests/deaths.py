# ruff: noqa: ARG001, ASYNC110, T201 - deeds are called alike, what is looked at sets no event, and a person reads this
"""Kinds of death: a list is run in several processes, or on a Dask cluster, and something dies. The table says how.

The judge is the emulator's ledger: how many rows were started more than once (twice), how many were never started in
the end (lost), and how many were in doubt when the first command had ended, against the most that the promise allows.
Each kind whose name begins with "control" lacks a part of the protection, and must see rows that are started twice.
`python tests/deaths.py --rows 20000` runs all kinds, or those that are named.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from conftest import CREDENTIALS, PARAMETERS
from dask_cluster import TICKETS_OFF, cluster, retire
from test_command import ENVIRONMENT
from test_fence import begun as attempt
from test_processes import worker_of
from test_shard_runs import words, write

from batcher.emulator.server import serve
from batcher.emulator.settings import Settings

CONCURRENCY = 16
RATE = 1000
"""The starts per second of the emulator's job: a death meets a run that is busy."""
AGAIN = 6
"""How many times the command may be needed again after a death."""
UNSHARED = """
import os
from pathlib import Path
from batcher.app.engines import dask_worker

own = Path(f"{os.getpid()}.run").absolute()


def alone(task):
    return dask_worker.shared(task._replace(values={**task.values, "run_dir": own}))


if not own.exists():
    # Dask loads this twice.
    own.mkdir()
    dask_worker.shared, dask_worker.run_shard = dask_worker.run_shard, alone
"""
"""Preloaded by a worker: its run folder is its own, as on a disk that is not shared. Only the ticket is left."""


class Stage:
    """One trial: a list of `rows` rows in a folder of its own, and a service."""

    def __init__(self, service, folder, rows):
        self.service, self.folder, self.rows, self.kills = service, folder, rows, 0
        self.said = []
        write(folder / "m.txt", [f"in/{number}" for number in range(rows)])

    async def begin(self, *more):
        command = words(self.service, "m.txt", "--concurrency", str(CONCURRENCY), *more)
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "batcher", *command), env=ENVIRONMENT, start_new_session=True,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip

    async def end(self, process):
        _, said = await asyncio.wait_for(process.communicate(), 300)
        self.said.append((process.returncode, said.decode()))
        return process.returncode

    async def sent(self, part):
        async with asyncio.timeout(120):
            while len(self.service.ledger.starts) < part * self.rows:
                await asyncio.sleep(0.02)

    async def stood_still(self):
        """Wait until nothing is sent any more."""
        count = -1
        while count != len(self.service.ledger.starts):
            count = len(self.service.ledger.starts)
            await asyncio.sleep(4)

    async def status(self):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "batcher", "status", "m.txt.run", "--json"), env=ENVIRONMENT,
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        return json.loads((await process.communicate())[0])

    def twice(self):
        counts = Counter(start.object for start in self.service.ledger.starts)
        return counts.total() - len(counts)

    def lost(self):
        return self.rows - len({start.object for start in self.service.ledger.starts})

    def kill(self, shard, number=signal.SIGKILL):
        pid = worker_of(shard)
        if pid is not None:
            os.kill(pid, number)
            self.kills += number == signal.SIGKILL
        return pid


HOLD = ("--on-doubt", "hold", "--max-rate", str(RATE))


async def in_processes(stage, deed):
    process = await stage.begin("--processes", "2", *HOLD)
    await stage.sent(0.3)
    await deed(stage, process)
    await stage.end(process)
    # Workers whose command was killed end by themselves.
    async with asyncio.timeout(60):
        while any(worker_of(f"{number}/2") for number in range(2)):
            await asyncio.sleep(0.1)


async def on_dask(stage, deed, **settings):
    async with cluster(stage.folder, DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL="8s", **settings) as made:
        more = ("--engine", "dask", "--scheduler", made.address, "--take-over-after", "2s")
        process = await stage.begin(*more, *HOLD)
        await stage.sent(0.3)
        await deed(stage, made, process)
        await stage.end(process)
        await stage.stood_still()


async def kill_worker(stage, _):
    stage.kill("1/2")


async def terminate_worker(stage, _):
    stage.kill("1/2", signal.SIGTERM)


async def pause_worker(stage, _):
    pid = stage.kill("1/2", signal.SIGSTOP)
    await asyncio.sleep(6)
    os.kill(pid, signal.SIGCONT)


async def kill_command(stage, process):
    process.kill()


async def kill_at_random(stage, process):
    dice = random.Random(3)
    for part in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8):
        await stage.sent(part)
        if process.returncode is not None:
            return
        stage.kill(f"{dice.randrange(2)}/2")


async def dask_kill(stage, made, _):
    made.workers[0].kill()
    stage.kills += 1


async def dask_terminate(stage, made, _):
    made.workers[0].terminate()


async def dask_retire(stage, made, _):
    await asyncio.to_thread(retire, made)


async def dask_kill_late(stage, made, process):
    # By now shards have ended on each worker, and Dask has their results.
    await stage.sent(0.8)
    await dask_kill(stage, made, process)


async def dask_zombie(stage, made, _):
    made.workers[0].send_signal(signal.SIGSTOP)
    await asyncio.sleep(14)
    made.workers[0].send_signal(signal.SIGCONT)


async def dask_scheduler(stage, made, _):
    made.scheduler.kill()


async def dask_command(stage, _, process):
    process.kill()


async def two_attempts(stage, fence, *, is_stopped):
    """Run one shard in two processes as on two machines. The first one is stopped for a while, or goes on."""
    more = ("--on-doubt", "hold", "--max-rate", str(RATE // 2))
    first = await attempt(stage.service, "one", *more, fence=fence)
    await stage.sent(0.3)
    if is_stopped:
        first.send_signal(signal.SIGSTOP)
    second = await attempt(stage.service, "two", *more, "--take-over-after", "0.5" if is_stopped else "0")
    await stage.sent(0.6)
    if is_stopped:
        first.send_signal(signal.SIGCONT)
    for process in (first, second):
        await stage.end(process)


async def unshared(stage, tickets):
    """End the worker of a shard that Dask may run again by itself, on workers that share no folder."""
    from distributed import Client  # noqa: PLC0415 - an extra
    from test_dask import _run_again  # noqa: PLC0415
    from test_processes import parsed  # noqa: PLC0415

    (stage.folder / "unshared.py").write_text(UNSHARED)
    options = parsed(*words(stage.service, "m.txt", "--concurrency", "4")[1:])
    preload = "" if tickets else TICKETS_OFF
    of_workers = {"DASK_DISTRIBUTED__WORKER__PRELOAD": '["unshared.py"]'}
    async with (
        cluster(stage.folder, preload=preload, of_workers=of_workers) as made,
        Client(made.address, asynchronous=True, set_as_default=False) as client,
    ):
        await _run_again(client, made, options, stage.service, is_running=False)
        stage.kills += 1


def simple(run, deed):
    return lambda stage: run(stage, deed)


KINDS = {
    "processes: kill -9 of a worker": simple(in_processes, kill_worker),
    "processes: SIGTERM to a worker": simple(in_processes, terminate_worker),
    "processes: SIGSTOP, 6 s, SIGCONT": simple(in_processes, pause_worker),
    "processes: kill -9 of the command": simple(in_processes, kill_command),
    "processes: six random kills": simple(in_processes, kill_at_random),
    "Dask: kill -9 of a worker": simple(on_dask, dask_kill),
    "Dask: SIGTERM to a worker": simple(on_dask, dask_terminate),
    "Dask: retire_workers": simple(on_dask, dask_retire),
    "Dask: kill -9 after shards have ended": simple(on_dask, dask_kill_late),
    "Dask: SIGSTOP, 14 s with a ttl of 8 s, SIGCONT": simple(on_dask, dask_zombie),
    "Dask: kill -9 of the scheduler": simple(on_dask, dask_scheduler),
    "Dask: kill -9 of the command": simple(on_dask, dask_command),
    "Dask, folder not shared: result lost, tickets only": lambda stage: unshared(stage, tickets=True),
    "control: the same without tickets": lambda stage: unshared(stage, tickets=False),
    "two live processes on one shard": lambda stage: two_attempts(stage, "fenced", is_stopped=False),
    "one shard: SIGSTOP, replaced, SIGCONT": lambda stage: two_attempts(stage, "fenced", is_stopped=True),
    "control: without the fence: SIGSTOP, replaced, SIGCONT": lambda s: two_attempts(s, "unfenced", is_stopped=True),
}


class Seen(NamedTuple):
    """What became of the rows of a trial."""

    twice: int
    lost: int
    in_doubt: int
    most: int
    seconds: float


async def trial(name, rows):
    """Run a trial, and the command again until nothing is left. Give what was seen, and all that was said."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="deaths-") as place:
        os.chdir(place)
        known = {"credentials": CREDENTIALS, "workflows": {"transcode": PARAMETERS}}
        async with serve(Settings(**known)) as service:
            stage = Stage(service, Path(place), rows)
            await KINDS[name](stage)
            is_control = name.startswith("control")
            has_folder = (stage.folder / "m.txt.run/plan.json").exists()
            in_doubt = (await stage.status())["rows"]["in_doubt"] if has_folder else 0
            for _ in range(0 if is_control or not has_folder else AGAIN):
                if await stage.end(await stage.begin("--processes", "2", "--predecessor-is-dead")) == 0:
                    break
            seen = Seen(stage.twice(), stage.lost(), in_doubt, 2 * CONCURRENCY * stage.kills, time.monotonic() - begun)
        os.chdir("/")
    return seen, stage.said


def is_good(name, seen):
    """Return whether a trial has gone as it must."""
    if name.startswith("control"):
        return seen.twice > 0
    return (seen.twice, seen.lost) == (0, 0) and seen.in_doubt <= seen.most


async def main(names, rows):
    """Run the trials. Return whether all have gone as they must."""
    print(f"{rows:,} rows, {CONCURRENCY} workers a process, at most {RATE} starts/s; load {os.getloadavg()[0]:.1f}")
    print("| what dies | twice | lost | in doubt | at most | seconds | |\n|---|---|---|---|---|---|---|")
    all_good = True
    for name in names:
        seen, said = await trial(name, rows)
        good = is_good(name, seen)
        lost = "-" if name.startswith("control") else f"{seen.lost:,}"
        shown = f"{seen.twice:,} | {lost} | {seen.in_doubt:,} | {seen.most:,} | {seen.seconds:.0f}"
        print(f"| {name} | {shown} | {'' if good else 'WRONG'} |", flush=True)
        if not good:
            all_good = False
            for code, text in said:
                print(code, text, file=sys.stderr)
    return all_good


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("names", nargs="*", help="words in the names of kinds; all kinds by default")
    given = parser.parse_args()
    chosen = [name for name in KINDS if not given.names or any(each in name for each in given.names)]
    sys.exit(not asyncio.run(main(chosen, given.rows)))
