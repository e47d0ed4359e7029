"""What one waits for: the first start, a resume, a check, a small job, the help, and the rate of the starts."""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from figures import Figure, Goal, difference, in_turn
from peers import (
    BATCHER,
    Client,
    Load,
    batcher,
    check_records,
    environment,
    hey,
    inherited,
    limit,
    manifest,
    run_command,
)
from running import BenchError, run, running
from server import Late, Served, late
from setting import ALL_ROWS, Setting
from workload import WORKFLOW, append_rows, write_manifest, write_objects, write_shuffled

WORKERS = 64
SLOW_WORKERS, LATENCY, LASTING = 512, 0.05, 300_000
LEARNING = 100_000
"""The rows by which a job has come to know its service."""
CROWD = 2048
"""A number of connections that shows the maximum rate of the late server."""
FEW, FEW_LATENCY = 64, 0.02
CHECKED = 1_000_000
NEW_ROWS = 1_000


class _Growing:
    """A job whose list grows: each run of it starts the rows that were added. Its files are in `folder`."""

    def __init__(self, folder: Path, seconds: float, workers: int) -> None:
        self._folder = folder
        self._seconds = seconds
        self._workers = workers
        self._source = folder / "grown.csv"
        self._rows = 0
        self._port = 0
        write_manifest(self._source, 0)

    def run(self, rows: int) -> tuple[Served, float]:
        """Add rows and start them. Return what the server saw, and when the command was launched."""
        append_rows(self._source, self._rows, self._rows + rows)
        self._rows += rows
        # The checkpoint belongs to its endpoint, so the server has to use the same port again.
        with late(self._folder, self._seconds, self._port) as server:
            self._port = urlsplit(server.url).port or 0
            command = run_command(self._source, server, self._folder, self._workers)
            launched = time.monotonic()
            run(command, self._folder / "log", environment=environment(server), timeout=limit(self._rows))
            seen = server.log()
        if seen.served != rows:
            raise BenchError(f"{rows} new rows, but the server served {seen.served}")
        check_records(self._folder / "records.jsonl", self._rows)
        return seen, launched


def goodput(setting: Setting) -> list[Figure]:
    """Measure starts per second if each takes 50 ms, against the ideal for that number of workers.

    The first job of a service begins with a slow start. A job that goes on knows its service.
    """
    load, crowd = (Load(setting.rows(LASTING, workers), workers) for workers in (SLOW_WORKERS, CROWD))
    learning = setting.rows(LEARNING, SLOW_WORKERS)
    ideal = SLOW_WORKERS / LATENCY

    def once(client: Client, load: Load) -> Served:
        with late(setting.folder, LATENCY) as server:
            client(setting.folder, server, load)
            return server.log()

    def going_on() -> Served:
        with TemporaryDirectory(dir=setting.folder) as name:
            job = _Growing(Path(name), LATENCY, SLOW_WORKERS)
            job.run(learning)
            return job.run(load.rows)[0]

    ceiling = once(hey, crowd).rate
    first, later, peer = in_turn(setting.rounds, partial(once, batcher, load), going_on, partial(once, hey, load))
    rates = [median(served.rate for served in runs) for runs in (first, later, peer)]
    lateness = median(served.lateness / served.served for served in first)
    # Without a server that is fast enough, no client can reach the goal.
    goals = [
        setting.at_full_size(LASTING, goal) if ceiling >= ideal else None
        for goal in (Goal(0.92, 0.94, at_least=True), Goal(0.96, 0.98, at_least=True))
    ]
    what = f"goodput with {LATENCY * 1000:.0f} ms of service latency and {SLOW_WORKERS} workers"
    how = (
        f"{rates[0]:,.0f}/s of {ideal:,.0f}/s, from the first start's arrival to the last answer, slow start included;"
        f" {load.rows:,} rows; the server answered {lateness * 1000:.1f} ms late on average; hey got"
        f" {rates[2] / ideal:.1%}, and with {CROWD:,} connections {ceiling:,.0f}/s: the server is fast enough"
    )
    details = (how, f"{rates[1]:,.0f}/s; {load.rows:,} rows after {learning:,} in an earlier run of the job")
    return [
        Figure(f"{what}, {which}", rate / ideal, "{:.1%}", detail, goal)
        for which, rate, detail, goal in zip(("first job", "job that goes on"), rates[:2], details, goals, strict=True)
    ]


def few(setting: Setting) -> list[Figure]:
    """Measure a small job from launch to exit, where the service takes 20 ms."""

    def once() -> float:
        with late(setting.folder, FEW_LATENCY) as server:
            return batcher(setting.folder, server, Load(FEW, FEW)).wall

    (seconds,) = in_turn(setting.rounds, once)
    what = f"{FEW} rows with {FEW_LATENCY * 1000:.0f} ms of service latency, launch to exit"
    return [Figure(what, median(seconds), "{:.2f} s", f"median of {setting.rounds}", Goal(0.8, 0.6))]


def check(setting: Setting) -> list[Figure]:
    """Measure how many rows per second `batcher check` reads, launch included, in both formats and both orders."""
    rows = setting.rows(CHECKED)
    table, lines = manifest(setting.folder, rows), setting.folder / f"{rows}.jsonl"
    write_objects(lines, rows)
    sources = {"CSV": table, "JSON Lines": lines}
    for (format_, source), header in zip(list(sources.items()), (1, 0), strict=True):
        sources[f"{format_} in random order"] = shuffled = source.with_stem(f"{rows}-shuffled")
        write_shuffled(shuffled, source, header)
    log = setting.folder / "check.log"

    def once(source: Path, server: Late) -> float:
        command = [BATCHER, "check", str(source), "-w", WORKFLOW, "-e", server.url]
        return rows / run(command, log, environment=environment(server), timeout=limit(rows)).wall

    with late(setting.folder, 0) as server:
        sides = in_turn(setting.rounds, *(partial(once, source, server) for source in sources.values()))
    goal = setting.at_full_size(CHECKED, Goal(800_000, 1_200_000, at_least=True))
    detail = f"median of {setting.rounds}; {rows:,} rows"
    return [
        Figure(f"rows per second of `batcher check`, {name}", median(rates), "{:,.0f}", detail, goal)
        for name, rates in zip(sources, sides, strict=True)
    ]


def first_start(setting: Setting) -> list[Figure]:
    """Measure the time from launch until the first start arrives at the server; then the run is stopped."""
    rows = setting.rows(ALL_ROWS)
    source = manifest(setting.folder, rows)

    def once() -> float:
        with TemporaryDirectory(dir=setting.folder) as name, late(setting.folder, 0) as server:
            files = Path(name)
            command = run_command(source, server, files, WORKERS)
            launched = time.monotonic()
            with running(command, files / "log", environment(server)):
                return server.first(limit(0)) - launched

    (seconds,) = in_turn(setting.rounds, once)
    detail = f"median of {setting.rounds}; the server and the launcher use the same clock"
    goal = setting.at_full_size(ALL_ROWS, Goal(0.5, 0.4))
    return [Figure(f"first start after launch, {rows:,} rows", median(seconds), "{:.2f} s", detail, goal)]


def resume(setting: Setting) -> list[Figure]:
    """Measure the time from launch to the first new start, for a settled list to which a few rows were added."""
    return _resume(setting, 2_000_000, Goal(1, 0.6))


def _resume(setting: Setting, rows: int, goal: Goal) -> list[Figure]:
    new = min(NEW_ROWS, setting.most // 2)
    done = setting.rows(rows) - new
    with TemporaryDirectory(dir=setting.folder) as name:
        job = _Growing(Path(name), 0, WORKERS)
        job.run(done)
        runs = [job.run(new) for _ in range(setting.rounds)]
    seconds = median((seen.first or 0.0) - launched for seen, launched in runs)
    detail = f"median of {setting.rounds}; {done:,} rows are settled, {new:,} are new"
    what = f"first new start after a resume's launch, {done + new:,} rows"
    return [Figure(what, seconds, "{:.2f} s", detail, setting.at_full_size(rows, goal))]


def long_resume(setting: Setting) -> list[Figure]:
    """Measure the same for a list of ten million rows, if ROWS allows it: they take a quarter of an hour."""
    rows = 10_000_000
    return _resume(setting, rows, Goal(3, 2)) if setting.most >= rows else []


def help_(setting: Setting) -> list[Figure]:
    """Measure how much longer `batcher --help` takes than starting Python."""
    sides = [[BATCHER, "--help"], [sys.executable, "-c", "pass"]]
    log = setting.folder / "help.log"
    ours, bare = in_turn(
        5 * setting.rounds, *(partial(run, command, log, environment=inherited()) for command in sides)
    )
    walls = [[usage.wall * 1000 for usage in usages] for usages in (ours, bare)]
    detail = f"{median(walls[0]):.0f} ms and {median(walls[1]):.0f} ms; median of {5 * setting.rounds}"
    what = "`batcher --help`, longer than `python -c pass`"
    return [Figure(what, difference(*walls), "{:+.0f} ms", detail, Goal(150, 80))]
