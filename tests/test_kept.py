"""A start over a kept connection is what it is through ClientSession: on the wire, and in its outcome."""

import asyncio
import gzip
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from scripted_server import (
    LONG,
    OK,
    SOON,
    client_side,
    close,
    connected,
    free_port,
    half_close,
    hang,
    listening,
    reset,
    server_side,
    serving,
    then,
)

from batcher.edges.transport import MOST_BYTES
from batcher.edges.transport.heads import WholeAnswers
from batcher.edges.transport.kept import IDLE_SECONDS
from batcher.edges.transport.wire import Wire
from batcher.model import Fault, Lost, Reply

HEAD = b"HTTP/1.1 200 OK\r\n"
STARTED = HEAD + b'X-Request-ID: r-1\r\nContent-Length: 24\r\n\r\n{"execution_name":"e-1"}'
IN_BYTES = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 5000 + b"0\r\n\r\n"
"""So many chunks that aiohttp pauses the connection, although they are few bytes."""
BEHAVIOURS = {
    "a good answer": STARTED,
    "an answer in chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "an answer in chunks of one byte": IN_BYTES,
    "a long answer": HEAD + b"Content-Length: 300000\r\n\r\n" + b" " * 300_000,
    "an answer that ends with the connection": then(HEAD + b"\r\n{}", close),
    "an answer without a length that does not end": then(HEAD + b"\r\n{", hang),
    "an answer without a body": b"HTTP/1.1 204 No Content\r\n\r\n",
    "an answer after an interim one": b"HTTP/1.1 102 Processing\r\n\r\n" + STARTED,
    "an answer with a header twice": HEAD + b"X-A: 1\r\nX-A: 2\r\nContent-Length: 0\r\n\r\n",
    "a busy service": b"HTTP/1.1 503 Slow\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\n<a/>",
    "a redirect": b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
    "an old server": b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "a last answer": HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}",
    "a compressed answer": HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s"
    % (len(gzip.compress(b"{}", mtime=0)), gzip.compress(b"{}", mtime=0)),
    "a body that is cut": then(HEAD + b"Content-Length: 99\r\n\r\n{", close),
    "a body that is reset": then(HEAD + b"Content-Length: 99\r\n\r\n{", reset),
    "chunks that are cut": then(HEAD + b"Transfer-Encoding: chunked\r\n\r\n9\r\n{", close),
    "a body over the limit": then(HEAD + b"Content-Length: %d\r\n\r\n%s" % (1 << 30, b"x" * (MOST_BYTES + 1)), hang),
    "a close instead of an answer": close,
    "a half-closed connection": half_close,
    "a reset instead of an answer": reset,
    "no answer": hang,
    "half a head": then(b"HTTP/1.1 200 OK\r\nContent-Le", hang),
    "no HTTP": then(b"SSH-2.0-OpenSSH_9.6\r\n\r\n", close),
    "a bad length": then(HEAD + b"Content-Length: x\r\n\r\n", close),
    "an endless header": then(HEAD + b"X-A: " + b"a" * 20_000, hang),
    "a head without carriage returns": b"HTTP/1.1 200 OK\nContent-Length: 9\n\n{\r\n\r\n  }}",
    "lengths that disagree": HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "a length and chunks": HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "a length where there is no body": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n",
    "an answer behind empty lines": b"\r\n\r\n" + STARTED,
}  # fmt: skip
WHOLE = [
    "a good answer", "an answer in chunks", "an answer without a body", "an answer after an interim one", "a redirect",
    "an answer with a header twice", "a busy service", "a compressed answer", "a head without carriage returns",
    "a length where there is no body", "an answer behind empty lines",
]  # fmt: skip
"""Answers that leave their connection open."""
SILENT = {
    "an answer without a length that does not end",
    "no answer",
    "half a head",
    "a half-closed connection",
    "an endless header",
}


async def start(transport, *, by_session):
    if by_session:
        transport._kept = None
    headers = {"Content-Type": "application/json", "Date": "Tue, 24 Nov 2026 08:30:00 GMT", "Authorization": "OBS A:s"}
    return await transport.send("POST", "/v2/workflows/demo", headers, '{"object":"\u7247"}'.encode())


def comparable(outcome, host):
    if isinstance(outcome, Lost):
        return outcome.fault, outcome.detail.replace(host, "HOST")
    assert isinstance(outcome, Reply)
    return outcome.status, list(outcome.headers.items()), outcome.body


@pytest.mark.parametrize("case", BEHAVIOURS)
@pytest.mark.parametrize(
    "before", [(), (OK,), (IN_BYTES,)], ids=["a new connection", "a used connection", "one that was paused"]
)
async def test_the_same_server_gives_the_same_outcome_for_the_same_bytes(case, before):
    seen = []
    for by_session in (True, False):
        timeout = SOON if case in SILENT else LONG
        async with serving(*before, BEHAVIOURS[case]) as server, connected(server.url, timeout=timeout) as transport:
            for _ in before:
                assert (await start(transport, by_session=by_session)).status == 200
            outcome = await start(transport, by_session=by_session)
            sent = [request.replace(server.host.encode(), b"HOST") for request in server.requests]
            seen.append((comparable(outcome, server.host), sent, len(server.connections)))
    assert seen[0] == seen[1]


@pytest.fixture(scope="module")
def authority():
    return pytest.importorskip("trustme").CA()


@pytest.mark.parametrize("case", sorted(set(BEHAVIOURS) - SILENT))
async def test_the_same_bytes_have_the_same_outcome_over_tls(case, authority):
    seen = []
    for is_secured in (True, False):
        tls, trust = (server_side(authority), client_side(authority)) if is_secured else (None, None)
        async with (
            serving(OK, BEHAVIOURS[case], tls=tls) as server,
            connected(f"http{'s' * is_secured}://{server.host}", timeout=LONG, ssl_context=trust) as transport,
        ):
            assert (await start(transport, by_session=False)).status == 200
            outcome = await start(transport, by_session=False)
            seen.append((comparable(outcome, server.host), len(server.requests), len(server.connections)))
    assert seen[0] == seen[1]


async def answered(wire, pieces):
    """Let the pieces of an answer arrive, and give what is made of them."""
    wire._asked = asked = asyncio.get_running_loop().create_future()
    wire.is_free = False
    for piece in pieces:
        wire.data_received(piece)
    reply = await asked
    return reply.status, list(reply.headers.items()), reply.body, wire.is_free


@pytest.mark.parametrize("case", WHOLE)
async def test_an_answer_is_the_same_however_it_is_cut_and_so_is_the_next(case):
    answer = BEHAVIOURS[case]
    wire = Wire(SimpleNamespace(protocol=None, transport=None), WholeAnswers())
    whole = await answered(wire, [answer])
    following = await answered(wire, [STARTED])
    assert following[::2] == (200, b'{"execution_name":"e-1"}')
    cuts = [[answer[:at], answer[at:]] for at in range(1, min(len(answer), 200))]
    for pieces in [*cuts, [bytes([byte]) for byte in answer]]:
        assert await answered(wire, pieces) == whole
        assert await answered(wire, [STARTED]) == following


async def test_what_follows_an_answer_in_the_same_piece_makes_its_connection_the_last():
    for answer in (STARTED, BEHAVIOURS["an answer in chunks"]):
        wire = Wire(SimpleNamespace(protocol=None, transport=None), WholeAnswers())
        assert (await answered(wire, [answer]))[-1]
        assert not (await answered(wire, [answer + STARTED]))[-1]


ODD = [
    *(answer for answer in BEHAVIOURS.values() if isinstance(answer, bytes)),
    b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    HEAD + b"Content-Length: x\r\n\r\n",
    HEAD + b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n",
    HEAD + b"Content-Length: 99\r\n\r\n{",
    b"\r\n\r\n",
]


@pytest.mark.parametrize("odd", ODD)
async def test_what_comes_on_one_connection_changes_nothing_on_another(odd):
    answers = WholeAnswers()
    for _ in range(2):
        answers.read(odd)
        reply = answers.read(STARTED)
        assert (reply.status, reply.headers["x-request-id"], reply.body) == (200, "r-1", b'{"execution_name":"e-1"}')


@asynccontextmanager
async def nobody():
    yield f"127.0.0.1:{free_port()}"


@pytest.mark.parametrize("where", [nobody, listening])
async def test_without_a_connection_the_outcome_is_the_same(where):
    scheme = "http" if where is nobody else "https"
    seen = []
    for by_session in (True, False):
        async with where() as host, connected(f"{scheme}://{host}", timeout=SOON) as transport:
            seen.append(comparable(await start(transport, by_session=by_session), host))
    assert seen[0] == seen[1]
    assert seen[0][0] is Fault.UNREACHED


@pytest.mark.parametrize("trusted", [True, False])
async def test_tls_is_the_same(trusted):
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    seen = []
    for by_session in (True, False):
        context = client_side(authority) if trusted else None
        async with (
            serving(OK, OK, tls=server_side(authority)) as server,
            connected(f"https://{server.host}", ssl_context=context) as transport,
        ):
            outcomes = [await start(transport, by_session=by_session) for _ in range(2)]
            seen.append([comparable(outcome, server.host) for outcome in outcomes])
    assert seen[0] == seen[1]
    assert seen[0][0][0] == (200 if trusted else Fault.UNTRUSTED)


async def test_requests_at_once_have_a_connection_each_and_share_them_afterwards():
    async with serving(*[OK] * 8) as server, connected(server.url, connections=4) as transport:
        first = await asyncio.gather(*(start(transport, by_session=False) for _ in range(4)))
        second = [await start(transport, by_session=False) for _ in range(4)]
    assert [reply.status for reply in [*first, *second]] == [200] * 8
    assert len(server.connections) == 4


async def test_a_connection_that_has_been_idle_too_long_is_not_used(monkeypatch):
    times = [1000.0]
    monkeypatch.setattr("batcher.edges.transport.kept.monotonic", lambda: times[0])
    async with serving(OK, OK, OK) as server, connected(server.url) as transport:
        for idle in (0, IDLE_SECONDS - 1, IDLE_SECONDS + 1):
            times[0] += idle
            assert (await start(transport, by_session=False)).status == 200
    assert len(server.connections) == 2


async def test_a_connection_on_which_something_arrived_unasked_is_not_used():
    async with serving(OK + OK, OK) as server, connected(server.url) as transport:
        assert (await start(transport, by_session=False)).status == 200
        second = await start(transport, by_session=False)
    assert second.status == 200
    assert len(server.connections) == 2


async def test_a_header_with_a_line_break_is_never_written():
    async with serving(OK) as server, connected(server.url) as transport:
        lost = await transport.send("POST", "/v2/workflows/demo", {"X-A": "a\r\nX-B: b"}, b"{}")
    assert lost.fault is Fault.UNREACHED
    assert server.requests == []


async def test_a_cancelled_start_hangs_up():
    async with serving(hang) as server, connected(server.url) as transport:
        starting = asyncio.create_task(start(transport, by_session=False))
        await server.arrived.wait()
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        await server.left.wait()
