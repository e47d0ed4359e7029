"""`--on-end`: the command of the user is run once, last, and learns from its environment how the job ended."""

import asyncio
import os
import re
import signal
import sys
from collections import Counter
from pathlib import Path

from conftest import KEYS
from test_after import started
from test_command import ENVIRONMENT, batcher, folder  # noqa: F401 - the folder is a fixture
from test_options import EVERY

from batcher.rules.report import end_variables

PROJECT = Path(__file__).parents[1]
NOTE = "env | grep ^BATCHER_ >> learned; echo printed; cat"
"""Notes what it learns, prints to its standard output, and reads its standard input to the end."""


def words(service, *more):
    return ("run", "m.txt", "-w", "transcode", "-e", service.url, "-b", "videos", "--progress", "none", *more)


def learned(folder):  # noqa: F811
    """Give what the command has learned, if it was run once."""
    lines = (folder / "learned").read_text().splitlines()
    found = dict(line.split("=", 1) for line in lines)
    assert len(found) == len(lines)
    assert set(found) == set(end_variables.NAMES)
    (folder / "learned").unlink()
    return {name.removeprefix("BATCHER_"): value for name, value in found.items() if value != ""}


def write(folder, count, *more):  # noqa: F811
    (folder / "m.txt").write_text("".join(f"in/{number}\n" for number in range(count)) + "".join(more))


def test_no_option_is_set_by_what_the_command_learns_and_each_name_is_documented():
    variables = {name for each in EVERY.values() for name in each.environment} | {"BATCHER_CONFIG"}
    assert variables & set(end_variables.NAMES) == set()
    assert set(end_variables.NAMES) <= set(re.findall(r"BATCHER_\w+", (PROJECT / "docs/operations.md").read_text()))


async def test_the_command_learns_how_a_run_and_its_executions_ended_and_its_failure_changes_nothing(folder, emulator):  # noqa: F811
    service = await emulator(run_time=0.0, fail_share=0.4)
    write(folder, 10, "\x00\n", "in/7\n")
    ran = await batcher(*words(service, "--watch", "--on-end", f"{NOTE}; exit 3"))
    assert ran.code == 1, ran
    assert started(service) == Counter(f"in/{number}" for number in range(10))
    # It has no input, and a program that reads the result of this command does not get its output.
    said = "--on-end: the command ended with exit code 3; the exit code of batcher run is still 1"
    assert (ran.stdout, ran.stderr.splitlines()[-2:]) == ("", ["printed", f"batcher: warning: {said}"])
    found = learned(folder)
    failed = int(found["EXECUTIONS_FAILED"])
    assert 0 < failed < 10
    # `sending` is not a state in which a job ends.
    rows = {"TOTAL": "12", "LEFT": "0", "FAILED": "1", "STARTED": "10", "INVALID": "1", "DUPLICATE": "1"}
    nothing = ("PENDING", "REFUSED", "REJECTED", "DISMISSED", "IN_DOUBT")
    ends = {"SUCCEEDED": str(10 - failed), "FAILED": str(failed)}
    ends |= dict.fromkeys(("TIMED_OUT", "CANCELLED", "UNKNOWN", "RUNNING"), "0")
    assert found == {
        "EXIT_CODE": "1",
        "COMMAND": "run",
        "JOB": str(folder / "m.txt.checkpoint"),
        "RECORDS": str(folder / "m.txt.executions.jsonl"),
        **rows,
        **dict.fromkeys(nothing, "0"),
        **{f"EXECUTIONS_{name}": count for name, count in ends.items()},
    }
    watched = await batcher("watch", "m.txt", "--progress", "none", "--json", "--on-end", NOTE)
    assert (watched.code, watched.stdout.count("\n")) == (6, 1), watched
    assert learned(folder) == found | {"EXIT_CODE": "6", "COMMAND": "watch"}


async def test_the_command_is_run_once_for_all_processes(folder, emulator):  # noqa: F811
    service = await emulator()
    write(folder, 20)
    ran = await batcher(*words(service, "--processes", "2", "--on-end", NOTE))
    assert ran.code == 0, ran
    found = learned(folder)
    assert (found["JOB"], found["STARTED"], found["TOTAL"]) == (str(folder / "m.txt.run"), "20", "20")
    assert "RECORDS" not in found


async def test_the_command_is_run_whatever_ends_a_job_but_not_where_none_began(folder, emulator):  # noqa: F811
    service = await emulator()
    write(folder, 2)
    keyless = {name: value for name, value in ENVIRONMENT.items() if name not in KEYS}
    ran = await batcher(*words(service, "--credentials", "env", "--on-end", NOTE), environment=keyless)
    assert ran.code == 77, ran
    assert learned(folder) == {"EXIT_CODE": "77", "COMMAND": "run", "JOB": str(folder / "m.txt.checkpoint")}
    # The error comes first: what the command prints is last.
    assert ran.stderr.splitlines()[-1] == "printed"
    (folder / "broken.checkpoint").write_bytes(b"SQLite format 3\0" + b"damaged" * 100)
    broken = await batcher("watch", "broken.checkpoint", "--on-end", NOTE)
    assert (broken.code, learned(folder)["EXIT_CODE"]) == (74, "74"), broken
    for code, more in ((2, ["--shard", "0/2", "--processes", "2"]), (0, ["--dry-run"])):
        ran = await batcher(*words(service, *more, "--on-end", NOTE))
        assert (ran.code, (folder / "learned").exists()) == (code, False), ran


async def test_a_signal_that_ends_the_run_is_learned_and_the_next_one_reaches_the_command(folder, emulator):  # noqa: F811
    service = await emulator()
    write(folder, 500)
    os.mkfifo(folder / "ready")
    waits = "trap 'echo > caught; exit 9' TERM; env | grep ^BATCHER_ > learned; echo > ready; sleep 60 & wait"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "batcher", *words(service, "--max-rate", "50", "--on-end", waits)),
        env=ENVIRONMENT, start_new_session=True, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    while not service.ledger.starts:  # noqa: ASYNC110 - the ledger sets no event
        await asyncio.sleep(0.01)
    process.send_signal(signal.SIGINT)
    await asyncio.to_thread((folder / "ready").read_text)
    process.send_signal(signal.SIGTERM)
    _, said = await process.communicate()
    assert (process.returncode, (folder / "caught").exists()) == (130, True), said
    assert b"--on-end: the command ended with exit code 9" in said
    found = learned(folder)
    assert found["EXIT_CODE"] == "130"
    assert int(found["STARTED"]) == len(service.ledger.starts) == 500 - int(found["LEFT"])
