"""A job dies at a durable step of its run, and again at one of its resume. `make verify` tries every step."""

import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest
from chaos_plan import QUIRKS
from crash_driver import CRASHED, LEDGER_STEPS, MANIFEST, MANY, ONE, PLAIN, SHARD_STEPS, SHARING, STEPS

from batcher.errors import ExitCode

DRIVER = Path(__file__).with_name("crash_driver.py")
ENDS = [
    "started", "started", "started", "duplicate", "started", "started", "invalid", "started", "rejected",
]  # fmt: skip
SECOND_STEPS = range(1, 20, 3)


class Trial(NamedTuple):
    """What one trial has left: the crashes it was to have, the exit codes of its runs, and its files."""

    crashes: list
    quirks: list
    """What its emulator showed other than the truth."""
    codes: list
    folder: Path

    @property
    def steps(self):
        """The number of steps of the last run."""
        return int((self.folder / "steps").read_text())

    @property
    def crashed_at(self):
        path = self.folder / "crashes"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def started(self):
        """The names of what truly started, by object."""
        names = {}
        for line in (self.folder / "ledger").read_text().splitlines():
            start = json.loads(line)
            names.setdefault(start["object"], []).append(start["execution_name"])
        return names

    def assert_nothing_false(self):
        """Check that no row was started twice, and that each was started once or is named as in doubt."""
        told = (self.crashes, self.crashed_at, self.quirks, (self.folder / "stderr").read_text())
        started = self.started
        assert all(len(names) == 1 for names in started.values()), told
        last = {record["row"]: record for record in map(json.loads, self._output.splitlines())}
        ends = [last[row]["status"] for row in sorted(last)]
        assert all(end in {true, "in_doubt"} for end, true in zip(ends, ENDS, strict=True)), told
        assert all(each["object"] in started for each in last.values() if each["status"] == "started"), told
        assert self.codes[-1] == (ExitCode.ROWS_IN_DOUBT if "in_doubt" in ends else ExitCode.ROWS_REJECTED), told

    def assert_shared(self):
        """Check that of two jobs with the same rows one has started each, and that the other names its execution.

        A job that died before an answer, and whose other rows the other job has started meanwhile, has no control: its
        doubts stay, and are named in both.
        """
        told = (self.crashes, self.crashed_at, self.codes, (self.folder / "stderr").read_text())
        started = self.started
        assert all(len(names) == 1 for names in started.values()), told
        both = [(self.folder / f"{job}.jsonl").read_text().splitlines() for job in SHARING]
        last = [{record["row"]: record for record in map(json.loads, lines)} for lines in both]
        has_control = all(any(each["status"] == "started" for each in records.values()) for records in last)
        for row, end in enumerate(ENDS, 1):
            ours, theirs = (records[row] for records in last)
            ends = {ours["status"], theirs["status"]}
            if end == "started" and ends == {"in_doubt"}:
                assert not has_control, told
            elif end == "started":
                assert ends == {"started", "duplicate"}, told
                assert [ours["execution_name"], theirs["execution_name"]] == started[ours["object"]] * 2, told
            else:
                assert ends == {end}, told
        is_held = any(records[row]["status"] == "in_doubt" for records in last for row in records)
        assert self.codes[-2:] == [ExitCode.ROWS_IN_DOUBT if is_held else ExitCode.ROWS_REJECTED] * 2, told

    @property
    def _output(self):
        names = ["records.jsonl", *(f"run/{name}" for name in self._names("executions.jsonl"))]
        texts = [path.read_text() for path in map(self.folder.joinpath, names) if path.exists()]
        # Only the last run cuts off what a crash has torn, from the output that it writes itself.
        return "".join(text[: text.rfind("\n") + 1] for text in texts[:-1]) + texts[-1]

    def _names(self, suffix):
        return sorted(
            (path.name for path in self.folder.glob(f"run/shard-*.{suffix}")), key=lambda name: (len(name), name)
        )

    def assert_truth(self):
        """Check that every row that can be started was started once, and that the records and the exit code say so."""
        told = (self.crashes, self.crashed_at, (self.folder / "stderr").read_text())
        started = self.started
        assert Counter({key: len(names) for key, names in started.items()}) == Counter("abcdef"), told
        output = self._output
        assert output.endswith("\n"), told
        last = {record["row"]: record for record in map(json.loads, output.splitlines())}
        assert [last[row]["status"] for row in sorted(last)] == ENDS, told
        for record in last.values():
            assert record["execution_name"] == (started[record["object"]][0] if record["status"] == "started" else None)
        assert self.codes[-1] == ExitCode.ROWS_REJECTED, told


def drive(folder, crashes, quirks=list, api="obs-v2", *, machines=PLAIN, is_shared=False):
    """Run trials with these crashes. `quirks` draws those of a trial's emulator. Two jobs share a ledger, or none."""
    folder.mkdir()
    trials = json.dumps([(each, quirks(), api, machines, is_shared) for each in crashes])
    subprocess.run([sys.executable, DRIVER, folder], input=trials, text=True, check=True, timeout=300)
    told = [json.loads((folder / str(number) / "trial.json").read_text()) for number in range(len(crashes))]
    return [Trial(each["crashes"], each["quirks"], each["codes"], folder / str(at)) for at, each in enumerate(told)]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    (trial,) = drive(tmp_path_factory.mktemp("crash-points") / "undisturbed", [[]])
    return trial


def test_a_run_has_its_crash_points_and_without_a_crash_it_tells_the_truth(undisturbed):
    assert len(ENDS) == MANIFEST.count("\n") - 1
    assert undisturbed.steps >= 40
    assert undisturbed.crashed_at == []
    undisturbed.assert_truth()


@pytest.mark.long(small=1 / 14, ci=1 / 4)
def test_a_job_that_dies_at_any_step_starts_every_row_once_when_it_is_run_again(undisturbed, share, tmp_path):
    crashes = share([[step] for step in range(1, undisturbed.steps + 1)])
    trials = drive(tmp_path / "once", crashes)
    for trial in trials:
        trial.assert_truth()
    # Commits go in groups of what waits, so not every run has as many steps: the last trials may find none left.
    died = [trial for trial in trials if trial.codes[0] == CRASHED]
    assert len(died) >= len(crashes) * 0.75
    if len(crashes) == undisturbed.steps:
        assert {name for trial in died for name in trial.crashed_at} == set(STEPS)


@pytest.mark.long(small=1 / 30, ci=1 / 8)
def test_a_job_over_dwr_v3_that_dies_at_any_step_starts_every_row_once_when_it_is_run_again(
    undisturbed, share, tmp_path
):
    crashes = share([[step] for step in range(1, undisturbed.steps + 1)])
    trials = drive(tmp_path / "v3", crashes, api="dwr-v3")
    for trial in trials:
        trial.assert_truth()
    assert sum(trial.codes[0] == CRASHED for trial in trials) >= len(crashes) * 0.75


@pytest.mark.long(small=1 / 160, ci=1 / 20)
def test_a_job_that_dies_again_while_it_resumes_starts_every_row_once_all_the_same(undisturbed, share, tmp_path):
    crashes = [[first, second] for first in range(1, undisturbed.steps) for second in SECOND_STEPS]
    trials = drive(tmp_path / "twice", share(crashes))
    for trial in trials:
        trial.assert_truth()
    assert sum(trial.codes[:2] == [CRASHED, CRASHED] for trial in trials) >= len(trials) / 2


@pytest.mark.long(small=1 / 200, ci=1 / 40)
def test_whatever_the_service_shows_a_job_that_dies_twice_starts_no_row_twice_and_loses_none(
    undisturbed, share, tmp_path
):
    dice = random.Random(16)
    crashes = [[first, second] for first in range(1, undisturbed.steps) for second in SECOND_STEPS]
    trials = drive(tmp_path / "lied", share(crashes), lambda: dice.sample(QUIRKS, dice.randint(1, 2)))
    for trial in trials:
        trial.assert_nothing_false()
    assert sum(trial.codes[0] == CRASHED for trial in trials) >= len(trials) / 2


@pytest.mark.parametrize("machines", [ONE, MANY])
@pytest.mark.long(small=1 / 60, ci=1 / 8)
def test_a_shard_that_dies_at_any_step_starts_every_row_once_when_it_is_run_again_also_on_another_machine(
    undisturbed, share, tmp_path, machines
):
    steps = undisturbed.steps + len(SHARD_STEPS)
    crashes = [[step] for step in range(1, steps)] + [[first, 3] for first in range(1, steps, 4)]
    trials = drive(tmp_path / "shard", share(crashes), machines=machines)
    for trial in trials:
        trial.assert_truth()
    assert sum(trial.codes[0] == CRASHED for trial in trials) >= len(trials) * 0.75


@pytest.mark.long(small=1 / 300, ci=1 / 40)
def test_two_jobs_that_share_a_ledger_and_die_at_any_step_start_every_row_once(undisturbed, share, tmp_path):
    # A run with a ledger has about 30 steps more: the commits of its claims and of what became of them.
    steps = range(1, undisturbed.steps + 30)
    crashes = share([[first, *second] for first in steps for second in ([], *([step] for step in SECOND_STEPS))])
    trials = drive(tmp_path / "shared", crashes, is_shared=True)
    for trial in trials:
        trial.assert_shared()
    assert sum(trial.codes[0] == CRASHED for trial in trials) >= len(trials) / 2
    if len(trials) > undisturbed.steps:
        assert {name for trial in trials for name in trial.crashed_at} >= set(LEDGER_STEPS)
