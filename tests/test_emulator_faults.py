"""Each fault as it looks from the other end of a real connection, held against the ledger."""

import asyncio
import json
from email.parser import BytesHeaderParser

import pytest
from conftest import CREDENTIALS

from batcher.emulator.faults import AFTER, BEFORE, FaultKind
from batcher.emulator.server import serve
from batcher.emulator.settings import Settings
from batcher.rules.service.signing import signed_headers

START = "/v2/workflows/transcode"
BODY = {"bucket": "b", "object": "o"}


async def _connect(service):
    host, port = service.url.removeprefix("http://").split(":")
    return await asyncio.open_connection(host, int(port))


def _send(service, writer, body=BODY, missing=0):
    """Put one start on the wire, `missing` the last bytes."""
    headers = signed_headers(CREDENTIALS, "POST", START, now=service.settings.clock())
    content = json.dumps(body).encode()
    lines = [f"POST {START} HTTP/1.1", "Host: emulator", f"Content-Length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode() + content[: len(content) - missing])


async def _receive(reader):
    """Read one answer: the status, the headers, and what came of the body before the end of the connection."""
    head = await reader.readuntil(b"\r\n\r\n")
    first, _, rest = head.partition(b"\r\n")
    headers = BytesHeaderParser().parsebytes(rest)
    try:
        body = await reader.readexactly(int(headers["Content-Length"]))
    except asyncio.IncompleteReadError as error:
        body = error.partial
    return int(first.split()[1]), headers, body


async def _start(service):
    reader, writer = await _connect(service)
    _send(service, writer)
    try:
        return await _receive(reader)
    finally:
        writer.close()


async def _until_answered(service):
    """Come and go on other connections, which are served meanwhile, until the emulator has counted an answer."""
    while not service.ledger.answers:
        _, writer = await _connect(service)
        writer.close()


def _all(kind):
    return {kind: 1.0}


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        (FaultKind.SLOWDOWN, 503, b"<Code>SlowDown</Code>"),
        (FaultKind.TOO_MANY, 429, b'"code": "SYS.0011"'),
        (FaultKind.UNAVAILABLE, 503, b"<Code>ServiceUnavailable</Code>"),
        (FaultKind.TIMEOUT, 408, b"<Code>RequestTimeout</Code>"),
        (FaultKind.INTERNAL, 500, b"<Code>InternalError</Code>"),
        (FaultKind.INTERNAL_AFTER, 500, b"<Code>InternalError</Code>"),
        (FaultKind.CLOSED_AFTER, 499, b""),
        (FaultKind.EARLY_AFTER, 425, b""),
        (FaultKind.PAGE_AFTER, 403, b"<h1>403 Forbidden</h1>"),
    ],
)
async def test_a_fault_can_be_an_error_that_tells_nothing_of_the_ledger(emulator, kind, status, code):
    service = await emulator(faults=_all(kind))
    answered, _, body = await _start(service)
    assert answered == status
    assert code in body
    assert len(service.ledger.starts) == (1 if kind in AFTER else 0)


@pytest.mark.parametrize("kind", [FaultKind.RESET_BEFORE, FaultKind.RESET_AFTER])
async def test_a_fault_can_be_a_reset(emulator, kind):
    service = await emulator(faults=_all(kind))
    reader, writer = await _connect(service)
    _send(service, writer)
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()
    assert len(service.ledger.starts) == (1 if kind in AFTER else 0)
    assert service.ledger.answers == {kind: 1}


@pytest.mark.parametrize("kind", [FaultKind.HANG_BEFORE, FaultKind.HANG_AFTER])
async def test_a_fault_can_be_a_hang_that_lasts_until_the_emulator_ends(kind):
    settings = Settings(credentials=CREDENTIALS, faults=_all(kind))
    async with serve(settings) as service:
        reader, writer = await _connect(service)
        _send(service, writer)
        await _until_answered(service)
        assert len(service.ledger.starts) == (1 if kind in AFTER else 0)
        reading = asyncio.create_task(reader.read())
    with pytest.raises(ConnectionResetError):
        await reading
    writer.close()


async def test_a_slow_answer_is_good_and_the_start_does_not_wait_for_it():
    settings = Settings(credentials=CREDENTIALS, faults=_all(FaultKind.SLOW), slow=3600)
    async with serve(settings) as service:
        reader, writer = await _connect(service)
        _send(service, writer)
        await _until_answered(service)
        start = service.ledger.starts[0]
        # Its end is the one thing that a slow answer does not outwait.
        service.stopping.set()
        status, _, body = await _receive(reader)
        writer.close()
    assert (status, json.loads(body)["execution_name"]) == (200, start.execution_name)


async def test_a_fault_can_be_garbage(emulator):
    service = await emulator(faults=_all(FaultKind.GARBAGE))
    status, headers, body = await _start(service)
    assert (status, headers["Content-Type"]) == (200, "text/html")
    assert body.startswith(b"<!DOCTYPE html>")
    assert len(service.ledger.starts) == 1


async def test_a_fault_can_be_a_good_answer_without_a_name(emulator):
    service = await emulator(faults=_all(FaultKind.NAMELESS))
    status, _, body = await _start(service)
    assert status == 200
    assert set(json.loads(body)) == {"execution_urn", "started_at"}
    assert service.ledger.starts[0].execution_name not in body.decode()


async def test_a_fault_can_be_an_answer_that_breaks_off(emulator):
    service = await emulator(faults=_all(FaultKind.CUT))
    status, headers, body = await _start(service)
    assert status == 200
    assert 0 < len(body) < int(headers["Content-Length"])
    with pytest.raises(json.JSONDecodeError):
        json.loads(body)
    assert len(service.ledger.starts) == 1


async def test_a_start_that_is_refused_anyway_meets_no_fault_that_comes_after(emulator):
    service = await emulator(faults=_all(FaultKind.RESET_AFTER))
    reader, writer = await _connect(service)
    _send(service, writer, {"bucket": "b", "object": ""})
    status, _, body = await _receive(reader)
    writer.close()
    assert (status, json.loads(body)["code"]) == (400, "SYS.0010")
    assert service.ledger.starts == []


@pytest.mark.parametrize("leave", ["close", "abort"])
async def test_a_client_that_leaves_in_mid_body_has_started_nothing(emulator, caplog, leave):
    service = await emulator()
    _, writer = await _connect(service)
    _send(service, writer, missing=1)
    await writer.drain()
    getattr(writer.transport, leave)()
    await _until_answered(service)
    assert service.ledger.answers == {"400 IncompleteBody": 1}
    assert service.ledger.starts == []
    assert caplog.text == ""


async def test_a_client_that_leaves_before_the_answer_has_started(emulator):
    service = await emulator()
    _, writer = await _connect(service)
    _send(service, writer)
    await writer.drain()
    writer.transport.abort()
    await _until_answered(service)
    assert len(service.ledger.starts) == 1


async def test_a_good_connection_is_kept_for_the_next_start(emulator):
    service = await emulator()
    reader, writer = await _connect(service)
    statuses = []
    for _ in range(3):
        _send(service, writer)
        statuses.append((await _receive(reader))[0])
    writer.close()
    assert statuses == [200, 200, 200]


async def test_the_seed_decides_which_starts_are_struck(emulator):
    async def outcomes(seed):
        service = await emulator(seed=seed, faults={FaultKind.INTERNAL: 0.3, FaultKind.SLOWDOWN: 0.3})
        return [(await _start(service))[0] for _ in range(30)]

    first = await outcomes(7)
    assert set(first) == {200, 500, 503}
    assert await outcomes(7) == first
    assert await outcomes(8) != first


async def test_only_starts_meet_faults(emulator, call):
    service = await emulator(faults=_all(FaultKind.INTERNAL))
    assert (await call(service, "GET", START)).status == 200


def test_every_fault_is_tried_above():
    tried = {FaultKind.GARBAGE, FaultKind.NAMELESS, FaultKind.CUT, FaultKind.SLOW}
    tried |= {kind for kind in FaultKind if kind.startswith(("reset", "hang"))}
    tried |= {kind for kind in FaultKind if (BEFORE | AFTER)[kind].refusal}
    assert tried == set(FaultKind)
