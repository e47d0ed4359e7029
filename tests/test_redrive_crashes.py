"""A redrive dies at a durable step, and again at one of the next redrive. `make verify` tries every step."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from crash_driver import CRASHED
from redrive_driver import STORE_STEPS

from batcher.errors import ExitCode

DRIVER = Path(__file__).with_name("redrive_driver.py")
ROWS = list("abcdef")
STEPS = {
    *STORE_STEPS,
    "before send",
    "sent",
    "received",
    "before write",
    "half of the write",
    "after write",
    "after sync",
}


def drive(folder, crashes, api="obs-v2"):
    """Play trials with these crashes, and give the folder of each."""
    folder.mkdir()
    trials = json.dumps([(each, api) for each in crashes])
    subprocess.run([sys.executable, DRIVER, folder], input=trials, text=True, check=True, timeout=300)
    return [folder / str(number) for number in range(len(crashes))]


def assert_truth(folder):
    """Check by the ledger that each execution was restored once and found failed, and that the records say so."""
    trial = json.loads((folder / "trial.json").read_text())
    told = (trial, crashed_at(folder), (folder / "stderr").read_text())
    ledger = list(map(json.loads, (folder / "ledger").read_text().splitlines()))
    names = [each["execution_name"] for each in ledger if "object" in each]
    restores = [each for each in ledger if "object" not in each]
    assert len(names) == len(ROWS), told
    assert Counter(each["execution_name"] for each in restores) == Counter(names), told
    assert {each["state"] for each in restores} == {"FAILED"}, told
    records = list(map(json.loads, (folder / "checkpoint.ends.jsonl").read_text().splitlines()))
    ends = Counter((each["execution_name"], each["end"], each["redrives"]) for each in records)
    assert ends == Counter((name, *end) for name in names for end in (("failed", 0), ("succeeded", 1))), told
    assert trial["codes"][-2:] == [ExitCode.OK] * 2, told
    return trial


def crashed_at(folder):
    path = folder / "crashes"
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.long(small=1 / 60, ci=1 / 8)
@pytest.mark.parametrize("api", ["obs-v2", "dwr-v3"])
def test_a_redrive_that_dies_at_any_step_restores_each_execution_once_when_it_is_run_again(tmp_path, share, api):
    crashes = share([[step] for step in range(1, 61)])
    trials = [(assert_truth(folder), folder) for folder in drive(tmp_path / "once", crashes, api)]
    died = [folder for trial, folder in trials if trial["codes"][0] == CRASHED]
    assert len(died) >= len(crashes) / 2
    if len(crashes) == 60:
        assert {name for folder in died for name in crashed_at(folder)} >= STEPS


@pytest.mark.long(small=1 / 100, ci=1 / 20)
def test_a_redrive_that_dies_twice_restores_each_execution_once_all_the_same(tmp_path, share):
    crashes = share([[first, second] for first in range(1, 60, 2) for second in range(1, 50, 9)])
    for folder in drive(tmp_path / "twice", crashes):
        assert_truth(folder)
