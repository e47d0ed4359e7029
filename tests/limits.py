# ruff: noqa: T201 - this harness talks to a person
"""Limits: the real command against an emulator that limits its starts, each in a process of its own.

Each limit is kept for a while, falls to a quarter and rises again. What the command makes of it is told by what the
emulator has counted, a few times a second. `python tests/limits.py 5 50 500 2000` takes some minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from bisect import bisect_left
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from chaos import BATCHER, ENVIRONMENT, emulator

LOOK_SECONDS = 0.1
SETTLED = 20.0
"""Seconds that a job has to find a limit."""
WINDOW = 4.0
"""Seconds that make a rate: at 5 starts a second fewer would be too few to count."""
BUSY = 200
"""From this limit on a run has the machine for itself."""

HEADINGS = (
    "limit", "95 % after s", "share from 20 s on", "refused from then", "requests/row", "fallen after s",
    "risen after s",
)  # fmt: skip


class Phases(NamedTuple):
    """How long the limit stays, stays at a quarter, and is back, in seconds."""

    steady: float
    low: float
    back: float


class Sample(NamedTuple):
    """What the emulator had counted at a time, in seconds from the first request on."""

    at: float
    requests: int
    starts: int
    refused: int


class Measured(NamedTuple):
    """What one limit has shown. Seconds are None where a goal was not reached."""

    limit: float
    reached: float | None
    """Seconds until 95 % of the limit were used."""
    share: float
    """Of the limit, used from `SETTLED` seconds on."""
    refused: float
    """Of the requests, refused from then on."""
    per_row: float
    """Requests for each start, up to the fall."""
    fallen: float | None
    """Seconds from the fall until no more was sent than the new limit."""
    risen: float | None
    """Seconds from the rise until 90 % of it were used."""


class Watched:
    """The emulator's counts as they grew."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._samples = samples
        self._times = [sample.at for sample in samples]

    def at(self, time: float) -> Sample:
        """Give the first sample at or after a time."""
        return self._samples[min(bisect_left(self._times, time), len(self._samples) - 1)]

    def between(self, begin: float, end: float) -> Sample:
        """Give what was counted between two times, and how long that took."""
        first, last = self.at(begin), self.at(end)
        return Sample(*(after - before for before, after in zip(first, last, strict=True)))

    def first(self, begin: float, end: float, is_reached: Callable[[Sample], bool]) -> float | None:
        """Give the seconds from `begin` to the first window up to `end` of which this is true."""
        for sample in self._samples:
            if begin <= sample.at <= end - WINDOW and is_reached(self.between(sample.at, sample.at + WINDOW)):
                return sample.at - begin
        return None


def measured(limit: float, phases: Phases, samples: Sequence[Sample]) -> Measured:
    """Judge one run."""
    watched = Watched(samples)
    fall, rise = phases.steady, phases.steady + phases.low
    whole, steady = watched.between(0.0, fall), watched.between(SETTLED, fall)
    return Measured(
        limit,
        watched.first(0.0, fall, lambda seen: seen.starts >= 0.95 * limit * seen.at),
        steady.starts / steady.at / limit,
        steady.refused / steady.requests,
        whole.requests / whole.starts,
        # One more than the limit is no more than where a window begins.
        watched.first(fall, rise, lambda seen: seen.requests <= limit / 4 * seen.at + 1),
        watched.first(rise, rise + phases.back, lambda seen: seen.starts >= 0.9 * limit * seen.at),
    )


def watch(url: str, limit: float, phases: Phases, process: subprocess.Popen[bytes]) -> list[Sample]:
    """Look at the emulator until the last phase ends, and change its rate in between."""
    changes = [(phases.steady, limit / 4), (phases.steady + phases.low, limit)]
    samples: list[Sample] = []
    begun = None
    while process.poll() is None:
        sample = _look(url)
        if sample.requests and begun is None:
            begun = sample.at
        if begun is not None:
            now = sample.at - begun
            samples.append(sample._replace(at=now))
            if now >= sum(phases):
                break
            if changes and now >= changes[0][0]:
                _post(f"{url}/emulator/rate", str(changes.pop(0)[1]))
        time.sleep(LOOK_SECONDS)
    return samples


def _look(url: str) -> Sample:
    with urllib.request.urlopen(f"{url}/emulator/ledger") as answer:
        told = json.load(answer)
    return Sample(
        time.monotonic(), told["requests"].get("start", 0), told["starts"], told["answers"].get("503 SlowDown", 0)
    )


def _post(url: str, text: str) -> None:
    urllib.request.urlopen(url, text.encode()).close()


def run(limit: float, burst: float, phases: Phases, folder: Path) -> Measured:
    """Measure one limit in a new folder. `burst` is what the service saves up, in seconds of its rate."""
    folder.mkdir()
    rows = int(limit * (sum(phases) + 10)) + 100
    (folder / "objects.txt").write_text("".join(f"in/{number:07}.mp4\n" for number in range(rows)))
    with emulator(folder, ["--rate", str(limit), "--burst", str(max(1, round(limit * burst)))]) as (_, url):
        command = [*BATCHER, "run", "objects.txt", "-w", "transcode", "-e", url, "-b", "videos"]
        with (folder / "run.log").open("wb") as log:
            environment = ENVIRONMENT | {"XDG_STATE_HOME": str(folder.resolve() / "state")}
            process = subprocess.Popen(command, cwd=folder, env=environment, stderr=log)
        try:
            samples = watch(url, limit, phases, process)
        finally:
            process.terminate()
            process.wait(60)
    return measured(limit, phases, samples)


def line(seen: Measured) -> str:
    """Write one line of the table."""
    reached, fallen, risen = (
        "never" if each is None else f"{each:.1f}" for each in (seen.reached, seen.fallen, seen.risen)
    )
    cells = (
        f"{seen.limit:g}",
        reached,
        f"{seen.share:.1%}",
        f"{seen.refused:.1%}",
        f"{seen.per_row:.3f}",
        fallen,
        risen,
    )
    return "  ".join(cell.rjust(len(heading)) for cell, heading in zip(cells, HEADINGS, strict=True))


def main() -> int:
    """Measure the limits that the command line asks for, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("limits", type=float, nargs="*", help="starts a second (5 50 500 2000)")
    parser.add_argument("--burst", type=float, default=0.1, help="seconds of its rate that the service saves up (0.1)")
    parser.add_argument("--steady", type=float, default=60.0, help="seconds at the limit (60)")
    parser.add_argument("--low", type=float, default=25.0, help="seconds at a quarter of it (25)")
    parser.add_argument("--back", type=float, default=25.0, help="seconds at the limit again (25)")
    wanted = parser.parse_args()
    phases = Phases(wanted.steady, wanted.low, wanted.back)
    limits = sorted(wanted.limits or [5.0, 50.0, 500.0, 2000.0])
    with tempfile.TemporaryDirectory(prefix="batcher-limits-") as name, ThreadPoolExecutor() as side_by_side:
        print(f"load of the machine at the beginning: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
        print("  ".join(HEADINGS), flush=True)

        def one(limit: float) -> None:
            print(line(run(limit, wanted.burst, phases, Path(name, f"{limit:g}"))), flush=True)

        for _, group in groupby(limits, lambda limit: limit if limit >= BUSY else 0):
            list(side_by_side.map(one, group))
    return 0


if __name__ == "__main__":
    sys.exit(main())
