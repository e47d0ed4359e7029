"""The session: sends any request exactly once, starts on kept connections, all others through aiohttp's ClientSession.

The question that matters, whether a byte of the request may have left, is answered by a mark that is set before the
first write, not by the kind of the exception.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from types import SimpleNamespace
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from batcher import __version__
from batcher.edges.transport.body import read_body
from batcher.edges.transport.kept import CONNECT_SECONDS, IDLE_SECONDS, KeptConnections
from batcher.edges.transport.losses import Losses
from batcher.model import Lost, Reply

_HEADERS = {"User-Agent": f"batcher/{__version__}", "Accept-Encoding": "identity"}
_NOT_ADDED = ("Accept", "Content-Type")
_NEXT_DOOR = frozenset({"localhost", "127.0.0.1", "::1", "169.254.169.254"})
"""Hosts that no proxy may stand before; the last is the metadata service, which hands out keys."""


@asynccontextmanager
async def connect(
    endpoint: str,
    *,
    connections: int,
    timeout: float,  # noqa: ASYNC109 - of each request, not of this call
    verify_tls: bool = True,
    ssl_context: ssl.SSLContext | None = None,
) -> AsyncIterator[Transport]:
    """Make a transport to `endpoint` (`scheme://host[:port]`) with at most `connections` connections.

    `timeout` is for a whole request, in seconds. `ssl_context` says whom to trust instead of the system's list.
    Nothing is sent yet: what is wrong with the endpoint shows in the first answer.
    """
    origin = URL(endpoint)
    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(_set_mark)
    limits = aiohttp.ClientTimeout(total=timeout, connect=min(CONNECT_SECONDS, timeout))
    trusted = ssl_context or verify_tls
    proxy = _proxy(origin)
    async with (
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections, keepalive_timeout=IDLE_SECONDS, ssl=trusted),
            timeout=limits,
            headers=_HEADERS,
            skip_auto_headers=_NOT_ADDED,
            cookie_jar=aiohttp.DummyCookieJar(),
            # What comes compressed, although not asked for, stays so: a small answer cannot become a large one.
            auto_decompress=False,
            proxy=proxy,
            trace_configs=[trace],
            middlewares=(_once,),
        ) as session,
        aiohttp.TCPConnector(limit=connections, ssl=trusted) as connector,
    ):
        losses = Losses(origin, limits)
        # How a request goes through a proxy is the session's own knowledge.
        kept = None if proxy else KeptConnections(connector, origin, _HEADERS, limits, losses)
        try:
            yield Transport(session, kept, origin, losses)
        finally:
            if kept is not None:
                kept.close()


class Mark:
    """Whether a byte of one request may have left."""

    sent = False


class Transport:
    """Sends requests to one endpoint over kept connections. Made by `connect`."""

    def __init__(
        self, session: aiohttp.ClientSession, kept: KeptConnections | None, origin: URL, losses: Losses
    ) -> None:
        self._session = session
        self._kept = kept
        self._base = str(origin.origin())
        self._losses = losses

    def send(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> Awaitable[Reply | Lost]:
        """Send one request, once. Redirects are not followed and cookies not kept.

        `target` is the path with its query, encoded: it goes out byte for byte, and so do `headers`. Added to them are
        Host, User-Agent, Accept-Encoding and Content-Length.
        """
        if self._kept is not None and method == "POST":
            return self._kept.post(target, headers, body or b"")
        return self._send_by_session(method, target, headers, body)

    async def _send_by_session(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | None
    ) -> Reply | Lost:
        mark = Mark()
        try:
            return await self._ask(method, target, headers, body, mark) or self._losses.too_large
        except _SendError as error:
            return self._losses.lost(error.cause, is_sent=mark.sent)
        except Exception as error:  # noqa: BLE001 - whatever a library raises, the row may have been sent
            return self._losses.lost(error, is_sent=mark.sent)

    async def _ask(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | None, mark: Mark
    ) -> Reply | None:
        async with self._session.request(
            method,
            URL(self._base + target, encoded=True),
            headers=headers,
            data=body,
            allow_redirects=False,
            trace_request_ctx=mark,
        ) as response:
            content = await read_body(response.content)
            return None if content is None else Reply(response.status, response.headers, content)


async def _set_mark(_session: aiohttp.ClientSession, context: SimpleNamespace, _: object) -> None:
    # aiohttp calls this when the connection is there and before the headers are even composed. What it writes to open
    # a connection (to a proxy, for TLS) is no part of the request and does not come this way.
    context.trace_request_ctx.sent = True


class _SendError(Exception):
    """Carries what aiohttp raised past aiohttp."""

    def __init__(self, cause: Exception) -> None:
        super().__init__()
        self.cause = cause


async def _once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    # aiohttp sends GET and PUT again by itself when a kept connection breaks. It does so for its own exceptions only:
    # a redrive is a PUT, and must not be done twice.
    try:
        return await send(request)
    except Exception as error:
        raise _SendError(error) from error


def _proxy(endpoint: URL) -> str | None:
    """Give the proxy that HTTPS_PROXY or HTTP_PROXY names, unless NO_PROXY excepts the host; never for the next door.

    It is looked up once. aiohttp's `trust_env` does it in a thread for each request, and reads `.netrc` too: an entry
    for the host there collides with our signature.
    """
    host = endpoint.host or ""
    if host in _NEXT_DOOR or proxy_bypass(host):
        return None
    return getproxies().get(endpoint.scheme)
