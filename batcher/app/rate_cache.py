"""The rates that services are known to take, kept for new jobs: one small JSON file in the user's cache folder.

It is a cache. If it cannot be read, or is damaged, nothing is known; the oldest entries make room for new ones.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import msgspec

from batcher.edges.whole_file import whole_file
from batcher.errors import JobError
from batcher.rules.rate.remembered import UNKNOWN, Remembered
from batcher.rules.xdg import user_folder

MOST = 200
"""Entries that the file holds."""

_MOST_BYTES = 1024 * 1024


def cache_path(environment: Mapping[str, str]) -> Path | None:
    """Return where the rates are kept, None if there is no place for them: in XDG_CACHE_HOME, by default ~/.cache."""
    cache = user_folder(environment, "XDG_CACHE_HOME", ".cache")
    return None if cache is None else Path(cache) / "batcher" / "rates.json"


def read_rate(path: Path | None, endpoint: str, workflow: str) -> Remembered:
    """Return what is known about a workflow of an endpoint."""
    return _read(path).get(_key(endpoint, workflow), UNKNOWN)


def write_rate(path: Path | None, endpoint: str, workflow: str, learned: Remembered) -> bool:
    """Keep what was learned about a workflow of an endpoint. Return whether that was possible."""
    if path is None:
        return False
    key = _key(endpoint, workflow)
    known = {name: rates for name, rates in _read(path).items() if name != key} | {key: learned}
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with whole_file(path) as file:
            file.write(json.dumps(dict(list(known.items())[-MOST:]), indent=1).encode())
    except (OSError, JobError):
        return False
    return True


def _key(endpoint: str, workflow: str) -> str:
    # Neither can contain a space.
    return f"{endpoint} {workflow}"


def _read(path: Path | None) -> dict[str, Remembered]:
    try:
        if path is None or path.stat().st_size > _MOST_BYTES:
            return {}
        found = msgspec.json.decode(path.read_bytes(), type=dict[str, Remembered])
    except (OSError, msgspec.MsgspecError):
        return {}
    return {name: rates for name, rates in found.items() if all(each is None or each > 0 for each in rates)}
