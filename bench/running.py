"""Processes: started, timed, ended by their own id; what they used is told by the operating system.

Everything that runs has a time limit. Linux counts a parent's memory at the fork into its child's peak, so the
benchmark itself stays smaller than what it measures: it imports next to nothing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

PACKAGES = {"nginx": "nginx-light", "hey": "hey", "taskset": "util-linux"}
"""The tools that are no Python packages, and the Debian packages that have them."""
_PLACES = f"{os.environ.get('PATH', '')}:/usr/sbin"
_KIBIBYTE = 1024
_INSTALL_SECONDS = 300.0


class BenchError(Exception):
    """A measurement cannot be made, or would be wrong. The message says what to do, or what was seen."""


class Usage(NamedTuple):
    """What a process used: CPU of all its threads and time on the wall, in seconds; its greatest memory, in bytes."""

    cpu: float
    wall: float
    peak: int
    said: str


def tool(name: str) -> str:
    """Give where a tool is. Raises BenchError where it is not installed."""
    found = shutil.which(name, path=_PLACES)
    if found is None:
        raise BenchError(f"{name} is missing: as root, apt-get install {PACKAGES[name]}")
    return found


def install_tools() -> None:
    """Install the tools that are missing, where this is Debian and root. Raises BenchError where they stay missing."""
    missing = [package for name, package in PACKAGES.items() if shutil.which(name, path=_PLACES) is None]
    apt = shutil.which("apt-get")
    if missing and apt and os.geteuid() == 0:
        for words in (["update"], ["install", "--yes", "--no-install-recommends", *missing]):
            subprocess.run([apt, "--quiet", *words], check=True, timeout=_INSTALL_SECONDS)
    for name in PACKAGES:
        tool(name)


def pinned(command: Sequence[str], core: int | None) -> list[str]:
    """Give the command that runs on one core only, or as it is."""
    return list(command) if core is None else [tool("taskset"), "-c", str(core), *command]


@contextmanager
def running(
    command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process for the time of the block. What it prints on stderr goes to the log, stdout is the caller's."""
    with log.open("wb") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=environment, bufsize=0)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()


def run(
    command: Sequence[str], log: Path, *, environment: Mapping[str, str] | None = None, timeout: float = 120.0
) -> Usage:
    """Run a process to its good end. Raises BenchError where it ends otherwise, or not within `timeout` seconds."""
    with log.open("wb") as output:
        begun = time.monotonic()
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
        limit = threading.Timer(timeout, process.kill)
        limit.start()
        try:
            _, status, used = os.wait4(process.pid, 0)
            ended = time.monotonic()
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            limit.cancel()
            process.kill()
            process.wait()
    said = log.read_text(errors="replace")
    if process.returncode != 0:
        raise BenchError(f"{Path(command[0]).name} ended with {process.returncode}: {said[-2000:]}")
    return Usage(used.ru_utime + used.ru_stime, ended - begun, used.ru_maxrss * _KIBIBYTE, said)
