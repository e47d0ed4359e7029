"""The demo: the main job on the built-in emulator, killed half-way and run again; the emulator's ledger judges.

Everything stays on this machine and in the folder `demo`, which each run makes anew.
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
KEYS = {"OBS_ACCESS_KEY_ID": "DEMOACCESSKEY000000A", "OBS_SECRET_ACCESS_KEY": "demo-secret-key"}
HALF = 100
"""Of the 200 rows in objects.csv."""
FAULTS = ["slowdown=5%", "500=2%", "reset-after=1%", "reset-before=1%"]


def main() -> int:
    """Run the demo. The exit code is 0 when no row was started twice and every row is accounted for."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    manifest = FOLDER / "objects.csv"
    shutil.copy(HERE / "objects.csv", manifest)
    with emulator(FOLDER / "ledger.jsonl") as endpoint:
        command = [*BATCHER, "run", str(manifest), "-w", "transcode", "-e", endpoint]
        command += ["--concurrency", "8", "--max-rate", "60", "--progress", "none"]
        show("1. The run begins, and is killed half-way (SIGKILL).", command)
        kill_half_way(command, endpoint)
        show("2. The same command again.", command)
        code = subprocess.run(command, env=os.environ | KEYS, check=False).returncode
        print(f"   (exit code {code})")
        return judge(manifest, ledger(endpoint))


@contextmanager
def emulator(ledger_file: Path) -> Iterator[str]:
    """Run the emulator, a process of its own, with a few faults. Gives its endpoint."""
    command = [*BATCHER, "emulator", "--port", "0", "--workflow", "transcode", "--parameter", "template-id:integer"]
    command += ["--ledger", str(ledger_file), "--seed", "7"]
    command += [word for fault in FAULTS for word in ("--fault", fault)]
    with (FOLDER / "emulator.log").open("w") as log:
        process = subprocess.Popen(command, env=os.environ | KEYS, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            first_line = process.stdout.readline() if process.stdout else ""
            yield first_line.removeprefix("listening on ").strip()
        finally:
            process.terminate()
            process.wait(30)


def kill_half_way(command: list[str], endpoint: str) -> None:
    """Start the command, wait until the ledger has half of the starts, and kill it."""
    process = subprocess.Popen(command, env=os.environ | KEYS, stderr=subprocess.DEVNULL)
    while process.poll() is None and int(str(ledger(endpoint)["starts"])) < HALF:
        time.sleep(0.02)
    process.kill()
    process.wait()
    print(f"   killed after {ledger(endpoint)['starts']} starts")


def ledger(endpoint: str) -> Mapping[str, object]:
    """Ask the emulator what truly started."""
    with urllib.request.urlopen(f"{endpoint}/emulator/ledger") as answer:  # noqa: S310 - our own emulator
        return dict(json.load(answer))


def judge(manifest: Path, truth: Mapping[str, object]) -> int:
    """Hold the records against the ledger and say what came of every row."""
    last: dict[int, dict[str, object]] = {}
    for line in Path(f"{manifest}.executions.jsonl").read_text().splitlines():
        record = json.loads(line)
        last[record["row"]] = record
    doubtful = [record for record in last.values() if record["status"] == "in_doubt"]
    print("\n3. The emulator's own ledger says:")
    print(
        f"   {truth['starts']} starts of {truth['distinct']} different rows; started twice: {truth['twice'] or 'none'}"
    )
    print(f"   the records name {len(last)} rows, {len(doubtful)} of them in doubt and held:")
    for record in doubtful:
        print(f"   row {record['row']}: {record['bucket']}/{record['object']}")
    rows = len(manifest.read_text().splitlines()) - 1
    return 0 if not truth["twice"] and len(last) == rows else 1


def show(title: str, command: list[str]) -> None:
    """Print a step and its command as a person would type it."""
    print(f"\n{title}\n   $ batcher {' '.join(command[3:])}".replace(str(FOLDER) + os.sep, ""), flush=True)


if __name__ == "__main__":
    sys.exit(main())
