# ruff: noqa: T201 - this harness talks to a person
"""Every kind of service that refuses, as one table: what could be had of it, and how much of that a job must use.

`python tests/simulated_cells.py --seeds 200 NAME` measures the cells whose names contain NAME, on virtual time.
"""

import argparse
from collections.abc import Callable
from functools import partial
from math import inf
from typing import NamedTuple

from simulated_limits import Bucket, Flying, Run, Running, Unlimited, Windows, by_chance

from batcher.model import Verdict


class Cell(NamedTuple):
    """One service. Parts are of `best`, within the `span` of seconds; `chance` is the share refused at any rate."""

    best: float
    """Starts per second that could be had."""
    must: float
    """The part that every run must use."""
    aim: float
    """The part that a run should use."""
    play: Callable[[int], Run]
    """Plays a run with a seed."""
    chance: float = 0.0
    span: tuple[float, float] = (25.0, 50.0)
    most_refused: float = 0.02
    """The share of the requests that may be refused, beyond chance."""


def mixed(_, draw):
    """Refuse two in a hundred, and lose the answers of two more."""
    return Verdict.REFUSED if draw < 0.02 else Verdict.IN_DOUBT if draw < 0.04 else None


def random(share, service=Unlimited, **options):
    """Give a run of a service that also refuses a share at random."""
    return lambda seed: Run(service(), 0.02, seed, 50.0, fate=by_chance(share), **options)


MIXED = {"fate": mixed, "late": 0.03, "caps": [(50.0, 50.0), (62.0, inf)]}
"""A person holds the job to 50 a second for twelve seconds."""

CELLS = {
    "1 % at random": Cell(3136, 0.93, 0.97, random(0.01), 0.01),
    "2 % at random": Cell(3073, 0.88, 0.95, random(0.02), 0.02),
    "5 % at random": Cell(2979, 0.83, 0.93, random(0.05), 0.05),
    "10 % at random": Cell(2822, 0.65, 0.85, random(0.1), 0.1),
    "500 a second, 2 % at random": Cell(490, 0.90, 0.95, random(0.02, partial(Bucket, 500, 1.0)), 0.02),
    "500 a second, 2 % at random, a small burst": Cell(490, 0.90, 0.95, random(0.02, partial(Bucket, 500, 0.1)), 0.02),
    "500 a second, 5 % at random": Cell(475, 0.85, 0.95, random(0.05, partial(Bucket, 500, 1.0)), 0.05),
    "500 a second, 5 % at random, a small burst": Cell(475, 0.85, 0.95, random(0.05, partial(Bucket, 500, 0.1)), 0.05),
    "mixed at 300, before a cap": Cell(
        290, 0.85, 0.95, lambda seed: Run(Bucket(300, 1.0), 0.02, seed, 50.0, fate=mixed, late=0.03), 0.02),
    "mixed at 300, 30 s after a cap": Cell(
        290, 0.85, 0.95, lambda seed: Run(Bucket(300, 1.0), 0.02, seed, 112.0, **MIXED), 0.02, (92.0, 112.0)),
    "mixed at 300, 10 s after a cap": Cell(
        290, 0.85, 0.95, lambda seed: Run(Bucket(300, 1.0), 0.02, seed, 92.0, **MIXED), 0.02, (72.0, 92.0)),
    "300 in flight": Cell(3000, 0.90, 0.95, lambda seed: Run(Flying(300), 0.1, seed, 50.0, workers=512)),
    "300 in flight, refused at once": Cell(
        3000, 0.90, 0.95, lambda seed: Run(Flying(300), 0.1, seed, 50.0, workers=512, refusal_latency=0.002)),
    "20 in flight": Cell(200, 0.93, 0.97, lambda seed: Run(Flying(20), 0.1, seed, 50.0)),
    "500 running for 2 s": Cell(250, 0.97, 0.99, lambda seed: Run(Running(500, 2.0), 0.02, seed, 50.0)),
    "200 running for 20 s": Cell(
        10, 0.90, 0.97, lambda seed: Run(Running(200, 20.0), 0.02, seed, 100.0), span=(20.0, 100.0)),
    "100 by the clock's second": Cell(100, 0.97, 0.99, lambda seed: Run(Windows(100), 0.02, seed, 50.0)),
    "1,000 by the clock's second": Cell(1000, 0.97, 0.99, lambda seed: Run(Windows(1000), 0.02, seed, 50.0)),
    "Retry-After: 1 on 2 % at random": Cell(3073, 0.50, 0.85, random(0.02, retry_after=1.0), 0.02),
    "one token, 5 a second again after 1.25": Cell(
        5, 0.90, 0.95, lambda seed: Run(Bucket(5, 0.1), 0.02, seed, 105.0, changes=[(40.0, 1.25), (65.0, 5)]),
        span=(85.0, 105.0), most_refused=0.04,
    ),
}  # fmt: skip


TODAY = {
    "500 a second, 2 % at random, a small burst": 0.85,
    "500 a second, 5 % at random, a small burst": 0.35,
}
"""The part that the worst run of a cell uses today, where that is not what it must use. An entry that is no longer
needed is removed."""

HALVED = 0.01
"""The share of runs with up to 10 % of random refusals whose rate is halved for more than ten seconds. It must be 0."""


class Measured(NamedTuple):
    """What one run has shown."""

    part: float
    """The part of the best that was used."""
    refused: float
    """The share of the requests that was refused beyond chance."""
    per_row: float
    """The requests for each started row, beyond what chance costs."""
    limit: float | None
    """The limit that was reported at the end."""


def measured(cell, seed):
    """Play one run of a cell."""
    run = cell.play(seed)
    begin, end = cell.span
    started, sent = run.per_second(run.started, begin, end), run.per_second(run.sent, begin, end)
    spent = sent / started - 1 / (1 - cell.chance) if started else inf
    return Measured(started / cell.best, run.refused_share(begin, end) - cell.chance, spent, run.found.limit)


def main():
    """Measure the cells that the command line asks for, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", default="", help="part of the names of the cells")
    parser.add_argument("--seeds", type=int, default=200, help="runs of each cell (200)")
    wanted = parser.parse_args()
    print(f"{'':44} must   aim   worst   usual  below must  refused  requests/row")
    for name, cell in CELLS.items():
        if wanted.name in name:
            runs = sorted((measured(cell, seed) for seed in range(wanted.seeds)), key=lambda run: run.part)
            parts = [run.part for run in runs]
            used = f"{parts[0]:7.1%} {parts[len(parts) // 2]:7.1%} {sum(part < cell.must for part in parts):11}"
            cost = f"{max(run.refused for run in runs):8.1%} {max(run.per_row for run in runs):+13.3f}"
            print(f"{name:44} {cell.must:4.0%}  {cell.aim:4.0%} {used} {cost}", flush=True)


if __name__ == "__main__":
    main()
