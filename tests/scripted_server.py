"""A server on real sockets that plays one act of a test a request, and a transport that is connected to it."""

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

from batcher.edges.transport import connect

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
SOON = 0.5
"""Seconds after which a request is given up that never ends. The requests before it have to be faster."""
LONG = 30.0


class Server(NamedTuple):
    """A server that plays its acts, one a request. `requests` holds the bytes of each request as it arrived."""

    host: str
    requests: list[bytes]
    connections: list[tuple[str, int]]
    """The clients' addresses. Not the writers: a cycle may end on any thread, and not every transport allows that."""
    arrived: asyncio.Event
    """Set when the first request is there."""
    left: asyncio.Event
    """Set when a client has hung up before the act was over."""

    @property
    def url(self):
        return f"http://{self.host}"


@asynccontextmanager
async def serving(*acts, tls=None):
    """Serve: bytes are written as they stand, anything else is called with reader and writer."""
    remaining = list(acts)
    tasks = set()
    arrived, left = asyncio.Event(), asyncio.Event()
    requests, connections = [], []

    async def serve(reader, writer):
        tasks.add(asyncio.current_task())
        connections.append(writer.get_extra_info("peername"))
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while remaining:
                requests.append(await read_request(reader))
                arrived.set()
                act = remaining.pop(0)
                if isinstance(act, bytes):
                    writer.write(act)
                elif act(writer) is HANG:
                    await reader.read()
                    left.set()
                    break
                else:
                    break
            else:
                await reader.read()
        writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield Server(f"127.0.0.1:{port}", requests, connections, arrived, left)
        await asyncio.gather(*tasks)


async def read_request(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [line[15:] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    return head + (await reader.readexactly(int(lengths[0])) if lengths else b"")


HANG = "hang"


def hang(_writer):
    return HANG


def close(_writer):
    return None


def half_close(writer):
    writer.write_eof()
    return HANG


def reset(writer):
    peer = writer.get_extra_info("socket")
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def then(data: bytes, act: Callable):
    def both(writer):
        writer.write(data)
        return act(writer)

    return both


def connected(url, *, connections=1, timeout=LONG, **options):
    return connect(url, connections=connections, timeout=timeout, **options)


async def get(transport):
    return await transport.send("GET", "/v2/workflows/demo", {}, None)


async def post(transport):
    return await transport.send("POST", "/v2/workflows/demo", {"Content-Type": "application/json"}, b'{"object":"a"}')


async def post_by_session(transport):
    transport._kept = None
    return await post(transport)


async def put(transport):
    return await transport.send("PUT", "/v2/workflowexecutions/e1", {}, None)


@asynccontextmanager
async def listening():
    """Give the address of a port that connects, and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def free_port():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]


def server_side(authority, name="127.0.0.1"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def client_side(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def no_proxies(monkeypatch):
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
