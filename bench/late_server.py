"""A server that answers every start after a fixed time, counts starts, and records when the first one arrived.

`python late_server.py PORT SECONDS` prints its URL, and on the first start the time on the monotonic clock, which all
processes on a machine share. GET returns the count, the times of the first start and of the last answer, and the total
number of seconds by which answers were late.
"""

from __future__ import annotations

import asyncio
import json
import re
import resource
import secrets
import sys
import time
from typing import cast

import uvloop
from workload import ANSWER, NAME

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_HEAD_END = b"\r\n\r\n"


class Log:
    """A record of what has been served."""

    def __init__(self) -> None:
        self.served = 0
        self.first: float | None = None
        self.last: float | None = None
        self.lateness = 0.0

    def arrived(self) -> float:
        """Return the current time. For the first start, print it too."""
        now = time.monotonic()
        if self.first is None:
            self.first = now
            print(now, flush=True)
        return now

    def answered(self, due: float) -> None:
        """Count an answer that was due at the time `due`."""
        self.served += 1
        self.last = time.monotonic()
        self.lateness += self.last - due


class Connection(asyncio.Protocol):
    """One connection. The client waits for an answer before it sends the next request."""

    def __init__(self, log: Log, seconds: float) -> None:
        self._log = log
        self._seconds = seconds
        self._received = b""
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        # uvloop's transports are not subclasses of asyncio's.
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer a complete request: a GET at once, any other after the fixed time."""
        self._received += data
        head, end, rest = self._received.partition(_HEAD_END)
        length = _LENGTH.search(head)
        if not end or len(rest) < (int(length[1]) if length else 0):
            return
        self._received = b""
        if head.startswith(b"GET "):
            self._transport.write(_message(json.dumps(vars(self._log)).encode()))
            return
        due = self._log.arrived() + self._seconds
        if self._seconds:
            asyncio.get_running_loop().call_later(self._seconds, self._answer, due)
        else:
            self._answer(due)

    def _answer(self, due: float) -> None:
        if not self._transport.is_closing():
            self._transport.write(_STARTED.replace(_NAME, secrets.token_hex(_DIGITS // 2).encode()))
            self._log.answered(due)


def _message(content: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
        len(content),
        content,
    )


_DIGITS = 32
_NAME = b"n" * _DIGITS
_STARTED = _message(ANSWER.replace(NAME, _NAME.decode()).encode())


async def serve(port: int, seconds: float) -> None:
    """Serve until the process is stopped, with `seconds` before each answer."""
    log = Log()
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(log, seconds), "127.0.0.1", port, backlog=4096
    )
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    uvloop.run(serve(int(sys.argv[1]), float(sys.argv[2])))
