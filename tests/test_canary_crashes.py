"""A run with a canary dies at any durable step. The emulator's ledger judges. `make verify` tries every step."""

import json
import subprocess
import sys
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from canary_driver import END_STEPS, ROWS, RUN_TIME
from crash_driver import CRASHED

DRIVER = Path(__file__).with_name("canary_driver.py")
ROUNDED = 0.002
"""The ledger has whole milliseconds."""
SECOND_STEPS = range(1, 30, 5)


class Trial(NamedTuple):
    """What one trial has left: the exit codes of its runs, and its files."""

    crashes: list
    codes: list
    folder: Path

    @property
    def steps(self):
        return int((self.folder / "steps").read_text())

    @property
    def crashed_at(self):
        path = self.folder / "crashes"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def starts(self):
        """What truly started: the seconds of each start and its object, in order."""
        lines = (self.folder / "ledger").read_text().splitlines()
        starts = [json.loads(line) for line in lines]
        return sorted((datetime.fromisoformat(each["started_at"]).timestamp(), each["object"]) for each in starts)

    @property
    def told(self):
        return self.crashes, self.codes, self.crashed_at, self.starts, (self.folder / "stderr").read_text()

    def assert_each_row_is_started_once(self):
        assert Counter(name for _, name in self.starts) == Counter(f"o{number}" for number in range(ROWS)), self.told
        assert self.codes[-1] == 0, self.told

    def assert_canary(self, number):
        """Check that no row but the canaries was started before all of these had ended.

        There is one canary more if no start was answered before the crash: without it no list settles the doubts.
        """
        self.assert_each_row_is_started_once()
        times = [at for at, _ in self.starts]
        ended = [count for count in range(1, ROWS) if times[count] >= times[count - 1] + RUN_TIME - ROUNDED]
        assert {number, number + 1} & set(ended), self.told


def drive(folder, crashes, **options):
    """Run trials with these crashes. Options that a trial has of its own are given with its crashes."""
    folder.mkdir()
    trials = [each if isinstance(each, tuple) else (each, {}) for each in crashes]
    written = json.dumps([(steps, options | own) for steps, own in trials])
    subprocess.run([sys.executable, DRIVER, folder], input=written, text=True, check=True, timeout=900)
    told = [json.loads((folder / str(number) / "trial.json").read_text()) for number in range(len(crashes))]
    return [Trial(each["crashes"], each["codes"], folder / str(at)) for at, each in enumerate(told)]


def crashes_of(undisturbed):
    """Give a crash at each step in both APIs, and some pairs."""
    steps = range(1, undisturbed.steps)
    once = [([step], {"api": api}) for step in steps for api in ("obs-v2", "dwr-v3")]
    return once + [([first, second], {"api": "obs-v2"}) for first in steps[::4] for second in SECOND_STEPS]


@pytest.mark.long(small=1 / 400, ci=1 / 10)
def test_a_canary_that_dies_at_any_step_goes_on_as_one_with_the_same_rows(share, tmp_path):
    (undisturbed,) = drive(tmp_path / "undisturbed", [[]], canary=3)
    undisturbed.assert_canary(3)
    crashes = crashes_of(undisturbed)
    trials = drive(tmp_path / "canary", share(crashes), canary=3)
    for trial in trials:
        trial.assert_canary(3)
    if len(trials) == len(crashes):
        assert sum(trial.codes[0] == CRASHED for trial in trials) >= len(trials) * 0.75
        assert {name for trial in trials for name in trial.crashed_at} >= set(END_STEPS)
