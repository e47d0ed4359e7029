"""The HTTP edge on real sockets: what goes out to the byte, what comes back, and which connections are kept."""

import gzip

import aiohttp
import aiohttp.client_exceptions
import aiohttp.http_exceptions
import pytest
from scripted_server import (
    OK,
    close,
    connected,
    get,
    half_close,
    hang,
    post,
    post_by_session,
    put,
    reset,
    serving,
    then,
)

from batcher import __version__
from batcher.edges.transport import IDLE_SECONDS, MOST_BYTES
from batcher.model import Fault, Lost

# What goes out


async def test_a_start_goes_out_to_the_byte_as_it_was_given():
    body = '{"bucket":"films","object":"été/映画 01.mp4"}'.encode()
    headers = {"Content-Type": "application/json", "Date": "Tue, 24 Nov 2026 08:30:00 GMT", "x-obs-security-token": "T"}
    async with serving(OK) as server, connected(server.url) as transport:
        await transport.send("POST", "/v2/workflows/demo", headers, body)
    assert server.requests == [
        (
            f"POST /v2/workflows/demo HTTP/1.1\r\nHost: {server.host}\r\n"
            f"User-Agent: batcher/{__version__}\r\nAccept-Encoding: identity\r\n"
            "Content-Type: application/json\r\nDate: Tue, 24 Nov 2026 08:30:00 GMT\r\nx-obs-security-token: T\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode()
        + body
    ]


@pytest.mark.parametrize(
    ("method", "length"), [("GET", b""), ("PUT", b"Content-Length: 0\r\n"), ("POST", b"Content-Length: 0\r\n")]
)
async def test_a_request_without_a_body_has_no_content_type(method, length):
    async with serving(OK) as server, connected(server.url) as transport:
        await transport.send(method, "/v2/workflows/demo", {}, None)
    head = server.requests[0].partition(b"Accept-Encoding: identity\r\n")
    assert head[2] == length + b"\r\n"


@pytest.mark.parametrize(
    "target",
    ["/v2/a%2Fb%2f%7E~", "/v2/x/../y/./z", "/v2/x?b=%2B+%20&a&c=", "/v2//double?q=a/b:c", "/v2/%E6%98%A0?m=%25"],
)
async def test_a_target_is_sent_byte_for_byte(target):
    async with serving(OK) as server, connected(server.url) as transport:
        await transport.send("GET", target, {}, None)
    assert server.requests[0].startswith(f"GET {target} HTTP/1.1\r\n".encode())


async def test_an_entry_of_netrc_for_the_host_changes_nothing(tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login someone password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    async with serving(OK) as server, connected(server.url) as transport:
        reply = await transport.send("GET", "/", {"Authorization": "OBS AK:signature"}, None)
    assert reply.status == 200
    assert server.requests[0].count(b"Authorization: OBS AK:signature\r\n") == 1


# What comes back


async def test_a_reply_has_the_status_the_headers_without_case_and_the_body():
    answer = b"HTTP/1.1 404 Not Found\r\nX-Request-ID: r-1\r\nContent-Length: 4\r\n\r\n\xff\x00<a"
    async with serving(answer) as server, connected(server.url) as transport:
        reply = await get(transport)
    assert (reply.status, reply.headers["x-request-id"], reply.body) == (404, "r-1", b"\xff\x00<a")


async def test_a_redirect_is_a_reply_and_not_followed():
    elsewhere = b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"
    async with serving(elsewhere, OK) as server, connected(server.url) as transport:
        reply = await get(transport)
        assert (reply.status, reply.headers["location"]) == (302, "/elsewhere")
        assert len(server.requests) == 1


async def test_a_cookie_is_not_sent_back():
    with_cookie = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 2\r\n\r\n{}"
    # Of a host that is an address, no cookie would be kept anyway.
    async with (
        serving(with_cookie, OK) as server,
        connected(server.url.replace("127.0.0.1", "localhost")) as transport,
    ):
        await get(transport)
        await get(transport)
    assert server.requests[0] == server.requests[1]


async def test_a_body_of_the_largest_size_is_read_whole():
    body = b"x" * MOST_BYTES
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    async with serving(answer) as server, connected(server.url) as transport:
        reply = await get(transport)
    assert reply.body == body


@pytest.mark.parametrize("declared", [True, False])
async def test_a_larger_body_is_lost_and_not_read_on(declared):
    length = b"Content-Length: %d\r\n" % (1 << 40) if declared else b""
    answer = b"HTTP/1.1 200 OK\r\n" + length + b"\r\n" + b"x" * (MOST_BYTES + 1)
    async with serving(then(answer, hang)) as server, connected(server.url) as transport:
        assert await get(transport) == Lost(Fault.OVERSIZED, f"{server.host}: answer larger than 1 MiB")
        await server.left.wait()


async def test_a_compressed_body_that_nobody_asked_for_stays_compressed():
    bomb = gzip.compress(bytes(64 * MOST_BYTES))
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb) + bomb
    async with serving(answer) as server, connected(server.url) as transport:
        reply = await get(transport)
    assert reply.body == bomb


# Kept connections


async def test_the_second_request_goes_out_on_the_same_connection():
    async with serving(OK, OK) as server, connected(server.url) as transport:
        replies = [await post(transport), await post(transport)]
    assert [reply.status for reply in replies] == [200, 200]
    assert len(server.connections) == 1


async def test_a_kept_connection_that_the_server_has_closed_is_replaced():
    async with serving(then(OK, half_close), OK) as server, connected(server.url) as transport:
        await post(transport)
        await server.left.wait()
        reply = await post(transport)
    assert reply.status == 200
    assert (len(server.requests), len(server.connections)) == (2, 2)


async def test_a_connection_is_kept_for_15_idle_seconds():
    async with connected("http://127.0.0.1:1") as transport:
        assert transport._session.connector._keepalive_timeout == IDLE_SECONDS == 15


@pytest.mark.parametrize("ask", [get, put, post, post_by_session])
@pytest.mark.parametrize("end", [close, reset])
async def test_a_request_whose_kept_connection_breaks_arrives_once_and_is_lost(ask, end):
    async with serving(OK, end, OK, OK) as server, connected(server.url, connections=4) as transport:
        assert (await ask(transport)).status == 200
        lost = await ask(transport)
        assert lost.fault is Fault.LOST
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("ask", "moment"),
    [
        (get, "on_request_headers_sent"),
        (put, "on_request_headers_sent"),
        (post_by_session, "on_request_chunk_sent"),
    ],
)
async def test_a_kept_connection_found_closed_before_the_write_is_unreached(ask, moment):
    async def hang_up(session, _context, _params):
        for protocol in session.connector._acquired:
            protocol.transport.close()

    async with serving(OK, OK) as server, connected(server.url) as transport:
        await ask(transport)
        interruption = aiohttp.TraceConfig()
        getattr(interruption, moment).append(hang_up)
        interruption.freeze()
        transport._session.trace_configs.append(interruption)
        assert await ask(transport) == Lost(
            Fault.UNREACHED, f"{server.host}: the connection was closed before anything was sent"
        )
        assert len(server.requests) == 1
