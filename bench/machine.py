"""Describes the machine that the figures were measured on: its type and versions, never its name or paths."""

from __future__ import annotations

import datetime as dt
import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

from interpreter import built, how_built
from running import tool

PACKAGES = ("obs-batcher", "aiohttp", "uvloop", "orjson", "esdk-obs-python")


def describe(folder: Path) -> dict[str, str]:
    """Describe the machine, and the file system of the folder."""
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "CPU": f"{_cpu()}, {len(os.sched_getaffinity(0))} cores",
        "kernel": f"{platform.system()} {platform.release()}",
        "file system": _said("findmnt", "--noheadings", "--output", "FSTYPE", "--target", str(folder)),
        "Python": f"{platform.python_implementation()} {platform.python_version()}, {how_built(built())}",
        "packages": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
        "servers and peers": f"{_nginx()}, {_said('dpkg-query', '--show', '--showformat', 'hey ${Version}', 'hey')}",
        "load average at the start": f"{os.getloadavg()[0]:.1f}",
    }


def _cpu() -> str:
    found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def _nginx() -> str:
    answer = subprocess.run([tool("nginx"), "-v"], capture_output=True, text=True, timeout=10, check=True)
    return answer.stderr.strip().removeprefix("nginx version: ")


def _said(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
