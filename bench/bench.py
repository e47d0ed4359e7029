"""The benchmarks: each is a small function that returns figures. MEASUREMENTS lists them all.

`python bench/bench.py [NAME ...] [--rows MOST] [--rounds N]`. Without names it runs all and writes the results to
RESULTS.md and docs/speed.md. With names it only prints them. For Linux.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple
from urllib.parse import urlsplit

import report
from figures import Figure, Goal, difference, in_turn, microseconds, ratio
from machine import describe
from peers import (
    BATCHER,
    Client,
    Load,
    Server,
    bare_loop,
    batcher,
    batcher_v3,
    check_records,
    environment,
    hey,
    inherited,
    limit,
    manifest,
    run_command,
    sdk_loop,
    sdk_loop_kept,
    sdk_v3_loop,
)
from running import BenchError, Usage, install_tools, run, running
from server import Served, late, nginx
from workload import ANSWER, append_rows, write_manifest

RESULTS = Path(__file__).with_name("RESULTS.md")
PAGE = Path(__file__).parents[1] / "docs" / "speed.md"
ALL_ROWS = 5_000_000
ROUNDS = 3
MIB = 1 << 20

WORKERS = 64
SLOW_WORKERS, LATENCY, LASTING = 512, 0.05, 1_000_000
CROWD = 2048
"""A number of connections that shows the maximum rate of the late server."""
SIZES = (10_000, 100_000, 1_000_000, ALL_ROWS)
SMALL = 100_000
POOLS = {1: 20_000, 8: 50_000, 64: 100_000, 512: 100_000}
"""Rows by number of workers. A single worker waits for the disk at each row."""
LONG, NEW_ROWS = 2_000_000, 1_000


class Setting(NamedTuple):
    """The folder for files, the maximum number of rows per measurement, and the number of rounds."""

    folder: Path
    most: int
    rounds: int

    def rows(self, wanted: int, connections: int = 1) -> int:
        """Return how many rows to use: at most the maximum, and equally many per connection."""
        rows = min(wanted, self.most)
        return rows - rows % connections

    def at_full_size(self, rows: int, goal: Goal) -> Goal | None:
        """Return the goal, which is meant for `rows` rows. Return None if fewer are used: they prove nothing."""
        return goal if rows <= self.most else None

    def side_by_side(self, server: Server, *sides: tuple[Client, Load]) -> list[list[Usage]]:
        """Run the clients in turn."""
        return in_turn(self.rounds, *(partial(client, self.folder, server, load) for client, load in sides))


def cpu(setting: Setting, *, tls: bool = False) -> list[Figure]:
    """Measure CPU per started row against the bare loop."""
    load = Load(setting.rows(200_000), WORKERS)
    with nginx(setting.folder / "nginx", ANSWER, tls=tls) as server:
        ours, bare = _cpu(setting.side_by_side(server, (batcher, load), (bare_loop, load)))
    what = "CPU per started row, over that of a bare `ClientSession.post` loop" + (", TLS" if tls else "")
    detail = f"{microseconds(ours, load.rows)} and {microseconds(bare, load.rows)}; {load.rows:,} rows, 64 connections"
    return [Figure(what, ratio(ours, bare), "{:.2f}", detail, Goal(0.65, 0.45))]


def sdk(setting: Setting) -> list[Figure]:
    """Measure CPU per started row against the official SDK, which gets fewer rows."""
    load, fewer = Load(setting.rows(200_000), WORKERS), Load(setting.rows(50_000), WORKERS)
    with nginx(setting.folder / "nginx", ANSWER) as server:
        sides = ((batcher, load), (sdk_loop, fewer), (sdk_loop_kept, fewer))
        ours, as_it_comes, kept = _cpu(setting.side_by_side(server, *sides))
    what = "CPU per started row of the official SDK on 64 threads, over ours"
    goal = Goal(10, 15, at_least=True)

    def figure(what: str, theirs: Sequence[float], goal: Goal | None) -> Figure:
        times = ratio(theirs, ours) * load.rows / fewer.rows
        detail = f"{microseconds(theirs, fewer.rows)} and {microseconds(ours, load.rows)}"
        return Figure(what, times, "{:.1f}", detail, goal)

    return [figure(what, as_it_comes, goal), figure(f"{what}, configured to keep its connections", kept, None)]


def v3(setting: Setting) -> list[Figure]:
    """Measure CPU per row started over DWR v3, against OBS v2 and against the official v3 SDK, with fewer rows."""
    load, fewer = Load(setting.rows(200_000), WORKERS), Load(setting.rows(20_000), WORKERS)
    with nginx(setting.folder / "nginx", ANSWER) as server:
        sides = ((batcher_v3, load), (batcher, load), (sdk_v3_loop, fewer))
        ours, over_v2, theirs = _cpu(setting.side_by_side(server, *sides))
    detail = f"{microseconds(ours, load.rows)} and {microseconds(over_v2, load.rows)}"
    times = ratio(theirs, ours) * load.rows / fewer.rows
    sdk_detail = f"{microseconds(theirs, fewer.rows)} and {microseconds(ours, load.rows)}"
    return [
        Figure("CPU per row started over DWR v3, over that of OBS v2", ratio(ours, over_v2), "{:.2f}", detail),
        Figure("CPU per row of the official v3 SDK on 64 threads, over ours", times, "{:.1f}", sdk_detail),
    ]


def one_core(setting: Setting) -> list[Figure]:
    """Measure starts per second against hey, the client on one core and the server on another."""
    client_core, server_core = _two_cores()
    load = Load(setting.rows(200_000, WORKERS), WORKERS, client_core)
    with nginx(setting.folder / "nginx", ANSWER, core=server_core) as server:
        ours, theirs = setting.side_by_side(server, (batcher, load), (hey, load))
    rates = [[load.rows / usage.wall for usage in usages] for usages in (ours, theirs)]
    detail = f"{median(rates[0]):,.0f}/s and {median(rates[1]):,.0f}/s, from launch to exit; {load.rows:,} rows"
    return [
        Figure(
            "starts per second on one core, over hey's", ratio(*rates), "{:.2f}", detail, Goal(0.75, 1, at_least=True)
        )
    ]


def goodput(setting: Setting) -> list[Figure]:
    """Measure starts per second if each takes 50 ms, against the ideal for that number of workers.

    The slow start takes 1.5 s for any list, so the list is as long as that of a real job.
    """
    load = Load(setting.rows(LASTING, SLOW_WORKERS), SLOW_WORKERS)
    fewer, crowd = (Load(setting.rows(300_000, workers), workers) for workers in (SLOW_WORKERS, CROWD))
    ideal = SLOW_WORKERS / LATENCY

    def once(client: Client, load: Load) -> Served:
        with late(setting.folder, LATENCY) as server:
            client(setting.folder, server, load)
            return server.log()

    ceiling = once(hey, crowd).rate
    ours, theirs = in_turn(setting.rounds, partial(once, batcher, load), partial(once, hey, fewer))
    rates = [median(served.rate for served in runs) for runs in (ours, theirs)]
    lateness = median(served.lateness / served.served for served in ours)
    detail = (
        f"{rates[0]:,.0f}/s of {ideal:,.0f}/s, from the first start's arrival to the last answer, slow start included;"
        f" {load.rows:,} rows; the server answered {lateness * 1000:.1f} ms late on average; hey got"
        f" {rates[1] / ideal:.1%}, and with {CROWD:,} connections {ceiling:,.0f}/s: the server is fast enough"
    )
    # Without a server that is fast enough, no client can reach the goal.
    goal = setting.at_full_size(LASTING, Goal(0.90, 0.97, at_least=True)) if ceiling >= ideal else None
    what = f"goodput with {LATENCY * 1000:.0f} ms of service latency and {SLOW_WORKERS} workers"
    return [Figure(what, rates[0] / ideal, "{:.1%}", detail, goal)]


def sizes(setting: Setting) -> list[Figure]:
    """Measure memory and CPU for lists of several lengths."""
    lengths = sorted({setting.rows(rows) for rows in SIZES})
    with nginx(setting.folder / "nginx", ANSWER) as server:
        usages = {rows: batcher(setting.folder, server, Load(rows, WORKERS)) for rows in lengths}
    few, most = setting.rows(SMALL), lengths[-1]
    peak = usages[most].peak / MIB
    goal, growth_goal = (setting.at_full_size(ALL_ROWS, goal) for goal in (Goal(100, 70), Goal(10)))
    figures = [Figure(f"peak memory at {most:,} rows", peak, "{:.1f} MiB", "the maximum RSS of the process", goal)]
    if most > few:
        growth = peak - usages[few].peak / MIB
        detail = f"{usages[few].peak / MIB:.1f} MiB at {few:,} rows"
        figures.append(Figure(f"its growth since {few:,} rows", growth, "{:+.1f} MiB", detail, growth_goal))
    return figures + [_cost(f"{rows:,} rows", rows, usage) for rows, usage in usages.items()]


def pools(setting: Setting) -> list[Figure]:
    """Measure CPU and starts per second for several numbers of workers."""
    with nginx(setting.folder / "nginx", ANSWER) as server:
        loads = [Load(setting.rows(rows), workers) for workers, rows in POOLS.items()]
        usages = [batcher(setting.folder, server, load) for load in loads]
    return [
        _cost(f"{load.connections} worker{'s' if load.connections > 1 else ''}, {load.rows:,} rows", load.rows, usage)
        for load, usage in zip(loads, usages, strict=True)
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
    goal = setting.at_full_size(ALL_ROWS, Goal(1, 0.4))
    return [Figure(f"first start after launch, {rows:,} rows", median(seconds), "{:.2f} s", detail, goal)]


def resume(setting: Setting) -> list[Figure]:
    """Measure the time from launch to the first new start, for a settled list to which a few rows were added."""
    new = min(NEW_ROWS, setting.most // 2)
    done = setting.rows(LONG) - new
    source = setting.folder / "grown.csv"
    write_manifest(source, done)
    with TemporaryDirectory(dir=setting.folder) as name:
        files = Path(name)
        with late(setting.folder, 0) as server:
            command = run_command(source, server, files, WORKERS)
            run(command, files / "log", environment=environment(server), timeout=limit(done))
            check_records(files / "records.jsonl", done)
        seconds = []
        for rows in range(done + new, done + new * (setting.rounds + 1), new):
            append_rows(source, rows - new, rows)
            # The checkpoint belongs to its endpoint, so the server has to use the same port again.
            with late(setting.folder, 0, urlsplit(server.url).port or 0) as server:
                launched = time.monotonic()
                run(command, files / "log", environment=environment(server), timeout=limit(new))
                seconds.append(server.first(0) - launched)
                if server.served() != new:
                    raise BenchError(f"{new} new rows, but the server served {server.served()}")
            check_records(files / "records.jsonl", rows)
    detail = f"median of {setting.rounds}; {done:,} rows are settled, {new:,} are new"
    goal = setting.at_full_size(LONG, Goal(6, 2))
    return [Figure("first new start after a resume's launch", median(seconds), "{:.2f} s", detail, goal)]


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


MEASUREMENTS: Mapping[str, Callable[[Setting], list[Figure]]] = {
    "cpu": cpu,
    "tls": partial(cpu, tls=True),
    "sdk": sdk,
    "v3": v3,
    "hey": one_core,
    "goodput": goodput,
    "sizes": sizes,
    "first": first_start,
    "resume": resume,
    "help": help_,
    "workers": pools,
}


def _cpu(sides: Sequence[Sequence[Usage]]) -> list[list[float]]:
    return [[usage.cpu for usage in usages] for usages in sides]


def _cost(what: str, rows: int, usage: Usage) -> Figure:
    detail = f"{rows / usage.wall:,.0f} starts/s, peak memory {usage.peak / MIB:.1f} MiB"
    return Figure(f"CPU per row: {what}", usage.cpu / rows * 1e6, "{:.1f} us", detail)


def _two_cores() -> tuple[int, int]:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise BenchError("this machine has one core, but client and server need one each")
    return cores[0], cores[1]


def measure(names: Sequence[str], most: int, rounds: int) -> tuple[list[Figure], dict[str, str]]:
    """Run measurements in a temporary folder and print each result. Return the figures and the machine."""
    figures: list[Figure] = []
    with TemporaryDirectory(prefix="batcher-bench-") as name:
        setting = Setting(Path(name), most, rounds)
        machine = describe(setting.folder)
        for measurement in names:
            begun = time.monotonic()
            found = MEASUREMENTS[measurement](setting)
            print(f"\n{measurement}, {time.monotonic() - begun:.0f} s\n\n{report.table(found)}", flush=True)
            figures += found
    return figures, machine


def write(figures: Sequence[Figure], machine: Mapping[str, str], note: str) -> None:
    """Write the results to RESULTS.md, and their table to docs/speed.md."""
    RESULTS.write_text(report.results(figures, machine, note))
    PAGE.write_text(report.put_between(PAGE.read_text(), report.table(figures)))


def main() -> int:
    """Run the requested measurements."""
    parser = argparse.ArgumentParser(description="Measure batcher against its peers. All of it takes about 50 minutes.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MEASUREMENTS)}; all without one")
    parser.add_argument("--rows", type=int, default=ALL_ROWS, help="maximum rows per measurement")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds; in each, every side runs once")
    asked = parser.parse_args()
    unknown = set(asked.names) - set(MEASUREMENTS)
    if unknown:
        parser.error(f"no such measurement: {', '.join(sorted(unknown))}")
    if asked.rows < CROWD or asked.rounds < 1:
        parser.error(f"--rows must be at least {CROWD}, one per connection, and --rounds at least 1")
    begun = time.monotonic()
    # Turn the signal into an exception, so that servers and clients are stopped and files removed.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        install_tools()
        figures, machine = measure(asked.names or list(MEASUREMENTS), asked.rows, asked.rounds)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    if not asked.names:
        note = (
            f"Rounds, in which the sides take turns: {asked.rounds}. Maximum rows: {asked.rows:,}. Duration:"
            f" {(time.monotonic() - begun) / 60:.0f} minutes. CPU is that of whole processes, with launch and exit."
            " Figures in the second table have no goals, or too few rows or too slow a server to be judged by them."
        )
        write(figures, machine, note)
    return 0


if __name__ == "__main__":
    sys.exit(main())
