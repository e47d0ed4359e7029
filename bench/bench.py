"""The benchmarks: each is a small function that returns figures. MEASUREMENTS lists them all.

`python bench/bench.py [NAME ...] [--rows MOST] [--rounds N]`. Without names it runs all and writes the results to
RESULTS.md and docs/speed.md. With names, or with `--quick`, it only prints them. For Linux.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import costs
import report
import scaling
import waits
from figures import Figure
from interpreter import built, how_built
from machine import describe
from running import BenchError, UnavailableError, install_tools
from setting import ALL_ROWS, Setting

RESULTS = Path(__file__).with_name("RESULTS.md")
PAGE = Path(__file__).parents[1] / "docs" / "speed.md"
ROUNDS = 3
QUICK_ROWS = 4096
"""With `--quick`: enough to see that everything can be measured, too few for a judgement."""

MEASUREMENTS: Mapping[str, Callable[[Setting], list[Figure]]] = {
    "cpu": costs.cpu,
    "tls": costs.tls,
    "sdk": costs.sdk,
    "v3": costs.v3,
    "hey": costs.one_core,
    "goodput": waits.goodput,
    "few": waits.few,
    "check": waits.check,
    "sizes": costs.sizes,
    "first": waits.first_start,
    "resume": waits.resume,
    "resume10": waits.long_resume,
    "help": waits.help_,
    "workers": costs.pools,
    "processes": scaling.processes,
}


def measure(names: Sequence[str], most: int, rounds: int, *, is_quick: bool) -> tuple[list[Figure], dict[str, str]]:
    """Run measurements in a temporary folder and print each result. Return the figures and the machine.

    If it is to be quick, nothing is judged, and what this machine cannot measure is left out.
    """
    figures: list[Figure] = []
    with TemporaryDirectory(prefix="batcher-bench-") as name:
        setting = Setting(Path(name), most, rounds)
        machine = {} if is_quick else describe(setting.folder)
        for measurement in names:
            begun = time.monotonic()
            try:
                found = MEASUREMENTS[measurement](setting)
            except UnavailableError as error:
                if not is_quick:
                    raise
                print(f"\n{measurement}: left out, {error}", flush=True)
                continue
            shown = [figure._replace(goal=None) for figure in found] if is_quick else found
            print(f"\n{measurement}, {time.monotonic() - begun:.0f} s\n\n{report.table(shown)}", flush=True)
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
    parser.add_argument("--quick", action="store_true", help="a round of few rows that judges nothing; some 2 minutes")
    asked = parser.parse_args()
    if asked.quick:
        asked.rows, asked.rounds = min(asked.rows, QUICK_ROWS), 1
    unknown = set(asked.names) - set(MEASUREMENTS)
    if unknown:
        parser.error(f"no such measurement: {', '.join(sorted(unknown))}")
    if asked.rows < waits.CROWD or asked.rounds < 1:
        parser.error(f"--rows must be at least {waits.CROWD}, one per connection, and --rounds at least 1")
    begun = time.monotonic()
    # Turn the signal into an exception, so that servers and clients are stopped and files removed.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        if not asked.quick:
            install_tools()
        print(f"Python {sys.version.split()[0]}, {how_built(built())}", flush=True)
        names = asked.names or list(MEASUREMENTS)
        figures, machine = measure(names, asked.rows, asked.rounds, is_quick=asked.quick)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    if not asked.names and not asked.quick:
        note = (
            f"Rounds, in which the sides take turns: {asked.rounds}. Maximum rows: {asked.rows:,}. Duration:"
            f" {(time.monotonic() - begun) / 60:.0f} minutes. CPU is that of whole processes, with launch and exit."
            " Figures in the second table have no goals, or too few rows or too slow a server to be judged by them."
        )
        write(figures, machine, note)
    return 0


if __name__ == "__main__":
    sys.exit(main())
