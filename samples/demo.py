"""The demo: a bucket becomes a list, the list a job, which is killed half-way, run again and watched to the end.

The service is the built-in emulator, and its ledger is the judge. The demo takes about 20 seconds, and uses only this
machine and a folder, by default `demo`, which each run creates again. It opens nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

FOLDER = Path(sys.argv[1] if sys.argv[1:] else Path(__file__).parents[1] / "demo").absolute()
BATCHER = [sys.executable, "-m", "batcher"]
SETTINGS = {
    "OBS_ACCESS_KEY_ID": "DEMOACCESSKEY000000A",
    "OBS_SECRET_ACCESS_KEY": "demo-secret-key",
    "XDG_STATE_HOME": str(FOLDER / "state"),
}
BUCKET = "my-videos"
MANIFEST = "objects.csv"
ROWS = 200
QUIET = ["--progress", "none"]
FAULTS = ["slowdown=5%", "500=2%", "reset-after=3%", "reset-before=1%", "slow=10%"]


def main() -> int:
    """Run the demo. The exit code is 0 if every row was started exactly once."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    with emulator(FOLDER / "ledger.jsonl") as endpoint:
        SETTINGS["OBS_ENDPOINT"] = endpoint
        print(f"The service is an emulator of this machine, which fails now and then: OBS_ENDPOINT={endpoint}")
        step("1. List the objects of a bucket.", "list", f"obs://{BUCKET}/clips/", "-o", MANIFEST)
        run = [
            "run",
            MANIFEST,
            "--workflow",
            "transcode",
            "--max-rate",
            "60",
            "--concurrency",
            "8",
            "--settle-time",
            "2",
            *QUIET,
        ]
        show("2. Start the workflow for each of them, and kill the command half-way (SIGKILL).", run)
        kill_half_way(run, endpoint)
        step("3. Rows whose request was on the wire, or whose answer was lost, are in doubt.", "status", MANIFEST)
        step("4. The same command continues, and asks the service about the rows in doubt.", *run)
        step(
            "5. Follow the executions to their end. A few of them fail.", "watch", MANIFEST, "--interval", "1s", *QUIET
        )
        step("6. Write a page about it.", "report", MANIFEST, "-o", "report.html")
        return judge(ledger(endpoint))


def step(title: str, *words: str) -> None:
    """Show a step, and run its command to the end."""
    show(title, words)
    code = subprocess.run([*BATCHER, *words], cwd=FOLDER, env=os.environ | SETTINGS, check=False).returncode
    print(f"(exit code {code})", flush=True)


@contextmanager
def emulator(ledger_file: Path) -> Iterator[str]:
    """Run the emulator in its own process, with a few faults. Yields its endpoint."""
    command = [*BATCHER, "emulator", "--port", "0", "--workflow", "transcode", "--objects", f"{BUCKET}={ROWS}"]
    command += ["--run-time", "4s", "--fail-share", "2%"]
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


def kill_half_way(words: Sequence[str], endpoint: str) -> None:
    """Start the command, wait until the ledger has half of the starts, and kill it."""
    process = subprocess.Popen([*BATCHER, *words], cwd=FOLDER, env=os.environ | SETTINGS, stderr=subprocess.DEVNULL)
    while process.poll() is None and int(str(ledger(endpoint)["starts"])) < ROWS / 2:
        time.sleep(0.02)
    process.kill()
    process.wait()
    print(f"(killed after {ledger(endpoint)['starts']} starts)", flush=True)


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
    starts, objects, repeated = (truth[name] for name in ("starts", "distinct", "twice"))
    print("\nThe emulator's own ledger shows what really started:")
    print(f"  {starts} starts of {objects} objects; started twice: {repeated or 'none'}")
    print(f"  The records call {len(started)} rows started, {listed} of them found in the execution list.")
    is_right = starts == objects == len(started) == ROWS
    print(f"  {ROWS if is_right else 'NOT ALL'} of {ROWS} started once.{'' if is_right else ' Please report this.'}")
    print(f"The report: {FOLDER / 'report.html'}")
    return 0 if is_right else 1


def show(title: str, words: Sequence[str]) -> None:
    """Print a step and its command as a user would type it."""
    print(f"\n{title}\n$ batcher {' '.join(words)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
