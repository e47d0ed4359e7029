"""What more processes bring where the service is slow, and a Dask cluster: starts per second, CPU time, memory."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TypeAlias

from figures import Figure, Goal, in_turn, ratio
from peers import BATCHER, check_records, environment, limit, manifest
from running import Usage, run
from server import Served, late
from setting import Setting
from workload import WORKFLOW

WORKERS, LATENCY = 64, 0.1
"""The workers of each process, and the seconds that each answer takes."""
ROWS = 60_000
"""The launches and the slow start of the processes are then a small part of the time."""
SIDES = (
    ("--processes", "1"),
    ("--processes", "2"),
    ("--processes", "4"),
    ("--processes", "2", "--engine", "dask"),
)

Runs: TypeAlias = Sequence[tuple[Served, Usage]]
"""What the server saw and what all processes used, of each run."""


def processes(setting: Setting) -> list[Figure]:
    """Measure two processes against one, which waits for answers most of the time."""
    rows = setting.rows(ROWS)
    one, two, four, dask = in_turn(setting.rounds, *(partial(_once, setting, rows, each) for each in SIDES))
    rates = [[served.rate for served, _ in runs] for runs in (two, one)]
    cpu = [[usage.cpu for _, usage in runs] for runs in (two, one)]
    what = f"with {LATENCY * 1000:.0f} ms of service latency and {WORKERS} workers a process, two processes over one"
    micros = [1e6 * median(each) / rows for each in cpu]
    goals = [setting.at_full_size(ROWS, goal) for goal in (Goal(1.85, at_least=True), Goal(1.1))]
    shown = " and ".join(f"{median(each):,.0f}/s" for each in rates)
    how = f"{shown}, from the first start's arrival to the last answer, slow start included; {rows:,} rows"
    others = zip(("four processes", "two workers of a local Dask cluster"), (four, dask), strict=True)
    return [
        Figure(f"starts per second {what}", ratio(*rates), "{:.2f}", how, goals[0]),
        Figure(
            f"CPU per row {what}",
            ratio(*cpu),
            "{:.2f}",
            f"{micros[0]:.1f} us and {micros[1]:.1f} us, launches included",
            goals[1],
        ),
        *(_over_one(name, runs, one, rows) for name, runs in others),
    ]


def _over_one(name: str, runs: Runs, one: Runs, rows: int) -> Figure:
    """Compare with one process. There is no goal: four share two cores with the service, and Dask starts a cluster."""
    rates = [[served.rate for served, _ in each] for each in (runs, one)]
    micros, memory = (median(getattr(usage, field) for _, usage in runs) for field in ("cpu", "peak"))
    begun = median(usage.wall - rows / served.rate for served, usage in runs)
    how = (
        f"{median(rates[0]):,.0f}/s, {1e6 * micros / rows:.1f} us of CPU for each row, {memory / 2**20:.0f} MiB in the"
        f" largest process, {begun:.1f} s before the first start and after the last answer"
    )
    return Figure(f"starts per second, {name} over one process", ratio(*rates), "{:.2f}", how)


def _once(setting: Setting, rows: int, workers: Sequence[str]) -> tuple[Served, Usage]:
    """Run a list in processes of one command. Return what the server saw, and what all of them used."""
    source = manifest(setting.folder, rows)
    with TemporaryDirectory(dir=setting.folder) as name, late(setting.folder, LATENCY) as server:
        files = Path(name)
        command = [
            BATCHER, "run", str(source), "-w", WORKFLOW, "-e", server.url, "--concurrency", str(WORKERS),
            "--run-dir", str(files / "run"), *workers, "--progress", "line",
        ]  # fmt: skip
        usage = run(command, files / "log", environment=environment(server), timeout=limit(rows))
        seen = server.log()
        records = files / "records.jsonl"
        parts = sorted(files.glob("run/*.executions.jsonl"))
        records.write_bytes(b"".join(part.read_bytes() for part in parts))
        check_records(records, rows)
    return seen, usage
