"""The servers for the benchmarks, each in its own process, stopped by its id.

nginx answers at once, over HTTP or TLS, and is much faster than any client here. The late server (late_server.py)
answers after a fixed time and records when the first request arrived. Both count requests.
"""

from __future__ import annotations

import json
import re
import select
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from running import BenchError, pinned, run, running, tool

LATE_SERVER = Path(__file__).with_name("late_server.py")
READY_SECONDS = 15.0
_PAUSE = 0.02

# Keep-alive connections never expire, nothing is logged, and request bodies are discarded.
NGINX = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    scgi_temp_path {folder}/scgi;
    uwsgi_temp_path {folder}/uwsgi;
    server {{ listen 127.0.0.1:{status_port}; location / {{ stub_status; }} }}
    server {{
        listen 127.0.0.1:{port}{tls};
        default_type application/json;
        location / {{ return 200 '{answer}'; }}
    }}
}}
"""
TLS = """ ssl;
        ssl_certificate {folder}/server.pem;
        ssl_certificate_key {folder}/server.key;
        ssl_protocols TLSv1.2 TLSv1.3"""
_REQUESTS = re.compile(r"requests\s+\d+ \d+ (\d+)")


class Nginx:
    """A running nginx. `trust` are the environment variables a client needs to trust its certificate."""

    def __init__(self, url: str, status_url: str, trust: Mapping[str, str]) -> None:
        self.url = url
        self.trust = trust
        self._status_url = status_url
        self._asked = 0

    def served(self) -> int:
        """Count the requests served so far, without those of this method."""
        self._asked += 1
        found = _REQUESTS.search(_get(self._status_url))
        if found is None:
            raise BenchError("nginx does not report how many requests it has served")
        return int(found[1]) - self._asked


@contextmanager
def nginx(folder: Path, answer: str, *, tls: bool = False, core: int | None = None) -> Iterator[Nginx]:
    """Run nginx in its own folder, on one core if given. It answers every request with 200 and `answer`."""
    folder.mkdir(exist_ok=True)
    port, status_port = _free_ports()
    if tls:
        run([sys.executable, "-m", "trustme", "-q", "-d", str(folder), "-i", "127.0.0.1"], folder / "trustme.log")
    configuration = folder / "nginx.conf"
    listen = TLS.format(folder=folder) if tls else ""
    configuration.write_text(NGINX.format(folder=folder, port=port, status_port=status_port, tls=listen, answer=answer))
    command = [tool("nginx"), "-p", str(folder), "-c", str(configuration), "-e", "stderr"]
    with running(pinned(command, core), folder / "nginx.log") as process:
        _wait_for_port(port, process, folder / "nginx.log")
        trust = {"SSL_CERT_FILE": str(folder / "client.pem")} if tls else {}
        yield Nginx(f"http{'s' if tls else ''}://127.0.0.1:{port}", f"http://127.0.0.1:{status_port}/", trust)


class Served(NamedTuple):
    """What a late server has done. The times are those of time.monotonic, None before the first start.

    `lateness` is the total number of seconds by which answers were late.
    """

    served: int
    first: float | None
    last: float | None
    lateness: float

    @property
    def rate(self) -> float:
        """Starts per second, from the arrival of the first to the answer of the last."""
        if self.first is None or self.last is None or self.last <= self.first:
            raise BenchError("too few requests to measure a rate")
        return self.served / (self.last - self.first)


class Late:
    """A running late server."""

    trust: Mapping[str, str] = {}

    def __init__(self, url: str, process: subprocess.Popen[bytes]) -> None:
        self.url = url
        self._process = process

    def served(self) -> int:
        """Count the starts answered so far."""
        return self.log().served

    def log(self) -> Served:
        """Return what the server has done."""
        document: dict[str, Any] = json.loads(_get(self.url))
        return Served(**document)

    def first(self, timeout: float) -> float:
        """Wait for the first start, at most `timeout` seconds. Return its time on the clock of time.monotonic."""
        return float(_line(self._process, timeout))


@contextmanager
def late(folder: Path, seconds: float, port: int = 0) -> Iterator[Late]:
    """Run a late server that waits `seconds` before each answer. Port 0 takes any free port."""
    command = [sys.executable, str(LATE_SERVER), str(port), str(seconds)]
    with running(command, folder / "late.log") as process:
        yield Late(_line(process, READY_SECONDS), process)


def _line(process: subprocess.Popen[bytes], timeout: float) -> str:
    assert process.stdout is not None  # noqa: S101 - `running` makes it a pipe
    if not select.select([process.stdout], [], [], timeout)[0]:
        raise BenchError(f"the server printed nothing within {timeout:.0f} s")
    line = process.stdout.readline().decode().strip()
    if not line:
        raise BenchError("the server has exited")
    return line


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=READY_SECONDS) as answer:  # noqa: S310 - our own server
        return str(answer.read().decode())


def _free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


def _wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=READY_SECONDS).close()
        except OSError:
            time.sleep(_PAUSE)
        else:
            return
    raise BenchError(f"nginx cannot start: {log.read_text()[-2000:]}")
