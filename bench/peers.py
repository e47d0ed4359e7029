"""The clients: each starts so many rows on a server, as a process of its own, and is held to have done so.

A client is right when it ended well, the server counted as many requests as there are rows, and the client's own
account (its records, its count of good answers) says the same.
"""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, Protocol

from running import BenchError, Usage, pinned, run, tool
from workload import KEYS, PATH, WORKFLOW, body, write_manifest

HERE = Path(__file__).parent
BATCHER = str(Path(sys.executable).with_name("batcher"))
SLOWEST = 200.0
"""Rows a second below which a client is taken to hang."""
LAUNCH_SECONDS = 120.0
_OWN = ("OBS_", "HUAWEICLOUD_", "HW_", "BATCHER_", "SSL_CERT_", "PYTHON")
"""The caller's own settings: of jobs, and of Python, which can be told to compile everything anew at each launch."""
_HEY_ANSWERED = re.compile(r"\[200\]\s+(\d+) responses")


class Server(Protocol):
    """What a client has to know of a server."""

    url: str

    @property
    def trust(self) -> Mapping[str, str]:
        """Give what the environment needs for its certificate."""

    def served(self) -> int:
        """Count what it has served."""


class Load(NamedTuple):
    """How much is started, over how many connections, on which core (None: any)."""

    rows: int
    connections: int = 64
    core: int | None = None


Client = Callable[[Path, Server, Load], Usage]


def batcher(folder: Path, server: Server, load: Load) -> Usage:
    """Run the real command: CSV in, records out, checkpoint kept, progress told. New files for each run."""
    source = manifest(folder, load.rows)
    with TemporaryDirectory(dir=folder) as name, _answering(server, load.rows, questions=1):
        files = Path(name)
        command = pinned(run_command(source, server, files, load.connections), load.core)
        usage = run(command, files / "log", environment=environment(server), timeout=limit(load.rows))
        check_records(files / "records.jsonl", load.rows)
    return usage


def bare_loop(folder: Path, server: Server, load: Load) -> Usage:
    """Run the bare `ClientSession.post` loop."""
    return _python("bare_loop.py", folder, server, load)


def sdk_loop(folder: Path, server: Server, load: Load) -> Usage:
    """Run the official SDK as it comes, a thread for each connection."""
    return _python("sdk_loop.py", folder, server, load)


def sdk_loop_kept(folder: Path, server: Server, load: Load) -> Usage:
    """Run the official SDK, told to keep its connections."""
    return _python("sdk_loop.py", folder, server, load, "kept")


def hey(folder: Path, server: Server, load: Load) -> Usage:
    """Run hey. Each of its workers sends equally many, so `rows` must be a multiple of `connections`."""
    content = folder / "body.json"
    content.write_bytes(body(0))
    words = f"-n {load.rows} -c {load.connections} -m POST -T application/json -t 30 -D {content}".split()
    command = pinned([tool("hey"), *words, server.url + PATH], load.core)
    with _answering(server, load.rows):
        usage = run(command, folder / "hey.log", environment=environment(server), timeout=limit(load.rows))
    answered = sum(int(count) for count in _HEY_ANSWERED.findall(usage.said))
    return _checked(usage, answered, load.rows)


def run_command(source: Path, server: Server, files: Path, workers: int) -> list[str]:
    """Give the words of `batcher run` with its output and checkpoint in a folder."""
    return [
        BATCHER, "run", str(source), "-w", WORKFLOW, "-e", server.url, "--concurrency", str(workers),
        "-o", str(files / "records.jsonl"), "-c", str(files / "checkpoint"), "--progress", "line",
    ]  # fmt: skip


def environment(server: Server) -> dict[str, str]:
    """Give a client's environment: nothing of the caller's own, made-up keys, whom to trust."""
    return inherited() | KEYS | dict(server.trust)


def inherited() -> dict[str, str]:
    """Give the environment without the caller's own settings."""
    return {name: text for name, text in os.environ.items() if not name.startswith(_OWN)}


def manifest(folder: Path, rows: int) -> Path:
    """Give the manifest of so many rows, made at the first call."""
    path = folder / f"{rows}.csv"
    if not path.exists():
        write_manifest(path, rows)
    return path


def check_records(records: Path, rows: int) -> None:
    """Raise BenchError unless there is one record for each row and each says that it is started."""
    found: Counter[bool] = Counter()
    with records.open("rb") as lines:
        found.update(b'"status":"started"' in line for line in lines)
    if found != {True: rows}:
        raise BenchError(f"{rows} rows, but {found.total()} records, {found[True]} of them started")


def limit(rows: int) -> float:
    """Give the seconds after which a client with so many rows is ended."""
    return LAUNCH_SECONDS + rows / SLOWEST


def _python(script: str, folder: Path, server: Server, load: Load, *options: str) -> Usage:
    words = [sys.executable, str(HERE / script), server.url, str(load.rows), str(load.connections), *options]
    log = folder / f"{script}.log"
    with _answering(server, load.rows):
        usage = run(pinned(words, load.core), log, environment=environment(server), timeout=limit(load.rows))
    return _checked(usage, int(usage.said.split()[-1]), load.rows)


def _checked(usage: Usage, answered: int, rows: int) -> Usage:
    if answered != rows:
        raise BenchError(f"{rows} requests, but the client counts {answered} good answers: {usage.said[-2000:]}")
    return usage


@contextmanager
def _answering(server: Server, rows: int, questions: int = 0) -> Iterator[None]:
    """Hold the server's count of what it served in the block against the rows.

    A client may ask some `questions` besides: batcher asks for the workflow, once. Not every server counts those.
    """
    before = server.served()
    yield
    served = server.served() - before
    if not rows <= served <= rows + questions:
        raise BenchError(f"{rows} rows, but the server served {served} requests")
