"""A process of batcher that works on one shard: started in a process group of its own, its messages in a log.

A signal of the terminal does not reach it, so that the process that started it decides what it is sent.
"""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping, Sequence
from pathlib import Path

from batcher.errors import DiskError

_TAIL = 16 * 1024
"""The number of bytes at the end of a log that are searched for errors."""
_ERROR = "batcher: error: "


def environment_of(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a worker: what it must do is on its command line, and nowhere else."""
    kept = {name: value for name, value in environment.items() if not name.startswith("BATCHER_")}
    return kept | {"BATCHER_CONFIG": os.devnull}


async def start(words: Sequence[str], environment: Mapping[str, str], log: Path, own: Mapping[str, str]) -> Process:
    """Start `batcher` with these words. What it prints is appended to the log. Raises DiskError if it cannot be.

    `own` are environment variables for the worker beside those of `environment_of`.
    """
    try:
        written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise DiskError(f"{log}: cannot be written: {error.strerror}", "Check the permissions.") from error
    try:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "batcher", *words),
            stdin=DEVNULL, stdout=written, stderr=written, env=environment_of(environment) | {**own}, process_group=0,
        )  # fmt: skip
    finally:
        os.close(written)


def last_error(log: Path) -> str:
    """Return the last error in a log, empty if there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return next((line.removeprefix(_ERROR) for line in reversed(lines) if line.startswith(_ERROR)), "")
