"""Runs processes: starts, times and stops them by their own id. The operating system reports what they used.

Every process has a time limit. Linux counts a parent's memory at the fork towards the peak of its child, so the
benchmark itself must stay smaller than what it measures: it imports very little.
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
"""Tools that are not Python packages, and the Debian packages that contain them."""
_PLACES = f"{os.environ.get('PATH', '')}:/usr/sbin"
_KIBIBYTE = 1024
_INSTALL_SECONDS = 300.0


class BenchError(Exception):
    """A measurement is impossible, or would be wrong. The message says what to do, or what was observed."""


class UnavailableError(BenchError):
    """This machine lacks what a measurement needs: a tool, or a second core."""


class Usage(NamedTuple):
    """What a process used: CPU time of all its threads and wall time, in seconds; peak memory, in bytes."""

    cpu: float
    wall: float
    peak: int
    said: str


def tool(name: str) -> str:
    """Return the path of a tool. Raises UnavailableError if it is not installed."""
    found = shutil.which(name, path=_PLACES)
    if found is None:
        raise UnavailableError(f"{name} is missing: as root, apt-get install {PACKAGES[name]}")
    return found


def install_tools() -> None:
    """Install missing tools, if this is Debian and the user is root. Raises BenchError if any remain missing."""
    missing = [package for name, package in PACKAGES.items() if shutil.which(name, path=_PLACES) is None]
    apt = shutil.which("apt-get")
    if missing and apt and os.geteuid() == 0:
        for words in (["update"], ["install", "--yes", "--no-install-recommends", *missing]):
            subprocess.run([apt, "--quiet", *words], check=True, timeout=_INSTALL_SECONDS)
    for name in PACKAGES:
        tool(name)


def pinned(command: Sequence[str], core: int | None) -> list[str]:
    """Return the command to run on one core, or the unchanged command if `core` is None."""
    return list(command) if core is None else [tool("taskset"), "-c", str(core), *command]


@contextmanager
def running(
    command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process for the duration of the block. Its stderr goes to the log, its stdout to the caller."""
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
    """Run a process until it exits. Raises BenchError if it fails, or takes longer than `timeout` seconds."""
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
