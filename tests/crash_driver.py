"""The driver of the crash points: runs the real job in children that end themselves at a chosen step, then resumes it.

Started as a process of its own that has no threads and no loop, so that it may fork: what a trial needs is imported
once. `python tests/crash_driver.py FOLDER` reads trials as JSON from stdin, each a list of steps to crash at, one after
another, the quirks of its emulator, the API, the machines, and whether two jobs with the same rows share a ledger;
trial number N leaves its files and its `trial.json` in FOLDER/N.
"""

import asyncio
import itertools
import json
import os
import random
import signal
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import aiohttp

from batcher.app.run import run_job
from batcher.app.world import World
from batcher.edges import records
from batcher.edges.attempts import Claims
from batcher.edges.checkpoint.store import Store
from batcher.edges.row_ledger import Store as LedgerStore
from batcher.edges.transport import Transport
from batcher.edges.transport.wire import Wire
from batcher.edges.witness import Witness
from batcher.emulator.documents import PROJECT
from batcher.emulator.faults import FaultKind, draw
from batcher.emulator.parsing import parse_quirk
from batcher.emulator.server import serve
from batcher.emulator.settings import MADE_UP, Settings
from batcher.flow.drain import Drain
from batcher.options.verbs import RunOptions
from batcher.rules.choices import Api, Mode, OnDoubt
from batcher.rules.shards.assignment import Shard
from batcher.rules.shards.attempts import Machine

SIDE_BY_SIDE = 6
CRASHED = 9
MANIFEST = f"object\na\nb\nc\na\nd\ne\n{'x' * 1025}\nf\nmissing\n"
"""Six rows to be started, one of them twice; a key that is too long; one that the service rejects."""
SHARES = {FaultKind.INTERNAL_AFTER: 0.05, FaultKind.RESET_AFTER: 0.05, FaultKind.INTERNAL: 0.05}
STEPS = (
    "before commit", "after commit", "before write", "half of the write", "after write", "before sync", "after sync",
    "before send", "sent", "received", "before witness", "after witness",
)  # fmt: skip
LEDGER_STEPS = ("before ledger commit", "after ledger commit")
SHARING = ("a", "b")
"""The names of two jobs that share a ledger."""


def seed_of_faults():
    """Find a seed by which the first starts meet each fault once, and the following ones none."""
    for seed in itertools.count():
        dice = random.Random(seed)
        first = [draw(SHARES, dice.random()) for _ in range(6)]
        if sorted(filter(None, first)) == sorted(SHARES) and not any(draw(SHARES, dice.random()) for _ in range(30)):
            return seed
    raise AssertionError


class Steps:
    """Counts the durable steps of a run, and ends the process at one of them as a kill does."""

    def __init__(self, crash_at, folder):
        self._numbers = itertools.count(1)
        self._crash_at = crash_at
        self._folder = folder
        self.done = 0

    def reach(self, name, last_act=lambda: None):
        self.done = next(self._numbers)
        if self.done == self._crash_at:
            last_act()
            with (self._folder / "crashes").open("a") as file:
                file.write(f"{name}\n")
            os._exit(CRASHED)

    def watch(self):
        """Put a step before and after whatever outlives the process: commits, writes and requests."""
        self._watch_commits(Store, "")
        self._watch_commits(LedgerStore, "ledger ")
        self._watch_output()
        self._watch_requests()
        self._watch_witness()
        self._watch_claims()

    def _watch_commits(self, store_type, name):
        begin, commit = store_type.begin, store_type.commit
        before = 0

        def watched_begin(store):
            nonlocal before
            before = store._db.total_changes
            begin(store)

        def watched_commit(store):
            has_written = store._db.total_changes > before
            if has_written:
                self.reach(f"before {name}commit")
            commit(store)
            if has_written:
                self.reach(f"after {name}commit")

        store_type.begin, store_type.commit = watched_begin, watched_commit

    def _watch_output(self):
        write, sync = records._write_whole, records._sync

        def watched_write(descriptor, block):
            self.reach("before write")
            self.reach("half of the write", lambda: os.write(descriptor, block[: len(block) // 2]))
            write(descriptor, block)

        def watched_sync(descriptor):
            self.reach("after write")
            self.reach("before sync")
            sync(descriptor)
            self.reach("after sync")

        records._write_whole, records._sync = watched_write, watched_sync

    def _watch_witness(self):
        write = Witness.write

        def watched_write(witness, reached):
            self.reach("before witness")
            write(witness, reached)
            self.reach("after witness")

        Witness.write = watched_write

    def _watch_claims(self):
        claim, note_ended = Claims.claim, Claims.note_ended

        def watched_claim(claims, wanted):
            self.reach("before claim")
            claimed = claim(claims, wanted)
            self.reach("after claim")
            return claimed

        def watched_end(claims, number):
            self.reach("before mark")
            note_ended(claims, number)

        Claims.claim, Claims.note_ended = watched_claim, watched_end

    def _watch_requests(self):
        send, start, ask = Transport.send, aiohttp.ClientResponse.start, Wire.ask

        async def watched_send(transport, *request):
            self.reach("before send")
            reply = await send(transport, *request)
            self.reach("received")
            return reply

        async def watched_start(response, connection):
            # A body is written by a task of its own, which has its turn now.
            await asyncio.sleep(0)
            self.reach("sent")
            return await start(response, connection)

        def watched_ask(wire, message, now):
            answered = ask(wire, message, now)
            # The loop writes what it was given before it comes to this.
            asyncio.get_running_loop().call_soon(self.reach, "sent")
            return answered

        Transport.send, aiohttp.ClientResponse.start, Wire.ask = watched_send, watched_start, watched_ask


SHARD_STEPS = ("before claim", "after claim", "before mark")
"""The durable steps that only shards have."""
PLAIN, ONE, MANY = "plain", "one machine", "many machines"
"""A job without shards, a shard whose runs are on one machine, and one whose runs are each on a machine of its own."""


def options(folder, url, api, machines, job):
    given = {
        "manifest": folder / "m.csv", "workflow": "transcode", "endpoint": url, "bucket": "videos", "inputs": {},
        "output": folder / "records.jsonl", "checkpoint": folder / "checkpoint", "concurrency": 2, "max_attempts": 3,
        "timeout": 30.0, "on_doubt": OnDoubt.RECONCILE, "settle_time": 0.3, "verify_tls": True, "progress": Mode.NONE,
        "api": Api(api), "project_id": PROJECT,
    }  # fmt: skip
    if machines != PLAIN:
        del given["output"], given["checkpoint"]
        given |= {"shard": Shard(0, 1), "run_dir": folder / "run", "take_over_after": 0.0}
        given["predecessor_is_dead"] = machines == MANY
    if job:
        given |= {"output": folder / f"{job}.jsonl", "checkpoint": folder / f"{job}.checkpoint"}
        given["ledger"] = folder / "rows.ledger"
    return RunOptions.of(given)


def forked(act):
    """Run `act` in a child, and give the child's id; what `act` returns is its exit code."""
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        code = act()
    finally:
        os._exit(code)


def ended(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def emulate(folder, told, seed, quirks):
    """Serve until killed; the URL goes into the pipe `told`."""
    shown = dict(map(parse_quirk, quirks))
    # The other workflow is one that a service may mix up with the job's.
    workflows = {"transcode": {}, "another": {}}
    settings = Settings(
        ledger=folder / "ledger", seed=seed, faults=SHARES, list_delay=0.1, quirks=shown, workflows=workflows
    )

    async def serving():
        async with serve(settings) as emulator:
            emulator.misses = lambda order: order.object == "missing"
            os.write(told, emulator.url.encode() + b"\n")
            await asyncio.Event().wait()

    asyncio.run(serving())
    return 0


def run(folder, url, api, machines, crash_at, job):  # noqa: PLR0917 - what a run consists of
    """Run the job as `batcher run` would, but crash at a step, if it comes to that."""
    os.dup2(os.open(folder / "stderr", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    steps = Steps(crash_at, folder)
    steps.watch()
    environment = {
        "OBS_ACCESS_KEY_ID": MADE_UP.access_key,
        "OBS_SECRET_ACCESS_KEY": MADE_UP.secret_key,
        "XDG_STATE_HOME": str(folder / "state"),
    }
    world = World(environment=environment)
    if machines == MANY:
        environment["XDG_STATE_HOME"] += f"-{os.getpid()}"
        world = World(environment=environment, machine=lambda: Machine("host", str(os.getpid())))
    code = asyncio.run(run_job(options(folder, url, api, machines, job), world, Drain()))
    (folder / "steps").write_text(str(steps.done))
    return int(code)


@contextmanager
def serving(emulate):
    """Run an emulator in a process of its own during the block, and yield its URL, which `emulate` writes to a pipe."""
    hears, tells = os.pipe()
    emulator = forked(partial(emulate, tells))
    os.close(tells)
    try:
        yield os.read(hears, 100).decode().strip()
    finally:
        os.kill(emulator, signal.SIGKILL)
        ended(emulator)


def ledger(url):
    """Give the emulator's ledger.

    Answered after whatever has arrived before: what a dead process has sent is carried out by now, or never.
    """
    with build_opener(ProxyHandler({})).open(f"{url}/emulator/ledger", timeout=30) as answer:
        return json.load(answer)


def play(folder, trial, seed):
    """Play one trial: crash at each of these steps, one run after another, then run to the end.

    Of two jobs that share a ledger, each crashes at its step, and each is run to its end twice.
    """
    crashes, quirks, api, machines, is_shared = trial
    folder.mkdir()
    (folder / "m.csv").write_text(MANIFEST)
    codes = []
    with serving(lambda tells: emulate(folder, tells, seed, quirks)) as url:
        ends = [(None, job) for job in SHARING] * 2 if is_shared else [(None, "")]
        for crash_at, job in (*zip(crashes, SHARING if is_shared else ("", "", ""), strict=False), *ends):
            codes.append(ended(forked(lambda at=crash_at, job=job: run(folder, url, api, machines, at, job))))
            ledger(url)
    (folder / "trial.json").write_text(json.dumps({"crashes": crashes, "quirks": quirks, "codes": codes}))
    return 0


def play_all(play):
    """Play the trials that standard input lists, some at a time. `play` is called with a folder and a trial."""
    parent = Path(sys.argv[1])
    playing = 0
    for number, trial in enumerate(json.load(sys.stdin)):
        if playing == SIDE_BY_SIDE:
            os.wait()
            playing -= 1
        forked(partial(play, parent / str(number), trial))
        playing += 1
    for _ in range(playing):
        os.wait()


if __name__ == "__main__":
    play_all(partial(play, seed=seed_of_faults()))
