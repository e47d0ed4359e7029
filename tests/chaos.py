# ruff: noqa: T201 - this harness talks to a person
"""Chaos: the real command is killed (SIGKILL) at random instants, again and again, and then left to finish.

Each trial has a small random job, an emulator of its own with faults, and an end: every row started once, none twice,
none lost, by the emulator's ledger. Some emulators show something else than the truth: there, rows may be held, and are
named. `python tests/chaos.py --kills 200 --seed 1` runs trials until so many have struck.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from chaos_ends import Followed, follow
from chaos_judge import Result, judge, read_ledger
from chaos_plan import MOMENTS, Kill, Plan, draw_plan, write_manifest
from peek import kept_rows

from batcher.emulator.documents import PROJECT
from batcher.model import Status

BATCHER = (sys.executable, "-m", "batcher")
KEYS = {"OBS_ACCESS_KEY_ID": "CHAOSACCESSKEY000000", "OBS_SECRET_ACCESS_KEY": "chaos-secret-key"}
ENVIRONMENT = {name: text for name, text in os.environ.items() if not name.startswith(("OBS_", "BATCHER_"))} | KEYS

SIDE_BY_SIDE = 4
"""Trials at the same time: most of a trial is spent waiting for the settle time to pass."""
LONGEST_RUN = 120.0
"""Seconds after which a run that was not killed is taken to hang."""
LONGEST_CHAOS = 900.0
"""Seconds after which no new trial begins."""
SHOWN = 5
"""How many failures of a trial are printed."""
MOST_FINISHES = 5
"""Runs without a kill that may be needed: rows that meet a fault too often stay in doubt until the next run."""

FIGURES = (
    "trials", "kills", "runs", "starts", "in doubt", "adopted", "released", "held", "lost", "started twice",
    "started unasked", "followed",
)  # fmt: skip


class Trial:
    """One trial in a folder of its own."""

    def __init__(self, plan: Plan, folder: Path, endpoint: str, *options: str) -> None:
        self.plan = plan
        self.result = Result()
        self.ledger = folder / "ledger.jsonl"
        self.output = folder / plan.output
        self.checkpoint = folder / "job.checkpoint"
        self._folder = folder
        self._command = [
            *BATCHER, "run", plan.manifest, "-w", "transcode", "-e", endpoint,
            "-o", plan.output, "-c", self.checkpoint.name,
            "--concurrency", str(plan.concurrency), "--timeout", "1", "--settle-time", str(plan.settle_time),
            "--progress", "none", "--api", plan.api, "--project-id", PROJECT, *plan.options, *options,
        ]  # fmt: skip

    def run(self) -> None:
        """Kill run after run, then let the job finish, and judge it."""
        for kill in self.plan.kills:
            with self._running() as (process, log):
                self._wait_for(kill, process, log)
                process.kill()
                if process.wait() != -signal.SIGKILL:
                    break  # it had come to its own end before the kill
            self.result.figures.update(["kills", f"killed at a {kill.moment}"])
            self._check_open_rows()
        code = self._finish()
        judge(self.plan.rows, read_ledger(self.ledger), self.output, self.result, may_hold=bool(self.plan.quirks))
        self._check_exit_code(code, is_held=self.result.figures["held"] > 0)
        if self.plan.follows and not self.result.failures:
            self.result.figures["followed"] += 1
            job = Followed(BATCHER, self._folder, self.checkpoint, self.plan.settle_time, self._environment)
            self.result.failures += follow(job, self.plan.seed, self.ledger)

    @property
    def _environment(self) -> dict[str, str]:
        # The job's witness stays with the trial.
        return ENVIRONMENT | {"XDG_STATE_HOME": str(self._folder.resolve() / "state")}

    def _finish(self) -> int:
        for _ in range(2 if self.plan.quirks else MOST_FINISHES):
            with self._running() as (process, _):
                code = process.wait(LONGEST_RUN)
            if code != 3:
                break
        return code

    @contextmanager
    def _running(self) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
        """Start the command; whatever happens, it is gone at the end. What it says goes into a log of its own."""
        self.result.figures["runs"] += 1
        log = self._folder / f"run-{self.result.figures['runs']}.log"
        with log.open("wb") as stderr:
            process = subprocess.Popen(self._command, cwd=self._folder, env=self._environment, stderr=stderr)
        try:
            yield process, log
        finally:
            process.kill()
            process.wait()

    def _wait_for(self, kill: Kill, process: subprocess.Popen[bytes], log: Path) -> None:
        """Wait for the kill's instant, or for the end of the process."""
        file, mark = {
            "time": (log, b""),
            "start": (self.ledger, b"\n"),
            "record": (self.output, b"\n"),
            "question": (log, b"checking the service's execution list"),
        }[kill.moment]
        so_far = _marks(file, mark)
        left = max(len(self.plan.rows) - so_far, 1)
        least = {"time": 0, "question": 1}.get(kill.moment, so_far + 1 + int(kill.share * left))
        deadline = time.monotonic() + LONGEST_RUN
        while process.poll() is None and _marks(file, mark) < least and time.monotonic() < deadline:
            time.sleep(0.002)
        # No condition: a random instant is what is tried here.
        time.sleep(kill.lag)

    def _check_open_rows(self) -> None:
        """A kill may leave no more rows between intent and verdict than twice the concurrency."""
        left = open_rows(self.checkpoint)
        self.result.most_open = max(left, self.result.most_open)
        if left > 2 * self.plan.concurrency:
            self.result.failures.append(f"{left} rows were open after a kill")

    def _check_exit_code(self, code: int, *, is_held: bool) -> None:
        wanted = 3 if is_held else 1 if any(not row.object for row in self.plan.rows) else 0
        if code != wanted:
            self.result.failures.append(f"the last run ended with exit code {code}, not {wanted}")


def _marks(file: Path, mark: bytes) -> int:
    return file.read_bytes().count(mark) if mark and file.exists() else 0


def open_rows(checkpoint: Path) -> int:
    """Count the rows with an intent and no verdict. Reads a copy: opening the checkpoint itself would mend it."""
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name, checkpoint.name)
        for suffix in ("", "-wal"):
            if Path(f"{checkpoint}{suffix}").exists():
                shutil.copy(f"{checkpoint}{suffix}", f"{copy}{suffix}")
        return sum(row.status is Status.SENDING for row in kept_rows(copy))


@contextmanager
def emulator(folder: Path, options: Sequence[str]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run an emulator with its ledger in the folder, and give its process and its endpoint."""
    command = [*BATCHER, "emulator", "--parameter", "note:string=", "--ledger", "ledger.jsonl", *options]
    # It ends by itself if this harness is killed.
    command += ["--duration", str(LONGEST_CHAOS)]
    with (folder / "emulator.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout is not None
        with process.stdout as lines:
            yield process, lines.readline().removeprefix("listening on ").strip()
    finally:
        process.terminate()
        process.wait(30)


def run_trial(plan: Plan, folder: Path, *options: str) -> Result:
    """Run one trial in a new folder, with further `options` for the command."""
    folder.mkdir(parents=True)
    write_manifest(folder / plan.manifest, plan.rows)
    with emulator(folder, plan.emulator) as (process, endpoint):
        trial = Trial(plan, folder, endpoint, *options)
        try:
            trial.run()
        except subprocess.TimeoutExpired:
            trial.result.failures.append("a run hangs")
        if process.poll() is not None:
            trial.result = Result(failures=["the emulator was ended from outside, so this trial proves nothing"])
    trial.result.figures["trials"] += 1
    return trial.result


def chaos(kills: int, seed: int, rows: int, concurrency: int, folder: Path) -> Result:
    """Run trials until so many kills have struck. The first trial's seed is `seed`, the next one's is one more.

    There are at most as many trials as kills are wanted, so that jobs that end before any strikes do not go on for
    ever. The folders of trials that failed are kept.
    """
    total, lock = Result(), threading.Lock()
    seeds = iter(range(seed, seed + kills))
    deadline = time.monotonic() + LONGEST_CHAOS

    def work() -> None:
        while total.figures["kills"] < kills and time.monotonic() < deadline:
            with lock:
                number = next(seeds, None)
            if number is None:
                return
            trial_folder = folder / f"trial-{number}"
            plan = draw_plan(number, rows, concurrency)
            result = run_trial(plan, trial_folder)
            if not result.failures:
                shutil.rmtree(trial_folder)
            with lock:
                total.add(result)
                repeat = f"--kills 1 --seed {number} --rows {rows} --concurrency {concurrency}"
                tell(number, plan.quirks, result, repeat)

    with ThreadPoolExecutor(SIDE_BY_SIDE) as workers:
        for worker in [workers.submit(work) for _ in range(SIDE_BY_SIDE)]:
            worker.result()
    return total


def tell(seed: int, quirks: Sequence[str], result: Result, repeat: str) -> None:
    """Say how a trial went, and how to repeat one that failed."""
    told = ", ".join(f"{result.figures[name]} {name}" for name in ("kills", "starts", "adopted", "released", "held"))
    shown = f" with {', '.join(quirks)}" if quirks else ""
    print(f"trial {seed}{shown}: {told}: {'FAILED' if result.failures else 'good'}", flush=True)
    for failure in result.failures[:SHOWN]:
        print(f"    {failure}")
    if result.failures:
        print(f"    once more: python tests/chaos.py {repeat}", flush=True)


def table(total: Result) -> str:
    """Lay the figures out for a person."""
    at = ", ".join(f"{total.figures[f'killed at a {moment}']} at a {moment}" for moment in MOMENTS)
    lines = [f"{name:<16}{total.figures[name]:>8,}" for name in FIGURES]
    lines.insert(2, f"    {at}")
    return "\n".join(
        [*lines, f"{'most open rows':<16}{total.most_open:>8,}    between intent and verdict, at one kill"]
    )


def main() -> int:
    """Run the chaos that the command line asks for, print the figures, and keep the folders of trials that failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="how many kills are to strike (200)")
    parser.add_argument("--seed", type=int, default=1, help="the first trial's seed (1)")
    parser.add_argument("--rows", type=int, default=400, help="the rows of each job (400)")
    parser.add_argument("--concurrency", type=int, default=16, help="the workers of each job (16)")
    wanted = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="batcher-chaos-"))
    begun = time.monotonic()
    total = chaos(wanted.kills, wanted.seed, wanted.rows, wanted.concurrency, folder)
    print(f"\n{table(total)}\n\n{time.monotonic() - begun:.0f} s")
    if total.figures["kills"] < wanted.kills:
        total.failures.append("fewer kills struck than were asked for")
        print(total.failures[-1])
    if total.failures:
        print(f"{len(total.failures)} failures; the folders of the trials are kept in {folder}")
        return 1
    folder.rmdir()
    return 0


if __name__ == "__main__":
    sys.exit(main())
