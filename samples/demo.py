"""The demo: the same job on the built-in emulator, killed half-way and run again; the emulator's ledger is the judge.

It uses only this machine and the folder `demo`, which each run creates again.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
FOLDER = HERE.parent / "demo"
BATCHER = [sys.executable, "-m", "batcher"]
SETTINGS = {
    "OBS_ACCESS_KEY_ID": "DEMOACCESSKEY000000A",
    "OBS_SECRET_ACCESS_KEY": "demo-secret-key",
    "XDG_STATE_HOME": str(FOLDER / "state"),
}
MANIFEST = "objects.csv"
ROWS = 200
FAULTS = ["slowdown=5%", "500=2%", "reset-after=3%", "reset-before=1%", "slow=10%"]


def main() -> int:
    """Run the demo. The exit code is 0 if every row was started exactly once."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    shutil.copy(HERE / MANIFEST, FOLDER)
    with emulator(FOLDER / "ledger.jsonl") as endpoint:
        command = [*BATCHER, "run", MANIFEST, "-w", "transcode", "-e", endpoint]
        command += ["--concurrency", "8", "--max-rate", "60", "--settle-time", "2", "--progress", "none"]
        show("1. Start the job, and kill it half-way (SIGKILL).", command)
        kill_half_way(command, endpoint)
        looking = [*BATCHER, "status", f"{MANIFEST}.checkpoint", "--rows", "in_doubt"]
        show("2. Rows whose request was on the wire, or whose answer was lost, are in doubt: started or not?", looking)
        subprocess.run(looking, cwd=FOLDER, check=True)
        show("3. The same command continues the job, and asks the service about the rows in doubt.", command)
        code = subprocess.run(command, cwd=FOLDER, env=os.environ | SETTINGS, check=False).returncode
        print(f"   (exit code {code})")
        return judge(ledger(endpoint))


@contextmanager
def emulator(ledger_file: Path) -> Iterator[str]:
    """Run the emulator in its own process, with a few faults. Yields its endpoint."""
    command = [*BATCHER, "emulator", "--port", "0", "--workflow", "transcode", "--parameter", "template-id:integer"]
    command += ["--ledger", str(ledger_file), "--seed", "7"]
    command += [word for fault in FAULTS for word in ("--fault", fault)]
    with (FOLDER / "emulator.log").open("w") as log:
        process = subprocess.Popen(command, env=os.environ | SETTINGS, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            first_line = process.stdout.readline() if process.stdout else ""
            yield first_line.removeprefix("listening on ").strip()
        finally:
            process.terminate()
            process.wait(30)


def kill_half_way(command: list[str], endpoint: str) -> None:
    """Start the command, wait until the ledger has half of the starts, and kill it."""
    process = subprocess.Popen(command, cwd=FOLDER, env=os.environ | SETTINGS, stderr=subprocess.DEVNULL)
    while process.poll() is None and int(str(ledger(endpoint)["starts"])) < ROWS / 2:
        time.sleep(0.02)
    process.kill()
    process.wait()
    print(f"   killed after {ledger(endpoint)['starts']} starts")


def ledger(endpoint: str) -> Mapping[str, object]:
    """Ask the emulator what really started."""
    with urllib.request.urlopen(f"{endpoint}/emulator/ledger") as answer:  # noqa: S310 - our own emulator
        return dict(json.load(answer))


def judge(truth: Mapping[str, object]) -> int:
    """Compare what really started, and what the records say, with the manifest."""
    lines = (FOLDER / f"{MANIFEST}.executions.jsonl").read_text().splitlines()
    last = {record["row"]: record for record in map(json.loads, lines)}
    started = [record for record in last.values() if record["status"] == "started"]
    listed = sum("reconciled" in record for record in started)
    print("\n4. The emulator's own ledger shows what really started:")
    print(
        f"   {truth['starts']} starts of {truth['distinct']} different rows; started twice: {truth['twice'] or 'none'}"
    )
    print(f"   The records call {len(started)} of {ROWS} rows started, {listed} of them found in the execution list.")
    is_right = truth["starts"] == truth["distinct"] == len(started) == ROWS
    print(f"   {'Every row was started exactly once.' if is_right else 'Not every row once: please report this.'}")
    return 0 if is_right else 1


def show(title: str, command: list[str]) -> None:
    """Print a step and its command as a user would type it."""
    print(f"\n{title}\n   $ batcher {' '.join(command[len(BATCHER) :])}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
