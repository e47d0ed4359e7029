"""What a start costs: CPU time against the peers, by the length of the list and by the number of workers; memory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from statistics import median

from figures import Figure, Goal, microseconds, ratio
from peers import Load, bare_loop, batcher, batcher_v3, hey, plain_batcher, sdk_loop, sdk_loop_kept, sdk_v3_loop
from running import UnavailableError, Usage
from server import nginx
from setting import ALL_ROWS, MIB, Setting
from workload import ANSWER

WORKERS = 64
SIZES = (10_000, 100_000, 1_000_000, ALL_ROWS, 20_000_000)
SMALL = 100_000
POOLS = {1: 20_000, 8: 50_000, 64: 100_000, 512: 100_000}
"""Rows by number of workers. A single worker waits for the disk at each row."""


OVER_LOOP = "CPU per started row, over that of a bare `ClientSession.post` loop"


def cpu(setting: Setting) -> list[Figure]:
    """Measure CPU per started row against the bare loop."""
    load = Load(setting.rows(200_000), WORKERS)
    with nginx(setting.folder / "nginx", ANSWER) as server:
        ours, bare = _cpu(setting.side_by_side(server, (batcher, load), (bare_loop, load)))
    return [_over_loop(OVER_LOOP, ours, bare, load, Goal(0.50, 0.42))]


def tls(setting: Setting) -> list[Figure]:
    """Measure the same over TLS: with aiofastnet's transports, and with those of uvloop."""
    load = Load(setting.rows(200_000), WORKERS)
    with nginx(setting.folder / "nginx", ANSWER, tls=True) as server:
        sides = ((batcher, load), (plain_batcher, load), (bare_loop, load))
        ours, plain, bare = _cpu(setting.side_by_side(server, *sides))
    return [
        _over_loop(f"{OVER_LOOP}, TLS", ours, bare, load, Goal(0.42, 0.36)),
        _over_loop(f"{OVER_LOOP}, TLS without aiofastnet", plain, bare, load, Goal(0.60, 0.50)),
    ]


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
    return [Figure("starts per second on one core, over hey's", ratio(*rates), "{:.2f}", detail)]


def sizes(setting: Setting) -> list[Figure]:
    """Measure memory and CPU for lists of several lengths."""
    lengths = sorted({setting.rows(rows) for rows in SIZES})
    with nginx(setting.folder / "nginx", ANSWER) as server:
        usages = {rows: batcher(setting.folder, server, Load(rows, WORKERS)) for rows in lengths}
    few, most = setting.rows(SMALL), setting.rows(ALL_ROWS)
    peak = usages[most].peak / MIB
    goal, growth_goal = (setting.at_full_size(ALL_ROWS, goal) for goal in (Goal(65, 60), Goal(10)))
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


def _over_loop(what: str, ours: Sequence[float], bare: Sequence[float], load: Load, goal: Goal) -> Figure:
    detail = f"{microseconds(ours, load.rows)} and {microseconds(bare, load.rows)}; {load.rows:,} rows, 64 connections"
    return Figure(what, ratio(ours, bare), "{:.2f}", detail, goal)


def _cpu(sides: Sequence[Sequence[Usage]]) -> list[list[float]]:
    return [[usage.cpu for usage in usages] for usages in sides]


def _cost(what: str, rows: int, usage: Usage) -> Figure:
    detail = f"{rows / usage.wall:,.0f} starts/s, peak memory {usage.peak / MIB:.1f} MiB"
    return Figure(f"CPU per row: {what}", usage.cpu / rows * 1e6, "{:.1f} us", detail)


def _two_cores() -> tuple[int, int]:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise UnavailableError("this machine has one core, but client and server need one each")
    return cores[0], cores[1]
