"""The ledger: what really started, whatever the client was answered. In memory, and optionally line by line in a file.

The crash tests rely on it, so a start is in the ledger before the first byte of the answer is sent.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from heapq import heappop, heappush
from pathlib import Path
from typing import NamedTuple

from batcher.errors import DiskError
from batcher.model import Json
from batcher.rules.text import counted

_DATABASE = b"SQLite format 3\0"
"""How a database begins, see https://www.sqlite.org/fileformat.html."""
MAX_TWICE = 100
"""The maximum number of repeated objects in the summary."""

_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


class Start(NamedTuple):
    """One start. `inputs` is canonical JSON (sorted names, no spaces), `{}` if there were none."""

    execution_name: str
    bucket: str
    object: str
    inputs: str
    started_at: str

    @property
    def content(self) -> tuple[str, str, str]:
        """The content by which two starts count as the same."""
        return (self.bucket, self.object, self.inputs)


class Restore(NamedTuple):
    """One restore of an execution, which was in `state` then."""

    execution_name: str
    state: str
    restored_at: str


class Ledger:
    """Stores the starts in order, and counts requests and answers. It appends to `path` if that is given.

    It contains starts through the API only, not executions that other clients are simulated to have started.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Open the file. Raises DiskError if that fails."""
        self.starts: list[Start] = []
        self.restores: list[Restore] = []
        self.requests: Counter[str] = Counter()
        """Requests by call: start, workflow, list, execution, restore, other."""
        self.answers: Counter[str] = Counter()
        """Answers by status and code, such as `503 SlowDown`. A fault without an answer counts by its name."""
        self.most_running = 0
        """The most executions of these starts that ran at a time."""
        self._ends: list[float] = []
        """When the executions that run will end, as a heap."""
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._repeated: dict[tuple[str, str, str], int] = {}
        self._file = None if path is None else _open(path)

    def commit(self, name: str, bucket: str, object_: str, inputs: Json, started_at: str) -> None:
        """Record a start. On return it is in the file too, where readers see it even if this process is killed."""
        start = Start(name, bucket, object_, _canonical(inputs or {}), started_at)
        self._append(start._asdict())
        self.starts.append(start)
        self._counts[start.content] += 1
        if self._counts[start.content] > 1:
            self._repeated[start.content] = self._counts[start.content]

    def runs(self, now: float, ends_at: float) -> None:
        """Note that an execution runs from now on. Times are POSIX seconds."""
        while self._ends and self._ends[0] <= now:
            heappop(self._ends)
        heappush(self._ends, ends_at)
        self.most_running = max(self.most_running, len(self._ends))

    def commit_restore(self, restore: Restore) -> None:
        """Record that an execution was restored. On return it is in the file too."""
        self._append(restore._asdict())
        self.restores.append(restore)

    def _append(self, document: Json) -> None:
        if self._file is not None:
            os.write(self._file, json.dumps(document, ensure_ascii=False).encode() + b"\n")

    def counts(self) -> Counter[tuple[str, str, str]]:
        """Return how often each (bucket, object, inputs) was started."""
        return self._counts.copy()

    def summary(self) -> dict[str, Json]:
        """Return the number of starts, of different ones, of those that ran at a time, and what was started twice.

        Also the number of requests by call, of answers by kind, and of restores if there were any.
        """
        restores = {"restores": len(self.restores)} if self.restores else {}
        twice = [[bucket, object_, count] for (bucket, object_, _), count in self._repeated.items()]
        return {
            "starts": len(self.starts),
            "distinct": len(self._counts),
            "most_running": self.most_running,
            "twice": twice[:MAX_TWICE],
            "requests": dict(self.requests),
            "answers": dict(self.answers),
            **restores,
        }

    def closing_line(self) -> str:
        """Return a one-line summary for people."""
        requests, starts = counted(self.requests.total(), "request"), counted(len(self.starts), "start")
        return f"{requests}, {starts}, {len(self._counts):,} distinct, {len(self._repeated):,} started twice"

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _is_database(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_DATABASE)) == _DATABASE


def _open(path: Path) -> int:
    """Open the file for appending, so that it is never truncated. It names objects, so only its owner can read it."""
    try:
        if _is_database(path):
            raise DiskError(
                f"{path}: this is a database, such as the ledger of batcher run, and starts are appended as text",
                "Name another file with --ledger; in batcher.toml, in a table [emulator] of its own.",
            )
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        raise DiskError(
            f"{path}: the ledger cannot be opened: {error.strerror}", "Name another file with --ledger."
        ) from error
