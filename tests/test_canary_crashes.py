"""A run with a canary, or with a maximum of running executions, dies at any durable step. The emulator's ledger judges.

`make verify` tries every step.
"""

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
    options: dict
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
        return (
            self.crashes,
            self.options,
            self.codes,
            self.crashed_at,
            self.starts,
            (self.folder / "stderr").read_text(),
        )

    def assert_each_row_is_started_once(self):
        assert Counter(name for _, name in self.starts) == Counter(f"o{number}" for number in range(ROWS)), self.told
        assert self.codes[-1] == 0, self.told

    def assert_kept(self):
        """Check that each row was started once, and what the options of the run promise."""
        self.assert_each_row_is_started_once()
        if "canary" in self.options:
            self.assert_canary(self.options["canary"])
        if "max_running" in self.options:
            self.assert_most_running(self.options["max_running"])

    def assert_canary(self, number):
        """Check that no row but the canaries was started before all of these had ended.

        There is one canary more if no start was answered before the crash: without it no list settles the doubts.
        """
        times = [at for at, _ in self.starts]
        ended = [count for count in range(1, ROWS) if times[count] >= times[count - 1] + RUN_TIME - ROUNDED]
        assert {number, number + 1} & set(ended), self.told

    def assert_most_running(self, most):
        """Check that no more executions than `most` ran at a time."""
        times = [at for at, _ in self.starts]
        running = [sum(at - RUN_TIME + ROUNDED < each <= at for each in times) for at in times]
        assert max(running) <= most, self.told


def drive(folder, trials):
    """Run trials, each with the steps to crash at and the options of its run."""
    folder.mkdir()
    subprocess.run([sys.executable, DRIVER, folder], input=json.dumps(trials), text=True, check=True, timeout=1800)
    told = [json.loads((folder / str(number) / "trial.json").read_text()) for number in range(len(trials))]
    return [
        Trial(each["crashes"], options, each["codes"], folder / str(at))
        for at, (each, (_, options)) in enumerate(zip(told, trials, strict=True))
    ]


MODES = ({"canary": 3}, {"max_running": 3}, {"canary": 4, "max_running": 3})


@pytest.mark.long(small=1 / 1000, ci=1 / 40)
def test_a_closed_loop_that_dies_at_any_step_goes_on_with_the_same_canaries_and_never_exceeds_its_maximum(
    share, tmp_path
):
    (undisturbed,) = drive(tmp_path / "undisturbed", [([], MODES[-1])])
    undisturbed.assert_kept()
    steps = range(1, undisturbed.steps)
    crashes = [([step], mode | {"api": api}) for step in steps for mode in MODES for api in ("obs-v2", "dwr-v3")]
    crashes += [([first, second], mode) for first in steps[::4] for second in SECOND_STEPS for mode in MODES]
    trials = drive(tmp_path / "killed", share(crashes))
    for trial in trials:
        trial.assert_kept()
    if len(trials) == len(crashes):
        assert sum(trial.codes[0] == CRASHED for trial in trials) >= len(trials) * 0.7
        assert {name for trial in trials for name in trial.crashed_at} >= set(END_STEPS)
