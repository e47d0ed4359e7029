"""Sends any request exactly once: starts on kept connections, all others through aiohttp's ClientSession.

Whether a byte of the request may have left decides if a row is in doubt. A mark answers that, which is set before the
first write, not the type of the exception.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from batcher import __version__
from batcher.edges.transport.body import read_body
from batcher.edges.transport.kept import CONNECT_SECONDS, IDLE_SECONDS, KeptConnections
from batcher.edges.transport.losses import Losses
from batcher.edges.transport.trust import authorities, trusting
from batcher.model import Lost, Reply
from batcher.rules.service.proxies import Proxy, proxy_for

_HEADERS = {"User-Agent": f"batcher/{__version__}", "Accept-Encoding": "identity"}
_NOT_ADDED = ("Accept", "Content-Type")
_NEXT_DOOR = frozenset({"localhost", "127.0.0.1", "::1", "169.254.169.254"})
"""Hosts that are never reached through a proxy. The last is the metadata service, which issues credentials."""


@asynccontextmanager
async def connect(
    endpoint: str,
    *,
    connections: int,
    timeout: float,  # noqa: ASYNC109 - of each request, not of this call
    verify_tls: bool | Path = True,
    ssl_context: ssl.SSLContext | None = None,
) -> AsyncIterator[Transport]:
    """Make a transport to `endpoint` (`scheme://host[:port]`) with at most `connections` connections.

    `timeout` is for a whole request, in seconds. `verify_tls` is whether to verify the certificate, or a file of
    authorities to trust beside the system's; `ssl_context` replaces these. Nothing is sent yet: a wrong endpoint shows
    in the first answer. Raises UsageError for a proxy or a file of authorities that cannot be used.
    """
    origin = URL(endpoint)
    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(_set_mark)
    limits = aiohttp.ClientTimeout(total=timeout, connect=min(CONNECT_SECONDS, timeout))
    trusted = ssl_context or (trusting(verify_tls) if isinstance(verify_tls, Path) else verify_tls)
    proxy = proxy_to(endpoint)
    if trusted is True and (origin.scheme == "https" or (proxy is not None and proxy.url.startswith("https:"))):
        trusted = authorities()
    async with (
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections, keepalive_timeout=IDLE_SECONDS, ssl=trusted),
            timeout=limits,
            headers=_HEADERS,
            skip_auto_headers=_NOT_ADDED,
            cookie_jar=aiohttp.DummyCookieJar(),
            # An answer that is compressed without being asked for stays so: a small answer cannot become a large one.
            auto_decompress=False,
            proxy=proxy and proxy.url,
            trace_configs=[trace],
            middlewares=(_once,),
        ) as session,
        aiohttp.TCPConnector(limit=connections, ssl=trusted) as connector,
    ):
        losses = Losses(origin, limits, proxy)
        # Only the session knows how to send a request through a proxy.
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
        """Send one request, once. Redirects are not followed and cookies are not kept.

        `target` is the encoded path with its query. `target` and `headers` are sent byte for byte. Host, User-Agent,
        Accept-Encoding and Content-Length are added.
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
        except Exception as error:  # noqa: BLE001 - after any error the row may have been sent
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
    # aiohttp calls this when the connection is open, before it composes the headers. What it writes to open a
    # connection (to a proxy, or for TLS) is not part of the request and does not set the mark.
    context.trace_request_ctx.sent = True


class _SendError(Exception):
    """Passes an exception of aiohttp through aiohttp."""

    def __init__(self, cause: Exception) -> None:
        super().__init__()
        self.cause = cause


async def _once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    # aiohttp resends GET and PUT by itself when a kept connection breaks. It does so only for its own exceptions. A
    # redrive is a PUT and must not be sent twice.
    try:
        return await send(request)
    except Exception as error:
        raise _SendError(error) from error


def proxy_to(endpoint: str) -> Proxy | None:
    """Return the proxy through which an endpoint is reached, by the environment or the system; None for local hosts.

    It is looked up once. aiohttp's `trust_env` looks it up in a thread for each request, and also reads `.netrc`, where
    an entry for the host would conflict with the signature. Raises UsageError for a proxy that cannot be used.
    """
    url = URL(endpoint)
    host = url.host or ""
    if host in _NEXT_DOOR or proxy_bypass(host):
        return None
    return proxy_for(url.scheme, host, url.port or 0, getproxies())
