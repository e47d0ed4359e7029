"""The ledger: what truly started, whatever the client was told. In memory, and line by line in a file on request.

It is the judge of the crash tests, so a start stands in it before a single byte of an answer leaves.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from batcher.errors import DiskError
from batcher.model import Json

MAX_TWICE = 100
"""How many objects the summary names."""

_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


class Start(NamedTuple):
    """One start: `inputs` is canonical JSON (sorted names, no spaces), `{}` where there were none."""

    execution_name: str
    bucket: str
    object: str
    inputs: str
    started_at: str

    @property
    def content(self) -> tuple[str, str, str]:
        """What makes two starts the same."""
        return (self.bucket, self.object, self.inputs)


class Ledger:
    """Keeps the starts in their order, and counts requests and answers. It appends to `path` where there is one.

    Only starts through the API are in it, not the executions that others are made to have started.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Open the file. Raises DiskError where that fails."""
        self.starts: list[Start] = []
        self.requests: Counter[str] = Counter()
        """By what was asked: start, workflow, list, execution, restore, other."""
        self.answers: Counter[str] = Counter()
        """By status and code, such as `503 SlowDown`; a fault without an answer by its name."""
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._repeated: dict[tuple[str, str, str], int] = {}
        self._file = None if path is None else _open(path)

    def commit(self, name: str, bucket: str, object_: str, inputs: Json, started_at: str) -> None:
        """Note a start; on return it is in the file too, where a reader sees it even if this process is killed."""
        start = Start(name, bucket, object_, _canonical(inputs or {}), started_at)
        if self._file is not None:
            os.write(self._file, json.dumps(start._asdict(), ensure_ascii=False).encode() + b"\n")
        self.starts.append(start)
        self._counts[start.content] += 1
        if self._counts[start.content] > 1:
            self._repeated[start.content] = self._counts[start.content]

    def counts(self) -> Counter[tuple[str, str, str]]:
        """Give how often each bucket, object and inputs was started."""
        return self._counts.copy()

    def summary(self) -> dict[str, Json]:
        """Give the number of starts, of different ones, and what was started more than once (the first hundred).

        And how often what was asked for, and what was answered.
        """
        twice = [[bucket, object_, count] for (bucket, object_, _), count in self._repeated.items()]
        return {
            "starts": len(self.starts),
            "distinct": len(self._counts),
            "twice": twice[:MAX_TWICE],
            "requests": dict(self.requests),
            "answers": dict(self.answers),
        }

    def closing_line(self) -> str:
        """Sum up for a person."""
        counts = (self.requests.total(), len(self.starts), len(self._counts), len(self._repeated))
        return "{} requests, {} starts, {} distinct, {} started twice".format(*counts)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _open(path: Path) -> int:
    """Open for appending: a ledger is never cut. It names customers' objects, so nobody else may read it."""
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        reason = f"the ledger {path} cannot be opened: {error.strerror}"
        raise DiskError(reason, "Name another --ledger file.") from error
