"""The kept connections: a start goes out as one write on a connection that is held for the next one.

ClientSession makes a dozen objects for each request and asks every hook; for a million starts that is most of the
work. Its connector and its parser, which are what matters of it, are used here directly. Beyond aiohttp's documented
interface this is known: `Connection.protocol`, and of that `set_response_params`, `read` and `should_close`; that a
parser, once set, reads one answer after another; and that `StreamReader._buffer` holds the parts of a body.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic

import aiohttp
from yarl import URL

from batcher.edges.transport.body import read_body
from batcher.edges.transport.limit import TimeLimit
from batcher.model import Reply

CONNECT_SECONDS = 8.0
"""How long a request may wait for its connection, the TLS handshake and a place among the connections included."""
IDLE_SECONDS = 15.0
"""How long a kept connection may idle. Under the server's patience: a connection it drops would put a row in doubt."""

SMALL = 1 << 12
"""Bytes of a body that never make aiohttp pause the reading of a connection, not even in chunks of one byte."""

_INFORMATION = range(100, 200)
_SWITCHED = 101


@dataclass(slots=True)
class Mark:
    """Whether a byte of one request may have left."""

    sent: bool = False


class KeptConnections:
    """Connections to one origin, each used by one request at a time; as many as there are requests at once.

    `fixed` are the headers of every request. The connector is its owner's to close, after this.
    """

    def __init__(
        self, connector: aiohttp.BaseConnector, origin: URL, fixed: Mapping[str, str], limits: aiohttp.ClientTimeout
    ) -> None:
        self._connector = connector
        self._limits = limits
        # What the connector wants to know of a request: where it goes.
        self._route = aiohttp.ClientRequest("POST", origin, loop=asyncio.get_running_loop())
        self._fixed = {"Host": origin.host_port_subcomponent or "", **fixed}
        self._idle: list[tuple[aiohttp.connector.Connection, float]] = []
        self._limit = TimeLimit(limits.total or math.inf)
        self._head = b""
        self._head_of: tuple[str, Mapping[str, str]] | None = None

    async def post(self, target: str, headers: Mapping[str, str], body: bytes, mark: Mark) -> Reply | None:
        """Send one request and read its answer; None where that is too large. Raises what aiohttp raises.

        The mark is set before the first byte is written, and not before the connection is known to be open.
        """
        message = b"%s%d\r\n\r\n%s" % (self._composed(target, headers), len(body), body)
        connection = self._take() or await self._open()
        try:
            reply, is_open = await self._exchange(connection, message, mark)
        except BaseException:
            connection.close()
            raise
        if is_open:
            self._idle.append((connection, monotonic()))
        else:
            connection.close()
        return reply

    def close(self) -> None:
        """Close the connections that no request uses; one in use is closed by its request."""
        self._limit.close()
        while self._idle:
            self._idle.pop()[0].close()

    async def _open(self) -> aiohttp.connector.Connection:
        connection = await self._connector.connect(self._route, traces=[], timeout=self._limits)
        if connection.protocol is not None:
            connection.protocol.set_response_params(read_until_eof=True, auto_decompress=False)
        return connection

    def _take(self) -> aiohttp.connector.Connection | None:
        """Take the connection that was used last, if it is open and nothing has arrived on it meanwhile."""
        while self._idle:
            connection, since = self._idle.pop()
            protocol = connection.protocol
            is_fresh = monotonic() - since <= IDLE_SECONDS
            if is_fresh and protocol is not None and protocol.is_connected() and not protocol.should_close:
                return connection
            connection.close()
        return None

    def _composed(self, target: str, headers: Mapping[str, str]) -> bytes:
        """Write the request up to its length. The starts of one second share their headers, and so this."""
        if self._head_of is None or self._head_of[1] is not headers or self._head_of[0] != target:
            fields = {**self._fixed, **headers}
            lines = [f"POST {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
            if not all(line.isprintable() for line in lines):
                raise ValueError("a header holds a control character")
            self._head = "".join(f"{line}\r\n" for line in lines).encode("ascii") + b"Content-Length: "
            self._head_of = (target, headers)
        return self._head

    async def _exchange(
        self, connection: aiohttp.connector.Connection, message: bytes, mark: Mark
    ) -> tuple[Reply | None, bool]:
        """Write a request and read its answer. Tell whether the connection may be used again."""
        protocol, transport = connection.protocol, connection.transport
        if protocol is None or transport is None or transport.is_closing():
            raise aiohttp.ClientConnectionResetError("Cannot write to closing transport")
        mark.sent = True
        transport.write(message)
        self._limit.begin(transport)
        try:
            try:
                head, content = await protocol.read()
                while head.code in _INFORMATION and head.code != _SWITCHED:
                    head, content = await protocol.read()
                # Nearly every answer has come whole with its head, and is small.
                body = _whole(content) if content.is_eof() else None
                if body is None:
                    body = await read_body(content)
            finally:
                is_in_time = self._limit.end(transport)
        except Exception as error:
            if is_in_time:
                raise
            raise TimeoutError from error
        if not is_in_time:
            # The abort looked like the end of a body that ends with its connection.
            raise TimeoutError
        if body is None:
            return None, False
        return tuple.__new__(Reply, (head.code, head.headers, body)), not head.should_close


def _whole(content: aiohttp.StreamReader) -> bytes | None:
    """Give a body that is there, and so small that its reading was not paused: then nothing has to be resumed."""
    if content is aiohttp.EMPTY_PAYLOAD:
        return b""
    return b"".join(content._buffer) if content.total_bytes <= SMALL else None  # noqa: SLF001 - pinned, see above
