"""The HTTP edge on real sockets: what goes out to the byte, what comes back, and what each way to fail proves."""

import asyncio
import gzip
import inspect
import socket
import ssl
import struct
from collections.abc import Callable
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import NamedTuple

import aiohttp
import aiohttp.client_exceptions
import aiohttp.http_exceptions
import pytest
import trustme
from yarl import URL

from batcher import __version__
from batcher.edges.transport import IDLE_SECONDS, MEANINGS, MOST_BYTES, connect, meaning_of, proxy_to
from batcher.edges.transport.losses import Losses
from batcher.edges.transport.trust import check_key_log
from batcher.errors import UsageError
from batcher.model import Fault, Lost, Reply
from batcher.rules.service.credentials import METADATA
from batcher.rules.service.proxies import Proxy

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
SOON = 0.2
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


# No connection: nothing was sent


async def test_a_refused_connection_is_unreached():
    port = free_port()
    async with connected(f"http://127.0.0.1:{port}") as transport:
        assert await post(transport) == Lost(Fault.UNREACHED, f"127.0.0.1:{port}: no connection: connection refused")


async def test_a_host_without_an_address_is_unreached(monkeypatch):
    _no_proxies(monkeypatch)
    async with connected("https://service.invalid") as transport:
        assert await post(transport) == Lost(Fault.UNREACHED, "service.invalid:443: no address for host")


def test_a_region_without_an_address_is_doubted_unless_it_is_known():
    error = aiohttp.ClientConnectorDNSError(SimpleNamespace(host="h", port=443, ssl=True), OSError(2, "no"))
    for region, hint in (("cn-north-77", " (the region cn-north-77 may not exist)"), ("cn-north-4", "")):
        losses = Losses(URL(f"https://obs.{region}.myhuaweicloud.com"), aiohttp.ClientTimeout())
        assert losses.lost(error, is_sent=False) == Lost(Fault.UNREACHED, f"h:443: no address for host{hint}")


async def test_a_handshake_that_never_ends_is_a_connection_that_never_came():
    async with listening() as host, connected(f"https://{host}", timeout=SOON) as transport:
        assert await post(transport) == Lost(Fault.UNREACHED, f"{host}: no connection within 0.2 s")


async def test_a_request_that_finds_no_place_among_the_connections_is_unreached():
    unfinished = then(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", hang)
    async with serving(unfinished) as server, connected(server.url, timeout=SOON) as transport:
        patient = {"timeout": aiohttp.ClientTimeout(total=LONG), "trace_request_ctx": SimpleNamespace()}
        async with transport._session.get(server.url, **patient):
            assert await get(transport) == Lost(Fault.UNREACHED, f"{server.host}: no connection within 0.2 s")
        assert len(server.requests) == 1


# TLS


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


def server_side(authority, name="127.0.0.1"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def client_side(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def test_a_certificate_of_an_unknown_authority_is_untrusted(authority):
    async with (
        serving(OK, tls=server_side(authority)) as server,
        connected(f"https://{server.host}") as transport,
    ):
        lost = await post(transport)
        assert lost.fault is Fault.UNTRUSTED
        assert lost.detail.startswith(f"{server.host}: the server's TLS certificate is not trusted: ")
        assert "certificate" in lost.detail.rpartition(": ")[2]
        assert server.requests == []


async def test_a_certificate_for_another_host_is_untrusted(authority):
    async with (
        serving(OK, tls=server_side(authority, "other.example")) as server,
        connected(f"https://{server.host}", ssl_context=client_side(authority)) as transport,
    ):
        lost = await post(transport)
        assert lost.fault is Fault.UNTRUSTED
        assert "IP address mismatch" in lost.detail


async def test_a_certificate_of_a_trusted_authority_is_good(authority):
    async with (
        serving(OK, OK, tls=server_side(authority)) as server,
        connected(f"https://{server.host}", ssl_context=client_side(authority)) as transport,
    ):
        assert [(await post(transport)).status, (await post(transport)).status] == [200, 200]
        assert len(server.connections) == 1


async def test_a_private_authority_is_trusted_beside_the_systems_by_a_file(authority, tmp_path):
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(bundle)
    async with (
        serving(OK, tls=server_side(authority)) as server,
        connected(f"https://{server.host}", verify_tls=bundle) as transport,
    ):
        assert (await post(transport)).status == 200


@pytest.mark.parametrize(("content", "fault"), [(None, "no such file"), (b"", "no certificates in PEM form")])
async def test_a_file_without_authorities_is_refused_before_anything_is_sent(tmp_path, content, fault):
    bundle = tmp_path / "authority.pem"
    if content is not None:
        bundle.write_bytes(content)
    with pytest.raises(UsageError, match=f"--ca-bundle {bundle}: {fault}"):
        async with connected("https://127.0.0.1:1", verify_tls=bundle):
            pass


async def test_a_variable_that_hides_the_trusted_certificates_is_named(authority, monkeypatch, tmp_path):
    (tmp_path / "empty").touch()
    cases = (
        ("SSL_CERT_FILE", "/nowhere/ca.pem", "which is not a file"),
        ("SSL_CERT_FILE", str(tmp_path / "empty"), "which has no certificates in PEM form"),
        ("SSL_CERT_DIR", "/nowhere/certs:/nor/here", "which is not a folder"),
    )
    async with serving(*[OK] * 3, tls=server_side(authority)) as server:
        for variable, value, fault in cases:
            with monkeypatch.context() as patched:
                patched.setenv(variable, value)
                async with connected(f"https://{server.host}") as transport:
                    lost = await post(transport)
            assert lost.fault is Fault.UNTRUSTED
            assert lost.detail.endswith(f" ({variable} names {value}, {fault})")


def test_a_log_of_keys_that_cannot_be_written_is_named(tmp_path):
    check_key_log({})
    check_key_log({"SSLKEYLOGFILE": str(tmp_path / "keys")})
    for path, fault in ((tmp_path / "no" / "keys", "no such file or directory"), (tmp_path, "is a directory")):
        with pytest.raises(UsageError, match=f"SSLKEYLOGFILE names {path}, which cannot be written: {fault}"):
            check_key_log({"SSLKEYLOGFILE": str(path)})


async def test_without_verification_any_certificate_will_do(authority):
    async with (
        serving(OK, tls=server_side(authority)) as server,
        connected(f"https://{server.host}", verify_tls=False) as transport,
    ):
        assert (await post(transport)).status == 200


async def test_a_server_that_does_not_speak_tls_is_unreached():
    async def greet(_reader, writer):
        writer.write(b"220 this is not TLS\r\n")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, connected(f"https://127.0.0.1:{port}") as transport:
        lost = await post(transport)
    assert lost.fault is Fault.UNREACHED
    assert lost.detail == (
        f"127.0.0.1:{port}: the TLS handshake failed: the other side does not speak TLS; check the scheme and the port"
    )


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
        assert await post(transport) == Lost(Fault.LOST, f"{server.host}: no answer within 0.2 s")
        await server.left.wait()


async def test_no_detail_shows_a_header():
    headers = {"Authorization": "OBS AK:signature", "Broken": "line\nbreak"}
    async with serving() as server, connected(server.url) as transport:
        lost = await transport.send("GET", "/", headers, None)
    assert lost.detail == f"{server.host}: the request is invalid"


# Cancelling


@pytest.mark.parametrize("tls", [False, True])
async def test_a_cancelled_request_hangs_up_and_gives_its_place_back(authority, tls):
    secured = {"ssl_context": client_side(authority)} if tls else {}
    async with serving(hang, OK, tls=server_side(authority) if tls else None) as server:
        url = f"https://{server.host}" if tls else server.url
        async with connected(url, **secured) as transport:
            sending = asyncio.create_task(post(transport))
            await server.arrived.wait()
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            await server.left.wait()
            assert not transport._session.connector._acquired
            assert (await post(transport)).status == 200
        assert len(server.connections) == 2


# Proxies


def _no_proxies(monkeypatch):
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


UNPAID = "HTTP 407, it wants a user name and a password"


async def test_a_request_goes_through_the_proxy_that_the_environment_names(monkeypatch):
    _no_proxies(monkeypatch)
    async with serving(OK) as server:
        monkeypatch.setenv("HTTP_PROXY", server.url)
        async with connected("http://service.invalid") as transport:
            assert (await get(transport)).status == 200
    assert server.requests[0].startswith(b"GET http://service.invalid/v2/workflows/demo HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("act", "detail"),
    [
        (
            b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
            "the proxy does not connect to the server: HTTP 403 (the proxy is that of HTTPS_PROXY)",
        ),
        (
            b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
            f"the proxy does not connect to the server: {UNPAID} (the proxy is that of HTTPS_PROXY)",
        ),
        (close, "the connection was closed before the answer arrived"),
    ],
)
async def test_a_proxy_that_does_not_connect_leaves_the_request_unreached(monkeypatch, act, detail):
    _no_proxies(monkeypatch)
    async with serving(act) as server:
        monkeypatch.setenv("HTTPS_PROXY", server.url)
        async with connected("https://service.invalid") as transport:
            assert await post(transport) == Lost(Fault.UNREACHED, f"service.invalid:443: {detail}")
    assert server.requests[0].startswith(b"CONNECT service.invalid:443 HTTP/1.1\r\n")


async def test_a_proxy_that_is_not_there_is_named(monkeypatch):
    _no_proxies(monkeypatch)
    port = free_port()
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
    async with connected("http://service.invalid") as transport:
        assert await post(transport) == Lost(
            Fault.UNREACHED,
            f"127.0.0.1:{port}: no connection to the proxy: connection refused (the proxy is that of HTTP_PROXY)",
        )


async def test_a_host_excepted_from_the_proxy_is_asked_directly(monkeypatch):
    _no_proxies(monkeypatch)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "service.invalid")
    async with connected("http://service.invalid") as transport:
        assert (await get(transport)).detail == "service.invalid:80: no address for host"


def test_the_metadata_service_never_stands_behind_a_proxy(monkeypatch):
    _no_proxies(monkeypatch)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert proxy_to("http://service.invalid") == Proxy("http://127.0.0.1:1", "http://127.0.0.1:1", "HTTP_PROXY")
    assert proxy_to(METADATA) is None


async def test_loopback_never_goes_through_a_proxy(monkeypatch):
    _no_proxies(monkeypatch)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with serving(OK) as server, connected(server.url) as transport:
        assert await get(transport) == Reply(200, {"Content-Length": "2"}, b"{}")


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
        (TimeoutError, Fault.UNREACHED, "no {awaited} within {limit:g} s"),
        (UnicodeEncodeError, Fault.UNREACHED, "the request is invalid"),
        (AssertionError, Fault.LOST, "an unexpected {reason}"),
    ],
)
def test_an_exception_of_another_origin_is_looked_up_by_what_it_is_made_of(error, fault, text):
    meaning = meaning_of(error.__new__(error))
    assert (meaning.unsent, meaning.text) == (fault, text)
