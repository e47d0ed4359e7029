"""What follows a trial of the chaos: its executions are watched and redriven, with kills, and judged by the ledger."""

import json
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

LONGEST = 120
MOST_FINISHES = 5
FAILING = (
    "--run-time", "0.5", "--fail-share", "20%", "--timeout-share", "5%", "--quirk", "restore-any",
    "--restore-fault", "500-after=10%", "--restore-fault", "reset-after=10%", "--restore-fault", "reset-before=10%",
)  # fmt: skip
"""Executions that fail, and restores whose answers are lost. One that is restored twice is in the ledger twice."""


class Followed(NamedTuple):
    """The job of a trial that has ended, and how to run a verb about it."""

    batcher: Sequence[str]
    folder: Path
    checkpoint: Path
    settle_time: float
    environment: dict[str, str]

    def kill(self, verb: str, after: float) -> None:
        """Run a verb, and kill it after these seconds."""
        process = self._started(verb)
        try:
            process.wait(after)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def run(self, verb: str) -> int:
        """Run a verb to its end."""
        process = self._started(verb)
        try:
            return process.wait(LONGEST)
        finally:
            process.kill()
            process.wait()

    def _started(self, verb: str) -> subprocess.Popen[bytes]:
        command = [*self.batcher, verb, self.checkpoint.name, "--settle-time", str(self.settle_time)]
        command += ["--timeout", "1", "--interval", "1s", "--progress", "none"]
        with (self.folder / f"{verb}.log").open("ab") as log:
            return subprocess.Popen(command, cwd=self.folder, env=self.environment, stderr=log)


def follow(job: Followed, seed: int, ledger: Path) -> list[str]:
    """Watch and redrive with kills, then to the end. Return what is wrong."""
    random = Random(seed)
    for verb in ("watch", "redrive", "redrive", "redrive"):
        job.kill(verb, random.uniform(0.3, 2.0))
    for _ in range(MOST_FINISHES):
        code = job.run("redrive")
        if code == 0:
            break
    ends = job.checkpoint.with_name(job.checkpoint.name.removesuffix(".checkpoint") + ".ends.jsonl")
    lines = ledger.read_text().splitlines()
    return [*judged(lines, ends.read_text().splitlines()), *([f"redrive ended with exit code {code}"] if code else [])]


def judged(ledger: Sequence[str], ends: Sequence[str]) -> list[str]:
    """Return what is wrong with end records, by the lines of the ledger."""
    known = [json.loads(line) for line in ledger]
    starts = {each["execution_name"] for each in known if "state" not in each}
    restores = Counter(each["execution_name"] for each in known if "state" in each)
    records = [json.loads(line) for line in ends]
    seen = Counter((each["execution_name"], each["redrives"]) for each in records)
    last = {each["execution_name"]: each for each in records}
    wrong = [
        f"restored in state {each['state']}: {each}" for each in known if each.get("state") in {"RUNNING", "SUCCESS"}
    ]
    wrong += [f"restored twice: {name}" for name, count in restores.items() if count > 1]
    wrong += [f"two records of one end: {name}" for (name, _), count in seen.items() if count > 1]
    wrong += [f"no end record: {name}" for name in starts - last.keys()]
    wrong += [f"ended as {each['end']}: {name}" for name, each in last.items() if each["end"] != "succeeded"]
    return wrong + [
        f"{each['redrives']} redrives in the record, {restores[name]} in the ledger: {name}"
        for name, each in last.items()
        if each["redrives"] != restores[name]
    ]
