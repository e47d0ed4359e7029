"""What each exception of the HTTP client means, in one table: a fault and a message.

Whether a byte of the request may have left is not decided here, but by the mark that each request has.
"""

from __future__ import annotations

import os
import ssl
from typing import NamedTuple

import aiohttp

from batcher.model import Fault


class Meaning(NamedTuple):
    """What some exceptions mean: the fault if nothing was sent, and the message.

    `errors` are class names, because not every supported version of aiohttp has all the classes.
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
    Meaning(Fault.UNREACHED, "the proxy does not connect to the server: {reason}", ("ClientHttpProxyError",)),
    Meaning(
        Fault.UNREACHED,
        "no {awaited} within {limit} s",
        ("TimeoutError", "ConnectionTimeoutError", "ServerTimeoutError", "SocketTimeoutError"),
    ),
    Meaning(
        Fault.UNREACHED,
        "the connection was closed before the answer arrived",
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
        "the request is invalid",
        ("ValueError", "InvalidURL", "InvalidUrlClientError", "NonHttpUrlClientError"),
    ),
    # From features that are not in use: redirects are not followed, and nothing is decoded, multipart or WebSocket.
    Meaning(
        Fault.LOST,
        "an answer of an unexpected kind",
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
_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG"})
"""What OpenSSL finds in an answer that is not TLS."""
_WANTS_PASSWORD = 407
_BY_ERROR = {error: meaning for meaning in MEANINGS for error in meaning.errors}
_UNKNOWN = Meaning(Fault.LOST, "an unexpected {reason}", ())


def meaning_of(error: BaseException) -> Meaning:
    """Look up an exception in the table by its class, then by its base classes, nearest first."""
    return next((_BY_ERROR[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in _BY_ERROR), _UNKNOWN)


def found_closed(error: Exception) -> bool:
    """Return whether the write found the connection closed, so that nothing was sent.

    A request is one write, since aiohttp joins its headers with a body of bytes, and the writer checks the connection
    just before it. For a request with a body, this error is the cause of the one raised.
    """
    return any(
        isinstance(each, aiohttp.ClientConnectionResetError) and each.args == ("Cannot write to closing transport",)
        for each in (error, error.__cause__)
    )


def reason_of(error: Exception) -> str:
    """Return the message of the operating system or of OpenSSL, which contains nothing of the request."""
    match error.__cause__ or error:
        case ssl.SSLCertVerificationError() as cause:
            return cause.verify_message
        case ssl.SSLError() as cause:
            no_tls = "the other side does not speak TLS; check the scheme and the port"
            return no_tls if cause.reason in _NO_TLS else cause.reason or "no reason given"
        case aiohttp.ClientHttpProxyError(status=status):
            return f"HTTP {status}" + (", it wants a user name and a password" if status == _WANTS_PASSWORD else "")
        case OSError(errno=int(number)):
            return os.strerror(number).lower()
        case cause:
            return type(cause).__name__
