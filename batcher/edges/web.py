"""The port of a run: serves its metrics and its page, in threads of their own, and changes nothing.

Metrics are for any scraper. Pages are for a browser of this machine: their Host header must name this server, since
another site's name could be made to lead here (DNS rebinding). What names objects is under a secret path.
"""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import socket
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple, cast

from batcher.errors import UsageError

SECONDS = 10.0
"""Maximum time to wait for a client to send or to take something."""
CLIENTS = 64
"""Maximum number of clients at a time. Others are sent away."""
METRICS = "/metrics"
SECRET_BYTES = 16

_TEXT = "text/plain; charset=utf-8"
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_CLOSED = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_BUSY = b"HTTP/1.0 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"


class Site(NamedTuple):
    """What is served. Its functions are called in threads.

    `exposed` returns the media type and the text of the metrics, given what a scraper accepts. `page` returns the page
    with or without names, None if it cannot be made now. `policy` is the Content-Security-Policy of the page.
    """

    exposed: Callable[[str], tuple[str, bytes]]
    page: Callable[[bool], bytes | None] | None = None
    policy: str = _CLOSED


class Address(NamedTuple):
    """Where the site is. `secret` is the path of the page with names."""

    url: str
    secret: str


@asynccontextmanager
async def serving(site: Site, host: str, port: int) -> AsyncIterator[Address]:
    """Serve a site during the block, and yield its address. Port 0 selects any free port.

    Raises UsageError if the port cannot be used.
    """
    try:
        # In a thread: to resolve the host's name may take long.
        server = await asyncio.to_thread(_Server, site, host, port)
    except OSError as error:
        raise UsageError(
            f"{host} port {port}: the metrics cannot be served: {error.strerror}",
            "Give another port with --metrics-port.",
        ) from None
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="web", daemon=True)
    thread.start()
    try:
        yield Address(f"http://{f'[{host}]' if ':' in host else host}:{server.server_port}", server.secret)
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
        await asyncio.to_thread(thread.join)


def is_named(host: str, bound: str, reached: str) -> bool:
    """Return whether a Host header names this server: a name of this machine alone, or the address that is bound.

    `bound` is the host that the server listens on, `reached` the address that the client has connected to. If it
    listens on every address, any address is good, but no name: only names can be made to lead elsewhere.
    """
    name = _name(host)
    if name in {"localhost", _name(bound)} and name:
        return True
    try:
        address = ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    if address.is_loopback or address == ipaddress.ip_address(reached.partition("%")[0]):
        return True
    return _is_every(bound)


def _name(host: str) -> str:
    """Return the host of a Host header, without its port, in lower case. An IPv6 address may have brackets."""
    if host.startswith("["):
        return host.partition("]")[0].removeprefix("[").lower()
    return (host if host.count(":") > 1 else host.partition(":")[0]).lower()


def _is_every(bound: str) -> bool:
    try:
        return ipaddress.ip_address(bound).is_unspecified
    except ValueError:
        return not bound


class _Server(ThreadingHTTPServer):
    """Answers each client in a thread, up to CLIENTS at a time."""

    daemon_threads = True
    request_queue_size = CLIENTS

    def __init__(self, site: Site, host: str, port: int) -> None:
        self.site = site
        self.bound = host
        self.secret = secrets.token_urlsafe(SECRET_BYTES)
        self._room = threading.BoundedSemaphore(CLIENTS)
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        self.address_family = family
        super().__init__(cast("tuple[str, int]", address[:2]), _Handler)

    def server_bind(self) -> None:
        # Not that of the base: it asks the network for this machine's name.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.bound, self.server_address[1]

    def process_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        if not self._room.acquire(blocking=False):
            cast("socket.socket", request).send(_BUSY)
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            # The system allows no more threads.
            self._room.release()
            raise

    def process_request_thread(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, *_: object) -> None:
        """Ignore it: a client that has gone away, or one that the system has no thread for, is no fault of the run."""


class _Handler(BaseHTTPRequestHandler):
    """One request and its answer."""

    timeout = SECONDS
    server: _Server

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def __getattr__(self, name: str) -> Callable[[], None]:
        """Return what answers any other method."""
        if not name.startswith("do_"):
            raise AttributeError(name)
        return lambda: self._send(HTTPStatus.METHOD_NOT_ALLOWED, more={"Allow": "GET, HEAD"})

    def _answer(self) -> None:
        path, site = self.path.partition("?")[0], self.server.site
        if path == METRICS:
            media_type, text = site.exposed(self.headers.get("Accept", ""))
            self._send(HTTPStatus.OK, text, media_type)
        elif not self._is_for_us():
            self._send(HTTPStatus.MISDIRECTED_REQUEST)
        elif site.page is None:
            self._send(HTTPStatus.NOT_FOUND)
        elif path == "/":
            self._send_page(site.page(False))  # noqa: FBT003 - without names
        elif secrets.compare_digest(path.encode(errors="replace"), f"/{self.server.secret}/".encode()):
            self._send_page(site.page(True))  # noqa: FBT003 - with names
        else:
            self._send(HTTPStatus.NOT_FOUND)

    def _is_for_us(self) -> bool:
        hosts = self.headers.get_all("Host", [])
        return len(hosts) == 1 and is_named(hosts[0], self.server.bound, self.connection.getsockname()[0])

    def _send_page(self, html: bytes | None) -> None:
        if html is None:
            self._send(HTTPStatus.SERVICE_UNAVAILABLE, more={"Retry-After": "1"})
        else:
            more = {"Content-Security-Policy": self.server.site.policy}
            self._send(HTTPStatus.OK, html, "text/html; charset=utf-8", more)

    def _send(
        self, status: int, body: bytes = b"", media_type: str = _TEXT, more: Mapping[str, str] | None = None
    ) -> None:
        body = body or f"{HTTPStatus(status).phrase}\n".encode()
        headers = {**_HEADERS, "Content-Security-Policy": _CLOSED, **(more or {})}
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """Answer a request that cannot be read, without repeating any of it."""
        self.close_connection = True
        self.request_version = "HTTP/1.0"
        self._send(code)

    def version_string(self) -> str:
        return "batcher"

    def log_message(self, *_: object) -> None:
        """Log nothing: paths have the secret."""
