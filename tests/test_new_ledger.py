"""A new ledger that several processes make at the same time: each of them opens it."""

import subprocess
import sys

import pytest

RACE = """
import multiprocessing, sys
from pathlib import Path
from batcher.edges.row_ledger.file import open_file

def race(barrier, faults):
    for number in range(int(sys.argv[1])):
        barrier.wait()
        try:
            open_file(Path(f"{number}.ledger")).close()
        except Exception as fault:
            faults.put(repr(fault))
    faults.put(None)

processes = multiprocessing.get_context("fork")
barrier, faults = processes.Barrier(6), processes.Queue()
racers = [processes.Process(target=race, args=(barrier, faults)) for _ in range(6)]
for racer in racers:
    racer.start()
ended = 0
while ended < len(racers):
    fault = faults.get()
    if fault is None:
        ended += 1
    else:
        print(fault)
for racer in racers:
    racer.join()
"""


@pytest.mark.parametrize("ledgers", [20, pytest.param(400, marks=pytest.mark.long)])
def test_processes_that_make_a_ledger_at_the_same_time_all_open_it(tmp_path, ledgers):
    command = [sys.executable, "-c", RACE, str(ledgers)]
    raced = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=True)
    assert raced.stdout == ""
