# ruff: noqa: T201 - this harness talks to a person
"""Limits: the real command against an emulator that limits its starts, each in a process of its own.

Each limit is kept for a while, falls to a quarter and rises again. Then come services that refuse for other reasons.
What the command makes of them is told by what the emulator has counted, a few times a second. `python tests/limits.py`
takes a quarter of an hour, `python tests/limits.py 5 50` measures these limits, and `--services flight` only services
whose names contain that.
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
from functools import partial
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


class Service(NamedTuple):
    """A service that refuses for another reason than a token bucket, and what could be had of it."""

    options: str
    """Those of the emulator."""
    best: float
    """Starts a second that could be had."""
    must: float
    """The part of it that must be used."""
    chance: float = 0.0
    concurrency: int = 64
    asked: tuple[tuple[float, str], ...] = ()
    """Rates that a person asks for, with their times."""
    span: tuple[float, float] = (25.0, 50.0)


def busy(chance):
    """Give the options of a service that answers in 20 ms and refuses a share at random."""
    return f"--fault slowdown={chance} --fault slow={1 - chance} --slow 0.02"


LATE = "--throttle-answer 429 --fault slow=1 --slow 0.1"
MIXED = "--rate 300 --burst 300 --fault slowdown=2% --fault 500=1% --fault reset-after=1% --fault slow=3%"

SERVICES = {
    "nothing is refused": Service(busy(0.0), 800, 0.85, concurrency=16),
    "2 % at random": Service(busy(0.02), 784, 0.80, 0.02, 16),
    "5 % at random": Service(busy(0.05), 760, 0.75, 0.05, 16),
    "Retry-After: 1 on 2 % at random": Service(f"{busy(0.02)} --retry-after 1", 784, 0.50, 0.02, 16),
    "300 a second, mixed": Service(MIXED, 290, 0.85, 0.02),
    "the same, 30 s after a rate of 50": Service(
        MIXED, 290, 0.85, 0.02, asked=((30.0, "50"), (42.0, "auto")), span=(72.0, 92.0)
    ),
    "60 in flight, 100 ms": Service(f"--in-flight 60 {LATE}", 600, 0.90, concurrency=256),
    "20 in flight, 100 ms": Service(f"--in-flight 20 {LATE}", 200, 0.93),
    "500 running for 2 s": Service("--running 500 --run-time 2s", 250, 0.97),
}  # fmt: skip
"""By name. Two cores are shared with the emulator, so that what could be had is smaller than in the simulation."""

SERVICE_HEADINGS = ("service", "best", "used", "must", "refused beyond chance", "requests/row", "limit shown")


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


Change = tuple[float, Callable[[], object]]
"""A time, in seconds from the first request on, and what is done then."""


def watch(url: str, changes: list[Change], end: float, process: subprocess.Popen[bytes]) -> list[Sample]:
    """Look at the emulator until the end, and make the changes in between."""
    samples: list[Sample] = []
    begun = None
    while process.poll() is None:
        sample = _look(url)
        if sample.requests and begun is None:
            begun = sample.at
        if begun is not None:
            now = sample.at - begun
            samples.append(sample._replace(at=now))
            if now >= end:
                break
            if changes and now >= changes[0][0]:
                changes.pop(0)[1]()
        time.sleep(LOOK_SECONDS)
    return samples


def _look(url: str) -> Sample:
    with urllib.request.urlopen(f"{url}/emulator/ledger") as answer:
        told = json.load(answer)
    refused = sum(told["answers"].get(busy, 0) for busy in ("503 SlowDown", "429 SYS.0011"))
    return Sample(time.monotonic(), told["requests"].get("start", 0), told["starts"], refused)


def _post(url: str, text: str) -> None:
    urllib.request.urlopen(url, text.encode()).close()


def played(  # noqa: PLR0917 - a service, a job and a person
    folder: Path, options: list[str], rows: int, words: list[str], changes: Callable[[str], list[Change]], end: float
) -> tuple[list[Sample], float | None]:
    """Run a job in a new folder against an emulator with these options. Give what was counted, and the limit shown."""
    folder.mkdir()
    (folder / "objects.txt").write_text("".join(f"in/{number:07}.mp4\n" for number in range(rows)))
    with emulator(folder, options) as (_, url):
        command = [*BATCHER, "run", "objects.txt", "-w", "transcode", "-e", url, "-b", "videos", *words]
        with (folder / "run.log").open("wb") as log:
            environment = ENVIRONMENT | {"XDG_STATE_HOME": str(folder.resolve() / "state")}
            process = subprocess.Popen(command, cwd=folder, env=environment, stderr=log)
        try:
            samples = watch(url, changes(url), end, process)
            shown = json.loads(_batcher(folder, "status", "--json"))["live"] or {}
        finally:
            process.terminate()
            process.wait(60)
    return samples, shown.get("limit")


def _batcher(folder: Path, verb: str, *words: str) -> bytes:
    """Run a command about the job in a folder, and give what it prints."""
    command = [*BATCHER, verb, "objects.txt.checkpoint", *words]
    return subprocess.run(command, cwd=folder, env=ENVIRONMENT, check=False, capture_output=True).stdout


def run(limit: float, burst: float, phases: Phases, folder: Path) -> Measured:
    """Measure one limit in a new folder. `burst` is what the service saves up, in seconds of its rate."""
    rows = int(limit * (sum(phases) + 10)) + 100
    options = ["--rate", str(limit), "--burst", str(max(1, round(limit * burst)))]

    def changes(url: str) -> list[Change]:
        low, back = phases.steady, phases.steady + phases.low
        return [
            (at, partial(_post, f"{url}/emulator/rate", str(rate))) for at, rate in ((low, limit / 4), (back, limit))
        ]

    samples, _ = played(folder, options, rows, [], changes, sum(phases))
    return measured(limit, phases, samples)


def serviced(name: str, folder: Path) -> str:
    """Measure one service in a new folder, and give its line of the table."""
    service = SERVICES[name]
    begin, end = service.span
    rows = int(service.best * (end + 10) * 1.2)
    words = ["--concurrency", str(service.concurrency)]

    def changes(_: str) -> list[Change]:
        return [(at, partial(_batcher, folder, "rate", rate)) for at, rate in service.asked]

    samples, limit = played(folder, service.options.split(), rows, words, changes, end)
    seen = Watched(samples).between(begin, end)
    return "  ".join(
        [
            name.ljust(36),
            f"{service.best:5g}",
            f"{seen.starts / seen.at / service.best:6.1%}",
            f"{service.must:4.0%}",
            f"{seen.refused / seen.requests - service.chance:6.1%}",
            f"{seen.requests / seen.starts:6.3f}",
            "none" if limit is None else f"{limit:.0f}",
        ]
    )


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
    parser.add_argument("--services", metavar="NAME", help="only services whose names contain NAME, and no limits")
    wanted = parser.parse_args()
    phases = Phases(wanted.steady, wanted.low, wanted.back)
    limits = [] if wanted.services is not None else sorted(wanted.limits or [5.0, 50.0, 500.0, 2000.0])
    services = [name for name in SERVICES if not wanted.limits and (wanted.services or "") in name]
    with tempfile.TemporaryDirectory(prefix="batcher-limits-") as folder, ThreadPoolExecutor() as side_by_side:
        print(f"load of the machine at the beginning: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
        print("  ".join(HEADINGS), flush=True)

        def one(limit: float) -> None:
            print(line(run(limit, wanted.burst, phases, Path(folder, f"{limit:g}"))), flush=True)

        for _, group in groupby(limits, lambda limit: limit if limit >= BUSY else 0):
            list(side_by_side.map(one, group))
        print("\n" + "  ".join(SERVICE_HEADINGS), flush=True)
        for number, name in enumerate(services):
            print(serviced(name, Path(folder, f"service {number}")), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
