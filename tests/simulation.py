"""The simulation: the real job on a virtual clock, against a simulated service, through crashes, by the dice of a seed.

Real are the job, its engine, reconcile, matching and drain, and the checkpoint and the output on real files. Simulated
are the clock, the threads, the network and the service. `python tests/simulation.py --seeds 5000 --from 0` looks for
seeds that break a promise; `--from N --seeds 1 --trace` shows what happened in one. With `--lies` the service shows
something else than the truth, about none to four things that the seed draws.
"""
# ruff: noqa: T201 - the script talks to a person

import argparse
import asyncio
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace

from peek import kept_rows
from simulated_judge import BAD_LINE, LATE, SLACK, Claims, Judge, Untold, Watch, content_of
from simulated_lies import LIES, TIMEOUT, lies_of, told_names
from simulated_machine import Checkpoint, CrashAt, Loop, Process
from simulated_nature import nature
from simulated_service import TYPES, Service
from simulated_v3 import ServiceV3

from batcher.app.run import run_job
from batcher.app.voice import Voice
from batcher.app.world import World as Surroundings
from batcher.edges.checkpoint.store import Store
from batcher.edges.manifest import open_manifest
from batcher.errors import ExitCode, JobError
from batcher.flow.drain import Drain
from batcher.model import Fault, Lost, Status
from batcher.options.verbs import RunOptions
from batcher.rules.choices import Api, Mode, OnDoubt

BEGINNING = 1_795_509_000.0
MOST_CRASHES = 5
MOST_LINES = 14
KINDS = ("plain", "plain", "plain", "plain", "again", "bad", "missing", "alike")
"""The kinds of a manifest's lines: `again` is a duplicate, `missing` is rejected, `alike` are rows easily confused."""
ODD_KEYS = ("o{}", "/In//{}/Cafe\u0301 \u00e9 \ufb01lm+100%25 &.MP4", "A b%20c+//{}.mp4")
"""How objects are named where the service may show their keys in other forms."""
STEPS = ("", "", "begin", "commit", "write", "fdatasync", "POST", "GET")
"""Words by which a step is chosen for a crash; the first two take any."""
CLOCKS = (0.0, 20.0, -20.0, 600.0, -600.0, 7200.0, -7200.0)
"""By how many seconds the client's clock may be set wrong."""
PAUSES = (10.0, 600.0, 7200.0)
"""For how many seconds the client's whole machine may stand still, its clocks with it."""
KEYS = {"OBS_ACCESS_KEY_ID": "EXAMPLEAK", "OBS_SECRET_ACCESS_KEY": "example-secret"}


class World:
    """One simulation: what the seed has drawn, and what outlives the crashes of the client."""

    def __init__(self, seed, folder, lies=(), api=Api.OBS_V2):
        self._api = api
        self.lies = lies
        """The names of what the service lies about."""
        self.judge = None
        self.dice = random.Random(seed)
        self.folder = folder
        # Half of the machines have a place for a witness. On the others, each resume asks for unknown executions.
        self._home = {"XDG_STATE_HOME": str(folder / "state")} if seed % 2 else {}
        self.trace = []
        self.complaints = []
        self.drain = None
        self.process = None
        self._base = BEGINNING
        self._loop = None
        self._wrong = 0.0
        self._boot = 0.0
        self._has_bad_clock = self.dice.random() < 0.4
        self._settle_time = self.dice.choice((5.0, 30.0, 200.0) if lies else (5.0, 30.0))
        self._concurrency = self.dice.choice((1, 2, 3, 8))
        self._is_shuffled = self.dice.random() < 0.3
        self._lines = manifest(self.dice, self.dice.choice(ODD_KEYS) if lies else "o{}")
        self.contents = sorted(set(filter(None, map(content_of, self._lines))))
        told = lies_of(lies, seed, self._settle_time)
        service = ServiceV3 if api is Api.DWR_V3 else Service
        self.service = service(self.dice, nature(self.dice, self._settle_time), self.now, self.note, told)
        self.watch = Watch(self.now, self.note, self.service)
        for content in self.contents:
            if self.dice.random() < self.service.nature.mimics:
                self.service.plant(content, self._base - self.dice.uniform(60, 4000), self.dice.choice(TYPES))

    def now(self):
        """Give the true time."""
        return self._base + (self._loop.time() if self._loop is not None else 0.0)

    def clock(self):
        """Give the client's time, which may be set."""
        return self.now() + self._wrong

    def steady(self):
        """Give the client's time since its machine was started, less the pauses of it."""
        return self.now() - self._boot

    def note(self, text):
        self.trace.append(f"{self.now() - BEGINNING:10.3f} {text}")

    def play(self):
        """Run the job until it crashes, a few times, then once in peace, and judge."""
        for _ in range(self.dice.randint(0, MOST_CRASHES)):
            self._run(in_peace=False)
            self._judge_crash()
            self._base += self.dice.choice((0.01, 1, self._settle_time, 300))
            if self.contents and self.dice.random() < self.service.nature.mimics:
                content = self.service.variant(self.dice.choice(self.contents))
                self.service.plant(content, self.now() + self.dice.uniform(0, 600))
        code = self._run(in_peace=True)
        for _ in range(self.dice.randint(0, 2) if self.lies else 0):
            # Who is told that rows are in doubt tries again.
            self._base += self._settle_time
            code = self._run(in_peace=True)
        self._judge(code)

    def _run(self, *, in_peace):
        """Run the job once; give its exit code, None where it has crashed."""
        self.note("client: last run" if in_peace else "client: run")
        self.service.turn(is_healthy=in_peace)
        if self._is_shuffled:
            self.dice.shuffle(self._lines)
        (self.folder / "m.jsonl").write_text("".join(self._lines))
        self.process = Process(self.dice, self.note)
        self._loop = Loop(self.process)
        self._boot = self.now() - self.dice.uniform(0, 1e7)
        self.watch.stood = 0.0
        asyncio.set_event_loop(self._loop)
        try:
            return self._loop.run_until_complete(self._live(in_peace=in_peace))
        finally:
            was_dead = self.process.is_dead
            left = self._loop.bury()
            self._base, self._loop = self.now(), None
            asyncio.set_event_loop(None)
            if left and not was_dead:
                self.complaints.append(f"tasks were left behind: {left}")

    async def _live(self, *, in_peace):
        self.process.main = asyncio.ensure_future(run_job(self._options(), self._surroundings(), Drain()))
        if not in_peace:
            self._draw_fate()
        if self._has_bad_clock:
            self._draw_clock()
        await asyncio.wait([self.process.main])
        if self.process.is_dead:
            return None
        try:
            code = self.process.main.result()
        except JobError as error:
            code = error.exit_code
        self.note(f"client: exit code {code}")
        return code

    def _draw_fate(self):
        """Choose how this run is disturbed: by a crash at a step, a crash at an instant, or a signal."""
        fate = self.dice.choice(("step", "step", "instant", "signal"))
        instant = self.dice.expovariate(0.3)
        if fate == "step":
            word = self.dice.choice(STEPS)
            most = (2 if word else 10) * (3 + len(self._lines))
            self.process.crash_at = CrashAt(word, int(self.dice.triangular(1, most, 1)))
        elif fate == "instant":
            self._loop.call_later(instant, self.process.die, "at an instant")
        else:
            self._loop.call_later(instant, self._signal)

    def _draw_clock(self):
        """Choose how the client's clocks go wrong: set before the run, set in mid-run, or paused with the machine."""
        self._set_clock()
        self._loop.call_later(self.dice.expovariate(0.3), self._set_clock)
        if self.dice.random() < 0.5:
            self._loop.call_later(self.dice.expovariate(0.3), self._pause)

    def _set_clock(self):
        self._wrong = self.dice.choice(CLOCKS)
        self.note(f"client: the clock is set, and wrong by {self._wrong:g} s")

    def _pause(self):
        pause = self.dice.choice(PAUSES)
        self._base += pause
        self._boot += pause
        self.watch.stood += pause
        self.note(f"client: the machine stood still for {pause:g} s")

    def _signal(self):
        self.note("client: SIGTERM")
        self.drain(ExitCode.SIGTERM)

    def _surroundings(self):
        """Give what the job depends on besides its options, every part of it simulated."""
        return Surroundings(
            voice=Voice(lambda _kind, text: self.note(f"says: {text}")),
            environment=KEYS | self._home,
            clock=self.clock,
            monotonic=self.steady,
            steady=self.steady,
            draw=self.dice.random,
            connect=self._connect,
            open_checkpoint=self._open_checkpoint,
            # So that a manifest of a few lines has marks too.
            open_manifest=partial(open_manifest, chunk=100),
            read_ahead=self._read_ahead,
            draining_on_signals=self._draining_on_signals,
        )

    async def _read_ahead(self, blocks):
        for block in blocks:
            rest = list(block)
            while rest:
                count = self.dice.randint(1, 9)
                await asyncio.sleep(self.dice.choice((0, 0.001, 0.1)))
                yield rest[:count]
                del rest[:count]

    @asynccontextmanager
    async def _connect(self, *_, **__):
        yield SimpleNamespace(send=self.send)

    @contextmanager
    def _draining_on_signals(self, drain, _say):
        self.drain = drain
        yield

    @asynccontextmanager
    async def _open_checkpoint(self, path, header):
        checkpoint = Checkpoint(Store.open(path, header), path, self.process, self.watch)
        try:
            yield checkpoint
        finally:
            await checkpoint.close()

    def _options(self):
        given = {
            "manifest": self.folder / "m.jsonl", "workflow": "transcode", "endpoint": "https://simulated", "inputs": {},
            "bucket": "bucket", "output": self.folder / "records.jsonl", "checkpoint": self.folder / "checkpoint",
            "concurrency": self._concurrency, "max_attempts": 3, "timeout": TIMEOUT, "on_doubt": OnDoubt.RECONCILE,
            "settle_time": self._settle_time, "verify_tls": True, "progress": Mode.NONE, "preflight": False,
            "api": self._api, "project_id": "simulated",
        }  # fmt: skip
        return RunOptions(**given)

    async def send(self, method, target, headers, body):
        """Carry one request to the service and its answer back, as the real transport does."""
        self.process.step(f"before {method}")
        exchange = self.service.take(method, target, headers, body)
        self.process.step(f"sent {method}")
        if exchange.out + exchange.back > TIMEOUT:
            await asyncio.sleep(TIMEOUT)
            return Lost(Fault.LOST, "no answer in time")
        await asyncio.sleep(exchange.out)
        reply = exchange.make()
        await asyncio.sleep(exchange.back)
        self.process.step(f"answered {method}")
        return reply

    def _judge_crash(self):
        left = sum(row.status is Status.SENDING for row in kept_rows(self.folder / "checkpoint"))
        if left > 2 * self._concurrency:
            self.complaints.append(f"{left} rows are in doubt after a crash, at concurrency {self._concurrency}")

    def _judge(self, code):
        kept = kept_rows(self.folder / "checkpoint")
        rows = {row.key: (row.status, row.execution) for row in kept if row.copy == 1}
        try:
            records = [json.loads(line) for line in (self.folder / "records.jsonl").read_bytes().splitlines()]
        except ValueError as error:
            self.complaints.append(f"the output is torn: {error}")
            return
        claims = Claims(rows, records, code)
        ledger, windows = self.service.executions, self.watch.windows
        service = self.service
        late = max(LATE, self._settle_time) + SLACK + service.ahead
        untold = Untold(bool(self.lies), service.names, self.watch.fooled, service.confused, late)
        self.judge = Judge(self._lines, ledger, windows, claims, untold, is_ordered=not self._is_shuffled)
        self.complaints += self.judge.complaints()


def manifest(dice, key="o{}"):
    """Draw the lines of a manifest. `key` is what the objects are named like."""
    lines = []
    for number in range(dice.randint(1, MOST_LINES)):
        kind = dice.choice(KINDS)
        name = f"missing{number}" if kind == "missing" else key.format(number)
        row = {"object": name, "inputs": {"n": number % 3}}
        if kind == "bad":
            lines.append(BAD_LINE)
        elif kind == "again" and lines:
            lines.append(dice.choice(lines))
        elif kind == "alike":
            near = ({"n": number % 3}, {"n": str(number % 3)}, {})
            lines += [json.dumps(row | {"inputs": inputs}) + "\n" for inputs in dice.sample(near, 2)]
        else:
            lines.append(json.dumps(row) + "\n")
    return lines


@contextmanager
def scratch():
    """Give a folder in memory, where there is such a thing."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


def played(seeds, lies=lambda _seed: (), api=Api.OBS_V2):
    """Play seeds one after another, and yield their worlds. `lies` chooses the names of the lies of a seed."""
    with scratch() as parent:
        for seed in seeds:
            folder = parent / str(seed)
            folder.mkdir()
            world = World(seed, folder, lies(seed), api)
            world.play()
            shutil.rmtree(folder)
            yield seed, world


def simulate(seeds, lies=lambda _seed: (), api=Api.OBS_V2):
    """Play seeds one after another, and give the worlds that have broken a promise."""
    return {seed: world for seed, world in played(seeds, lies, api) if world.complaints}


class Figures:
    """What came of worlds by the lies that were told in them, alone and beside others."""

    def __init__(self):
        self._of = defaultdict(Counter)
        self._proofs = Counter()

    def add(self, world):
        judge = world.judge
        seen = {"rows": len(world.contents)}
        if judge is not None:
            seen |= {"twice": judge.twice, "lost": judge.lost, "held": judge.held, "excused": judge.excused.total()}
            self._proofs += judge.excused
        for name in ("all", *(world.lies or ["honest"])):
            self._of[name].update(seen | {"seeds": 1})
        if len(world.lies) == 1:
            self._of[world.lies[0]].update({"alone": 1, "held alone": seen.get("held", 0)})

    def lines(self):
        """Lay them out: `held alone` is of the `alone` seeds in which there was no other lie."""
        columns = ("seeds", "rows", "twice", "lost", "excused", "held", "alone", "held alone")
        yield f"{'':<50}" + "".join(f"{name:>11}" for name in columns)
        for name in ("all", "honest", *LIES):
            if name in self._of:
                yield f"{name:<50}" + "".join(f"{self._of[name][column]:>11,}" for column in columns)
        for proof, count in self._proofs.most_common():
            yield f"excused: {count:,} {proof}"


def main():
    parser = argparse.ArgumentParser(description="Look for seeds that break a promise.")
    parser.add_argument("--seeds", type=int, default=1000, help="how many")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first of them")
    parser.add_argument("--lies", action="store_true", help="let the service lie about none to four things")
    parser.add_argument("--lie", action="append", choices=LIES, help="let it lie about this; may be repeated")
    parser.add_argument("--api", type=Api, choices=[*Api][1:], default=Api.OBS_V2, help="the API of the service")
    parser.add_argument("--trace", action="store_true", help="show what happened in those that break one")
    given = parser.parse_args()
    begun = time.monotonic()
    lies = told_names if given.lies else lambda _seed: given.lie or ()
    figures, broken = Figures(), 0
    for seed, world in played(range(given.first, given.first + given.seeds), lies, given.api):
        figures.add(world)
        if world.complaints:
            broken += 1
            print(f"seed {seed}, {', '.join(world.lies) or 'honest'}:", *world.complaints, sep="\n  ")
            words = "".join(f" --lie '{name}'" for name in given.lie or ()) + " --lies" * given.lies
            words += f" --api {given.api}"
            print(f"  replay: python tests/simulation.py{words} --from {seed} --seeds 1 --trace", flush=True)
            if given.trace:
                print(*world.trace, sep="\n")
    if given.lies or given.lie:
        print(*figures.lines(), sep="\n")
    print(f"{given.seeds} seeds in {time.monotonic() - begun:.1f} s, {broken} of them broke a promise")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
