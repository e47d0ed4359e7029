"""The samples for systemd and cron: each is checked by its own rules, and the command in it is run."""

import asyncio
import fcntl
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from conftest import AK, SK
from test_after import started
from test_command import ENVIRONMENT, batcher, folder  # noqa: F401 - the folder is a fixture

from batcher.errors import MEANINGS, ExitCode
from batcher.options.verbs import RunOptions

PROJECT = Path(__file__).parents[1]
SERVICE, TIMER, TABLE = (
    PROJECT / "samples" / name for name in ("systemd/batcher.service", "systemd/batcher.timer", "cron/batcher.cron")
)
PROGRAM = "/usr/local/bin/batcher"
ROWS = [f"in/clip {number}.mp4" for number in range(8)]


def settings(unit):
    """Give the settings of a unit. Those that are set several times are lists of words."""
    found = {}
    for line in unit.read_text().splitlines():
        if line and line[0] not in "#[":
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def codes(text):
    return {ExitCode(int(word)) for word in text.split()}


def write(folder):  # noqa: F811
    (folder / "objects.csv").write_text("object\n" + "".join(f"{row}\n" for row in ROWS))
    (folder / "huaweicloud").write_text(f"[basic]\nak = {AK}\nsk = {SK}\n")
    (folder / "huaweicloud").chmod(0o600)


def test_the_units_of_systemd_have_nothing_that_it_does_not_know(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    for unit in (SERVICE, TIMER):
        # The only thing that need not be on this machine.
        (tmp_path / unit.name).write_text(unit.read_text().replace(PROGRAM, "/bin/true"))
    ran = subprocess.run(
        ["systemd-analyze", "verify", tmp_path / SERVICE.name, tmp_path / TIMER.name],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout + ran.stderr) == (0, "")


def test_the_service_restarts_only_what_another_start_can_help_and_gives_each_end_its_time():
    found = {name: values[-1] for name, values in settings(SERVICE).items()}
    fine, hopeless = codes(found["SuccessExitStatus"]), codes(found["RestartPreventExitStatus"])
    assert fine == {ExitCode.SIGTERM, ExitCode.STOPPED, ExitCode.ROWS_IN_DOUBT}
    again = {*MEANINGS} - fine - hopeless - {ExitCode.OK}
    assert again & {ExitCode.USAGE, ExitCode.MANIFEST, ExitCode.CREDENTIALS, ExitCode.OTHER_JOB} == set()
    assert again >= {ExitCode.SERVICE, ExitCode.INTERNAL, ExitCode.SYSTEM, ExitCode.DISK, ExitCode.BUSY}
    options = RunOptions(manifest=Path("keys.txt"), workflow="w", endpoint="https://obs.example.com", bucket="videos")
    assert (found["TimeoutStopSec"], found["KillMode"]) == ("2min", "mixed")
    assert 2 * options.timeout <= 120
    assert found["StateDirectory"] == Path(found["WorkingDirectory"]).name
    assert settings(TIMER)["OnCalendar"] == ["*-*-* 20:00"]


async def test_the_command_of_the_service_starts_each_row_once_with_the_keys_that_systemd_passes(folder, emulator):  # noqa: F811
    service = await emulator()
    write(folder)
    found = settings(SERVICE)
    given = dict(line.split("=", 1) for line in found["Environment"])
    given["HUAWEICLOUD_SDK_CREDENTIALS_FILE"] = given["HUAWEICLOUD_SDK_CREDENTIALS_FILE"].replace("%d", str(folder))
    (name,) = (line.split(":")[0] for line in found["LoadCredential"])
    assert given["HUAWEICLOUD_SDK_CREDENTIALS_FILE"] == str(folder / name)
    given |= {"OBS_ENDPOINT": service.url, "XDG_STATE_HOME": str(folder / "state")}
    keyless = {name: value for name, value in ENVIRONMENT.items() if not name.startswith("OBS_")}
    (command,) = found["ExecStart"]
    program, *words = shlex.split(command)
    assert program == PROGRAM
    ran = await batcher(*words, environment=keyless | given)
    assert ran.code == 0, ran
    assert started(service) == Counter(ROWS)
    assert (folder / "state/batcher").is_dir()


async def test_the_line_of_cron_continues_a_job_and_is_silent_while_it_runs_and_once_it_is_done(folder, emulator):  # noqa: F811
    service = await emulator()
    home = folder / "videos"
    home.mkdir()
    write(home)
    (folder / ".huaweicloud").mkdir()
    (home / "huaweicloud").rename(folder / ".huaweicloud/credentials")
    lines = [line for line in TABLE.read_text().splitlines() if line and not line.startswith("#")]
    (entry,) = (line for line in lines if line.startswith("0 "))
    environment = dict(line.split("=", 1) for line in lines if line != entry) | {"HOME": str(folder)}
    *hours, command = entry.split(None, 5)
    assert (hours, "%" in command) == (["0", "20-23,0-5", "*", "*", "*"], False)
    tools = folder / "tools"
    tools.mkdir()
    (tools / "batcher").write_text(f'#!/bin/sh\nexec {sys.executable} -m batcher "$@"\n')
    (tools / "batcher").chmod(0o755)
    environment |= {"PATH": f"{tools}:{environment['PATH']}", "OBS_ENDPOINT": service.url, "PYTHONPATH": str(PROJECT)}

    async def mailed():
        process = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", command, env=environment, cwd=folder, stdin=subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await process.communicate()
        return process.returncode, said.decode()

    # Another command holds the lock.
    with (home / "objects.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert await mailed() == (0, "")
        assert started(service) == {}
    assert await mailed() == (0, "")
    assert started(service) == Counter(ROWS)
    (home / "objects.csv").write_text("objects\nno header\n")
    _, said = await mailed()
    assert "batcher: error: " in said
    assert said.count("\n") <= 5
    assert started(service) == Counter(ROWS)
