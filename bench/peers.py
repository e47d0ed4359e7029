"""The clients: each starts a number of rows on a server, in its own process, and is checked.

A client passes if it exits without an error, the server counted as many requests as there are rows, and the client's
own result (its records, or its count of good answers) agrees.
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
from workload import KEYS, PATH, V3_PROJECT, WORKFLOW, body, write_manifest

HERE = Path(__file__).parent
BATCHER = str(Path(sys.executable).with_name("batcher"))
SLOWEST = 200.0
"""Rows per second below which a client counts as hanging."""
LAUNCH_SECONDS = 120.0
_OWN = ("OBS_", "HUAWEICLOUD_", "HW_", "BATCHER_", "SSL_CERT_", "PYTHON")
"""Prefixes of the caller's own settings: for jobs, and for Python, which can be set to recompile at each launch."""
_HEY_ANSWERED = re.compile(r"\[200\]\s+(\d+) responses")


class Server(Protocol):
    """What a client needs to know about a server."""

    url: str

    @property
    def trust(self) -> Mapping[str, str]:
        """Return the environment variables needed to trust its certificate."""

    def served(self) -> int:
        """Count the requests served so far."""


class Load(NamedTuple):
    """How many rows to start, over how many connections, and on which core (None: any)."""

    rows: int
    connections: int = 64
    core: int | None = None


Client = Callable[[Path, Server, Load], Usage]


def batcher(folder: Path, server: Server, load: Load, more: Mapping[str, str] | None = None) -> Usage:
    """Run the real command: CSV in, records out, with checkpoint and progress. Each run has new files.

    `more` are further environment variables.
    """
    return _batcher(folder, server, load, more or {})


def batcher_v3(folder: Path, server: Server, load: Load) -> Usage:
    """Run the real command over DWR v3."""
    return _batcher(folder, server, load, {}, "--api", "dwr-v3", "--project-id", V3_PROJECT)


def _batcher(folder: Path, server: Server, load: Load, more: Mapping[str, str], *words: str) -> Usage:
    variables = environment(server) | dict(more)
    source = manifest(folder, load.rows)
    with TemporaryDirectory(dir=folder) as name, _answering(server, load.rows, questions=1):
        files = Path(name)
        command = pinned([*run_command(source, server, files, load.connections), *words], load.core)
        usage = run(command, files / "log", environment=variables, timeout=limit(load.rows))
        check_records(files / "records.jsonl", load.rows)
    return usage


def plain_batcher(folder: Path, server: Server, load: Load) -> Usage:
    """Run the real command where aiofastnet is not found."""
    hidden = folder / "without-aiofastnet"
    hidden.mkdir(exist_ok=True)
    (hidden / "aiofastnet.py").write_text("raise ImportError('hidden')\n")
    return batcher(folder, server, load, {"PYTHONPATH": str(hidden)})


def bare_loop(folder: Path, server: Server, load: Load) -> Usage:
    """Run the bare `ClientSession.post` loop."""
    return _python("bare_loop.py", folder, server, load)


def sdk_loop(folder: Path, server: Server, load: Load) -> Usage:
    """Run the official SDK with its defaults, one thread per connection."""
    return _python("sdk_loop.py", folder, server, load)


def sdk_loop_kept(folder: Path, server: Server, load: Load) -> Usage:
    """Run the official SDK, configured to keep its connections."""
    return _python("sdk_loop.py", folder, server, load, "kept")


def sdk_v3_loop(folder: Path, server: Server, load: Load) -> Usage:
    """Run the official v3 SDK with its defaults, one thread per connection."""
    return _python("sdk_v3_loop.py", folder, server, load)


def hey(folder: Path, server: Server, load: Load) -> Usage:
    """Run hey. Each of its workers sends the same number, so `rows` must be a multiple of `connections`."""
    content = folder / "body.json"
    content.write_bytes(body(0))
    words = f"-n {load.rows} -c {load.connections} -m POST -T application/json -t 30 -D {content}".split()
    command = pinned([tool("hey"), *words, server.url + PATH], load.core)
    with _answering(server, load.rows):
        usage = run(command, folder / "hey.log", environment=environment(server), timeout=limit(load.rows))
    answered = sum(int(count) for count in _HEY_ANSWERED.findall(usage.said))
    return _checked(usage, answered, load.rows)


def run_command(source: Path, server: Server, files: Path, workers: int) -> list[str]:
    """Return the command line of `batcher run` with its output and checkpoint in a folder."""
    return [
        BATCHER, "run", str(source), "-w", WORKFLOW, "-e", server.url, "--concurrency", str(workers),
        "-o", str(files / "records.jsonl"), "-c", str(files / "checkpoint"), "--progress", "line",
    ]  # fmt: skip


def environment(server: Server) -> dict[str, str]:
    """Return a client's environment: made-up credentials and the trusted certificate, without the caller's settings."""
    return inherited() | KEYS | dict(server.trust)


def inherited() -> dict[str, str]:
    """Return the environment without the caller's own settings."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(_OWN)}
    # No witness of a measured job is left in the home of the person who measures.
    return kept | {"XDG_STATE_HOME": os.devnull}


def manifest(folder: Path, rows: int) -> Path:
    """Return the manifest with this number of rows. The first call creates it."""
    path = folder / f"{rows}.csv"
    if not path.exists():
        write_manifest(path, rows)
    return path


def check_records(records: Path, rows: int) -> None:
    """Raise BenchError unless there is exactly one record per row and all of them are started."""
    found: Counter[bool] = Counter()
    with records.open("rb") as lines:
        found.update(b'"status":"started"' in line for line in lines)
    if found != {True: rows}:
        raise BenchError(f"{rows} rows, but {found.total()} records, {found[True]} of them started")


def limit(rows: int) -> float:
    """Return the seconds after which a client with this number of rows is stopped."""
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
    """Compare the number of requests that the server served in the block with the rows.

    A client may send some `questions` in addition: batcher reads the workflow once. Not every server counts those.
    """
    before = server.served()
    yield
    served = server.served() - before
    if not rows <= served <= rows + questions:
        raise BenchError(f"{rows} rows, but the server served {served} requests")
