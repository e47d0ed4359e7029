"""The HTTP edge: a request goes out exactly once, and comes back as a Reply or as the reason why there is none.

All that the project knows of aiohttp stands here. The question that matters, whether a byte of the request may have
left, is answered by a mark that is set before the first write, not by the kind of the exception.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import NamedTuple
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from batcher import __version__
from batcher.model import Fault, Lost, Reply

CONNECT_SECONDS = 10.0
"""How long a request may wait for its connection, the TLS handshake and a place among the connections included."""
IDLE_SECONDS = 15.0
"""How long a kept connection may idle. Under the server's patience: a connection it drops would put a row in doubt."""
MOST_BYTES = 1 << 20
"""The largest body that is read."""

_HEADERS = {"User-Agent": f"batcher/{__version__}", "Accept-Encoding": "identity"}
_NOT_ADDED = ("Accept", "Content-Type")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Meaning(NamedTuple):
    """What some exceptions mean: the fault where the mark was not set yet, and what to tell people.

    The errors are class names, because not every version of aiohttp that we run on has all of them.
    """

    unsent: Fault
    text: str
    errors: tuple[str, ...]


MEANINGS = (
    Meaning(
        Fault.UNTRUSTED,
        "the server's TLS certificate is not trusted: {reason}",
        ("ClientConnectorCertificateError", "SSLCertVerificationError", "ServerFingerprintMismatch"),
    ),
    Meaning(
        Fault.UNREACHED,
        "the TLS handshake failed: {reason}",
        ("ClientConnectorSSLError", "ClientSSLError", "SSLError"),
    ),
    Meaning(Fault.UNREACHED, "no address for host", ("ClientConnectorDNSError",)),
    Meaning(Fault.UNREACHED, "no connection: {reason}", ("ClientConnectorError", "UnixClientConnectorError")),
    Meaning(Fault.UNREACHED, "no connection to the proxy: {reason}", ("ClientProxyConnectionError",)),
    Meaning(Fault.UNREACHED, "the proxy does not connect to the server", ("ClientHttpProxyError",)),
    Meaning(
        Fault.UNREACHED,
        "no {awaited} within {limit:g} s",
        ("TimeoutError", "ConnectionTimeoutError", "ServerTimeoutError", "SocketTimeoutError"),
    ),
    Meaning(
        Fault.UNREACHED,
        "the connection was closed before an answer came",
        ("ServerDisconnectedError", "ServerConnectionError", "EofStream"),
    ),
    Meaning(
        Fault.UNREACHED,
        "the connection broke: {reason}",
        (
            "OSError",
            "ClientOSError",
            "ClientConnectionError",
            "ClientConnectionResetError",
            "UploadAbortedError",
        ),
    ),
    Meaning(Fault.UNREACHED, "the answer was cut off", ("ClientPayloadError", "ContentLengthError")),
    Meaning(
        Fault.UNREACHED,
        "the answer is not HTTP",
        (
            "ClientResponseError",
            "HttpProcessingError",
            "BadHttpMessage",
            "HttpBadRequest",
            "BadHttpMethod",
            "BadStatusLine",
            "InvalidHeader",
            "InvalidURLError",
            "LineTooLong",
            "PayloadEncodingError",
            "ContentEncodingError",
            "TransferEncodingError",
            "DecompressSizeError",
        ),
    ),
    Meaning(
        Fault.UNREACHED,
        "the request cannot be written",
        ("ValueError", "InvalidURL", "InvalidUrlClientError", "NonHttpUrlClientError"),
    ),
    # Of features that are not used here: redirects are not followed, and nothing is decoded, multipart or WebSocket.
    Meaning(
        Fault.LOST,
        "an answer of a kind that was not asked for",
        (
            "ClientError",
            "ContentTypeError",
            "TooManyRedirects",
            "RedirectClientError",
            "InvalidUrlRedirectClientError",
            "NonHttpUrlRedirectClientError",
            "WSServerHandshakeError",
            "WSMessageTypeError",
            "WebSocketError",
            "BadContentDispositionHeader",
            "BadContentDispositionParam",
        ),
    ),
)
_BY_ERROR = {error: meaning for meaning in MEANINGS for error in meaning.errors}
_UNKNOWN = Meaning(Fault.LOST, "an unexpected {reason}", ())


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
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=connections, keepalive_timeout=IDLE_SECONDS, ssl=ssl_context or verify_tls
        ),
        timeout=limits,
        headers=_HEADERS,
        skip_auto_headers=_NOT_ADDED,
        cookie_jar=aiohttp.DummyCookieJar(),
        # What comes compressed, although not asked for, stays so: a small answer cannot become a large one.
        auto_decompress=False,
        proxy=_proxy(origin),
        trace_configs=[trace],
        middlewares=(_once,),
    ) as session:
        yield Transport(session, origin, limits)


class Transport:
    """Sends requests to one endpoint over kept connections. Made by `connect`."""

    def __init__(self, session: aiohttp.ClientSession, origin: URL, limits: aiohttp.ClientTimeout) -> None:
        self._session = session
        self._base = str(origin.origin())
        self._peer = f"{origin.host}:{origin.port}"
        self._limits = limits

    async def send(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> Reply | Lost:
        """Send one request, once. Redirects are not followed and cookies not kept.

        `target` is the path with its query, encoded: it goes out byte for byte, and so do `headers`. Added to them are
        Host, User-Agent, Accept-Encoding and Content-Length.
        """
        mark = _Mark()
        try:
            async with self._session.request(
                method,
                URL(self._base + target, encoded=True),
                headers=headers,
                data=body,
                allow_redirects=False,
                trace_request_ctx=mark,
            ) as response:
                content = await _read(response.content)
                if content is None:
                    return Lost(Fault.LOST, f"{self._peer}: answer larger than {MOST_BYTES >> 20} MiB")
                return Reply(response.status, response.headers, content)
        except _SendError as error:
            return self._lost(error.cause, mark)
        except Exception as error:  # noqa: BLE001 - whatever a library raises, the row may have been sent
            return self._lost(error, mark)

    def _lost(self, error: Exception, mark: _Mark) -> Lost:
        if _found_closed(error):
            return Lost(Fault.UNREACHED, f"{self._peer}: the connection was closed before anything was written")
        meaning = meaning_of(error)
        # A connector's error names the host it was about: the proxy's, where there is one.
        peer = f"{error.host}:{error.port}" if isinstance(error, aiohttp.ClientConnectorError) else self._peer
        awaited, limit = ("answer", self._limits.total) if mark.sent else ("connection", self._limits.connect)
        text = meaning.text.format(reason=_reason(error), awaited=awaited, limit=limit)
        return Lost(Fault.LOST if mark.sent else meaning.unsent, f"{peer}: {text}")


@dataclass(slots=True)
class _Mark:
    """Whether a byte of one request may have left."""

    sent: bool = False


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


async def _read(content: aiohttp.StreamReader) -> bytes | None:
    """Read a body to its end. None: it is larger than MOST_BYTES, and the rest is left unread."""
    body = bytearray()
    async for part in content.iter_any():
        body += part
        if len(body) > MOST_BYTES:
            return None
    return bytes(body)


def meaning_of(error: BaseException) -> Meaning:
    """Look an exception up in the table by its class, then by the classes it is made of, nearest first."""
    return next((_BY_ERROR[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in _BY_ERROR), _UNKNOWN)


def _found_closed(error: Exception) -> bool:
    """Tell whether the connection was found closed by the write itself, so that nothing was written.

    A request is one write, since aiohttp joins its headers with a body of bytes, and the writer looks at the connection
    just before it. Where there is a body this error is the cause of the one that we get.
    """
    return any(
        isinstance(each, aiohttp.ClientConnectionResetError) and each.args == ("Cannot write to closing transport",)
        for each in (error, error.__cause__)
    )


def _reason(error: Exception) -> str:
    """Give the operating system's or OpenSSL's own words: they hold nothing of the request."""
    match error.__cause__ or error:
        case ssl.SSLCertVerificationError() as cause:
            return cause.verify_message
        case ssl.SSLError() as cause:
            return cause.reason or "no reason given"
        case OSError(errno=int(number)):
            return os.strerror(number).lower()
        case cause:
            return type(cause).__name__


def _proxy(endpoint: URL) -> str | None:
    """Give the proxy that HTTPS_PROXY or HTTP_PROXY names, unless NO_PROXY excepts the host; never for loopback.

    It is looked up once. aiohttp's `trust_env` does it in a thread for each request, and reads `.netrc` too: an entry
    for the host there collides with our signature.
    """
    host = endpoint.host or ""
    if host in _LOOPBACK or proxy_bypass(host):
        return None
    return getproxies().get(endpoint.scheme)
