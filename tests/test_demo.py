"""`make demo`: it ends by itself, is judged by the emulator's ledger, and leaves a report that it names."""

import subprocess
import sys
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[1] / "samples" / "demo.py"


@pytest.mark.long(small=0)
def test_the_demo_lists_runs_is_killed_goes_on_and_watches_until_each_object_was_started_once(tmp_path):
    command = [sys.executable, DEMO, tmp_path / "demo"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 0, ran
    *_, once, report = ran.stdout.splitlines()
    assert (once, report) == ("  200 of 200 started once.", f"The report: {tmp_path / 'demo/report.html'}")
    shown = [line.split()[2] for line in ran.stdout.splitlines() if line.startswith("$ batcher ")]
    assert shown == ["list", "run", "status", "run", "watch", "report"]
