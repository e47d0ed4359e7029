"""Kept connections: a start goes out as one write on a connection that stays open for the next one.

ClientSession creates a dozen objects for each request and calls every hook, which is most of the work for a million
starts. This module uses the connector and the parser of aiohttp directly.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from time import monotonic

import aiohttp
from aiohttp.hdrs import AUTHORIZATION
from yarl import URL

from batcher.edges.transport.heads import WholeAnswers
from batcher.edges.transport.losses import Losses
from batcher.edges.transport.time_limit import TimeLimit
from batcher.edges.transport.wire import Wire
from batcher.model import Lost, Reply

CONNECT_SECONDS = 8.0
"""Seconds in which a request must get a connection, including the TLS handshake and waiting for a free place."""
IDLE_SECONDS = 15.0
"""Seconds a kept connection may be idle. Less than the server's limit: if it closes first, a row may end in doubt."""

MOST_LENGTHS = 64
"""The number of lengths of bodies for which heads are kept. Those of a second's rows are much the same."""


class KeptConnections:
    """Connections to one origin. Each carries one request at a time; there are as many as concurrent requests.

    `fixed` are the headers of every request. `losses` explains requests without an answer. The owner of the connector
    closes it, after closing this object.
    """

    def __init__(
        self,
        connector: aiohttp.BaseConnector,
        origin: URL,
        fixed: Mapping[str, str],
        limits: aiohttp.ClientTimeout,
        losses: Losses,
    ) -> None:
        self._connector = connector
        self._limits = limits
        self._losses = losses
        # What the connector needs to know of a request: its destination.
        self._route = aiohttp.ClientRequest("POST", origin, loop=asyncio.get_running_loop())
        self._fixed = {"Host": origin.host_port_subcomponent or "", **fixed}
        self._answers = WholeAnswers()
        self._idle: list[Wire] = []
        self._limit = TimeLimit(limits.total or math.inf)
        self._head = b""
        self._heads: dict[int, bytes] = {}
        """What follows from `_head` for bodies of some lengths."""
        self._head_of: tuple[str, Mapping[str, str]] | None = None
        self._start = b""
        self._start_of: tuple[str, Mapping[str, str]] | None = None

    async def post(self, target: str, headers: Mapping[str, str], body: bytes) -> Reply | Lost:
        """Send one request and read its answer."""
        wire: Wire | None = None
        try:
            message = self._composed(target, headers, len(body)) + body
            now = monotonic()
            wire = self._take(now)
            if wire is None:
                wire, now = await self._open(), monotonic()
            return await wire.ask(message, now) or self._losses.too_large
        except Exception as error:  # noqa: BLE001 - after any error the row may have been sent
            return self._losses.lost(error, is_sent=wire is not None and wire.has_sent)
        finally:
            if wire is not None:
                if wire.is_free:
                    self._idle.append(wire)
                else:
                    self._drop(wire)

    def close(self) -> None:
        """Close the idle connections. A connection in use is closed by its request."""
        self._limit.close()
        while self._idle:
            self._drop(self._idle.pop())

    async def _open(self) -> Wire:
        wire = Wire(await self._connector.connect(self._route, traces=[], timeout=self._limits), self._answers)
        self._limit.add(wire)
        return wire

    def _take(self, now: float) -> Wire | None:
        """Take the connection used last, if it is open and no data has arrived on it since."""
        while self._idle:
            wire = self._idle.pop()
            # It has been idle for at most the time since its last request.
            if wire.is_free and now - wire.asked_at <= IDLE_SECONDS:
                return wire
            self._drop(wire)
        return None

    def _drop(self, wire: Wire) -> None:
        self._limit.remove(wire)
        wire.close()

    def _composed(self, target: str, headers: Mapping[str, str], length: int) -> bytes:
        """Write the head of a request whose body has this length. Starts that share their headers share most of it.

        If their signatures cover their bodies, the starts of one second have all lines but the last in common.
        """
        if self._head_of is None or self._head_of[1] is not headers or self._head_of[0] != target:
            common = {name: value for name, value in headers.items() if name != AUTHORIZATION}
            if self._start_of != (target, common):
                self._start = _lines([f"POST {target} HTTP/1.1", *_fields({**self._fixed, **common})])
                self._start_of = (target, common)
            own = _fields({AUTHORIZATION: headers[AUTHORIZATION]}) if AUTHORIZATION in headers else []
            self._head = self._start + _lines(own) + b"Content-Length: "
            self._head_of = (target, headers)
            self._heads = {}
        head = self._heads.get(length)
        if head is None:
            head = b"%s%d\r\n\r\n" % (self._head, length)
            if len(self._heads) < MOST_LENGTHS:
                self._heads[length] = head
        return head


def _fields(headers: Mapping[str, str]) -> list[str]:
    return [f"{name}: {value}" for name, value in headers.items()]


def _lines(lines: list[str]) -> bytes:
    """Write lines of a head. Raises ValueError if one is no line."""
    if not all(line.isprintable() for line in lines):
        raise ValueError("a header contains a control character")
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")
