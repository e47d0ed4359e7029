"""What each way to fail proves: nothing was sent, or something may have been."""

import asyncio
import inspect
import socket
import ssl
from types import SimpleNamespace

import aiohttp
import aiohttp.client_exceptions
import aiohttp.http_exceptions
import pytest
from scripted_server import (
    LONG,
    SOON,
    close,
    connected,
    free_port,
    get,
    hang,
    listening,
    no_proxies,
    post,
    reset,
    serving,
    then,
)
from yarl import URL

from batcher.edges.transport import MEANINGS, meaning_of
from batcher.edges.transport.losses import Losses
from batcher.model import Fault, Lost

# No connection: nothing was sent


async def test_a_refused_connection_is_unreached():
    port = free_port()
    async with connected(f"http://127.0.0.1:{port}") as transport:
        assert await post(transport) == Lost(Fault.UNREACHED, f"127.0.0.1:{port}: no connection: connection refused")


async def test_a_host_without_an_address_is_unreached(monkeypatch):
    no_proxies(monkeypatch)
    async with connected("https://service.invalid") as transport:
        assert await post(transport) == Lost(Fault.UNREACHED, "service.invalid:443: no address for host")


def test_a_region_without_an_address_is_doubted_unless_it_is_known():
    error = aiohttp.ClientConnectorDNSError(SimpleNamespace(host="h", port=443, ssl=True), OSError(2, "no"))
    for region, hint in (("cn-north-77", " (the region cn-north-77 may not exist)"), ("cn-north-4", "")):
        losses = Losses(URL(f"https://obs.{region}.myhuaweicloud.com"), aiohttp.ClientTimeout())
        assert losses.lost(error, is_sent=False) == Lost(Fault.UNREACHED, f"h:443: no address for host{hint}")


async def test_a_handshake_that_never_ends_is_a_connection_that_never_came():
    async with listening() as host, connected(f"https://{host}", timeout=SOON) as transport:
        assert await post(transport) == Lost(Fault.UNREACHED, f"{host}: no connection within {SOON} s")


async def test_a_request_that_finds_no_place_among_the_connections_is_unreached():
    unfinished = then(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", hang)
    async with serving(unfinished) as server, connected(server.url, timeout=SOON) as transport:
        patient = {"timeout": aiohttp.ClientTimeout(total=LONG), "trace_request_ctx": SimpleNamespace()}
        async with transport._session.get(server.url, **patient):
            assert await get(transport) == Lost(Fault.UNREACHED, f"{server.host}: no connection within {SOON} s")
        assert len(server.requests) == 1


# A connection, and no answer: something may have been sent


async def test_a_reset_before_the_request_was_read_whole_is_lost():
    async def read_a_byte(reader, writer):
        await reader.read(1)
        reset(writer)

    server = await asyncio.start_server(read_a_byte, "127.0.0.1", 0)
    async with server, connected(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as transport:
        assert (await post(transport)).fault is Fault.LOST


@pytest.mark.parametrize(
    ("act", "detail"),
    [
        (reset, "the connection broke: connection reset by peer"),
        (close, "the connection was closed before the answer arrived"),
        (then(b"HTTP/1.1 200", close), "the connection was closed before the answer arrived"),
        (then(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", close), "the answer was cut off"),
        (then(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{", close), "the answer was cut off"),
        (then(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", hang), "the answer is not HTTP"),
        (then(b"SSH-2.0-OpenSSH_9.6\r\n\r\n", hang), "the answer is not HTTP"),
        (then(b"HTTP/1.1 abc\r\n\r\n", hang), "the answer is not HTTP"),
        (then(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20000 + b"\r\n\r\n", hang), "the answer is not HTTP"),
    ],
)
async def test_an_answer_that_does_not_come_whole_is_lost(act, detail):
    async with serving(act) as server, connected(server.url) as transport:
        lost = await post(transport)
        assert lost == Lost(Fault.LOST, f"{server.host}: {detail}")
        assert len(server.requests) == 1


@pytest.mark.parametrize("beginning", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"])
async def test_an_answer_that_does_not_come_in_time_is_lost(beginning):
    async with serving(then(beginning, hang)) as server, connected(server.url, timeout=SOON) as transport:
        assert await post(transport) == Lost(Fault.LOST, f"{server.host}: no answer within {SOON} s")
        await server.left.wait()


async def test_no_detail_shows_a_header():
    headers = {"Authorization": "OBS AK:signature", "Broken": "line\nbreak"}
    async with serving() as server, connected(server.url) as transport:
        lost = await transport.send("GET", "/", headers, None)
    assert lost.detail == f"{server.host}: the request is invalid"


# The table


def _exceptions(*modules):
    everything = {each for module in modules for each in vars(module).values() if inspect.isclass(each)}
    return sorted((each for each in everything if issubclass(each, BaseException)), key=lambda each: each.__name__)


@pytest.mark.parametrize("error", _exceptions(aiohttp, aiohttp.client_exceptions, aiohttp.http_exceptions))
def test_every_exception_of_the_http_client_has_its_own_place_in_the_table(error):
    assert [error.__name__ in meaning.errors for meaning in MEANINGS].count(True) == 1


@pytest.mark.parametrize(
    ("error", "fault", "text"),
    [
        (ConnectionResetError, Fault.UNREACHED, "the connection broke: {reason}"),
        (socket.gaierror, Fault.UNREACHED, "the connection broke: {reason}"),
        (ssl.SSLEOFError, Fault.UNREACHED, "the TLS handshake failed: {reason}"),
        (ssl.SSLCertVerificationError, Fault.UNTRUSTED, "the server's TLS certificate is not trusted: {reason}"),
        (TimeoutError, Fault.UNREACHED, "no {awaited} within {limit} s"),
        (UnicodeEncodeError, Fault.UNREACHED, "the request is invalid"),
        (AssertionError, Fault.LOST, "an unexpected {reason}"),
    ],
)
def test_an_exception_of_another_origin_is_looked_up_by_what_it_is_made_of(error, fault, text):
    meaning = meaning_of(error.__new__(error))
    assert (meaning.unsent, meaning.text) == (fault, text)
