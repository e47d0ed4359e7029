"""A head that is remembered means what aiohttp's parser makes of it: the same bytes lead to the same outcome."""

import asyncio
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.edges.transport.heads import LONGEST_HEAD, LONGEST_ID, MOST_HEADS, MOST_MARKS, MOST_MISSES, WholeAnswers
from batcher.edges.transport.wire import Wire

BODY = b'{"execution_name":"e-1"}'
FIELDS = (
    b"Server: OBS",
    b"Date: Tue, 24 Nov 2026 08:30:00 GMT",
    b"X-Request-ID: 7Dbd7a7a",
    b"x-obs-id-2: 32AAAQAAEAABAAAQ+/a==",
    b"Content-Type: application/json",
    b"Content-Length: 24",
    b"Connection: keep-alive",
)


def answer(*fields, first=b"HTTP/1.1 200 OK", body=BODY, end=b"\r\n"):
    return end.join([first, *fields, b"", body])


def with_id(value, name=b"X-Request-ID"):
    return answer(name + b": " + value, b"Content-Length: 24")


GOOD = answer(*FIELDS)
ODD_FIELDS = (
    b"content-length: 24", b"CONTENT-LENGTH:24", b"Content-Length: 24 ", b"Content-Length:\t24", b"Content-Length: +24",
    b"Content-Length: 024", b"Content-Length: 23", b"Content-Length: 99", b"Content-Length: 2 4", b"Content-Length: ",
    b"Content-Length: 18446744073709551616", b"Content-Length", b"Transfer-Encoding: chunked", b"Transfer-Encoding: x",
    b"Connection: close", b"Connection: upgrade", b"Upgrade: h2c", b"Connection: keep-alive, close",
    b"Content-Encoding: gzip", b"Retry-After: 7", b"Location: /elsewhere", b"Set-Cookie: a=b", b"Set-Cookie: c=d",
    b"X-Request-ID: ", b"X-Request-ID:", b"X-Request-ID:  two", b"X-Request-ID: tail ", b"X-Request-ID: \xe9\xff",
    b"X-Request-ID: a b", b"X-Request-ID: a\x00b", b"X-Request-ID: a\nContent-Length: 3", b"X-Request-ID: a\rb",
    b"X-Request-ID: a\r\n folded", b"X-Request-ID: a\r\n\tContent-Length: 3", b"x-request-id: lower",
    b"X-REQUEST-ID: upper", b"X-Obs-Request-Id: 1", b"x-amz-request-id: 2", b"X-Request-ID : 3", b" X-Request-ID: 4",
    b"X-Request-ID: " + b"i" * (LONGEST_ID + 1), b"X-Pad: " + b"p" * LONGEST_HEAD, b"X-Long: " + b"l" * 9000,
    b"X-Fold: a\r\n b", b": empty", b"no colon", b"X\x00: 1", b"X: \x00", b"X: \x7f", b"Sec-WebSocket-Key1: 1",
    b"Date: Tue, 24 Nov 2026 08:30:01 GMT", b"Date: \xc3\xa9",
)  # fmt: skip
FIRSTS = (
    b"HTTP/1.1 200 OK", b"HTTP/1.1 200", b"HTTP/1.1 200 \xff", b"HTTP/1.0 200 OK", b"HTTP/1.1 204 No Content",
    b"HTTP/1.1 304 Not Modified", b"HTTP/1.1 100 Continue", b"HTTP/1.1 101 Switching Protocols", b"HTTP/1.1 503 Slow",
    b"HTTP/1.1 599 x", b"HTTP/1.1 600 x", b"HTTP/1.1 099 x", b"HTTP/2 200 OK", b"http/1.1 200 OK", b"SSH-2.0-OpenSSH",
    b"\r\nHTTP/1.1 200 OK", b"\nHTTP/1.1 200 OK", b" HTTP/1.1 200 OK", b"HTTP/1.1  200 OK",
    b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK",
)  # fmt: skip
BODIES = (BODY, b"", BODY[:-1], BODY + b" ", BODY + GOOD, b"\r\n\r\n" + BODY, b"18\r\n" + BODY + b"\r\n0\r\n\r\n")


class Unread:
    """Leaves every answer to the parser of its connection."""

    def read(self, _data):
        return None


def outcome(pieces, answers):
    """Let pieces arrive on a new connection, then its end. Return what became of the request."""
    wire = Wire(SimpleNamespace(protocol=None, transport=None), answers)
    wire._asked = asked = asyncio.get_running_loop().create_future()
    for piece in pieces:
        wire.data_received(piece)
    is_free = wire.is_free
    wire.connection_lost(None)
    if error := asked.exception():
        return type(error), str(error), is_free
    reply = asked.result()
    return reply.status, list(reply.headers.items()), reply.body, is_free


def warmed():
    answers = WholeAnswers()
    for each in (GOOD, with_id(b"0"), with_id(b"1", b"x-request-id"), with_id(b"2", b"X-Obs-Request-Id")):
        assert answers.read(each).body == BODY
    return answers


def agree(data, cut):
    """Whether a head is remembered or not, and however its answer is cut: the outcome must be that of the parser."""
    pieces = [data] if cut is None else [data[:cut], data[cut:]]
    expected = outcome(pieces, Unread())
    answers = warmed()
    assert [outcome(pieces, answers) for _ in range(2)] == [expected] * 2
    # What came on this connection changes nothing on another.
    assert outcome([GOOD], answers) == outcome([GOOD], Unread())
    assert outcome([with_id(b"other")], answers) == outcome([with_id(b"other")], Unread())


ANSWERS = st.builds(
    lambda first, fields, body, end: answer(*fields, first=first, body=body, end=end),
    st.sampled_from(FIRSTS) | st.just(FIRSTS[0]),
    st.lists(st.sampled_from(FIELDS) | st.sampled_from(ODD_FIELDS), max_size=8),
    st.sampled_from(BODIES),
    st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r"]),
)
CHANGED = st.builds(
    lambda at, gone, new: GOOD[:at] + new + GOOD[at + gone :],
    st.integers(0, len(GOOD)),
    st.integers(0, 3),
    st.binary(max_size=2) | st.sampled_from([b"\r\n", b"\r\n ", b"\r\n\r\n", b": ", b"\x00"]),
)


@given(ANSWERS | CHANGED, st.none() | st.integers(1, 300))
async def test_any_bytes_in_any_cut_lead_to_the_outcome_of_the_parser(data, cut):
    agree(data, cut)


@pytest.mark.parametrize("field", ODD_FIELDS)
async def test_an_odd_line_leads_to_the_outcome_of_the_parser_wherever_it_stands(field):
    for place in range(len(FIELDS) + 1):
        fields = [*FIELDS[:place], field, *FIELDS[place:]]
        for cut in (None, 20, 60):
            agree(answer(*fields), cut)
            agree(answer(*(each for each in fields if each == field or not each.startswith(field[:5]))), cut)


@pytest.mark.parametrize("first", FIRSTS)
async def test_an_odd_first_line_leads_to_the_outcome_of_the_parser(first):
    for body in BODIES:
        agree(answer(*FIELDS, first=first, body=body), None)


class Counted(WholeAnswers):
    """Counts the heads that the parser has to read."""

    parsed = 0

    def _parsed(self, raw):
        self.parsed += 1
        return super()._parsed(raw)


async def test_a_head_is_parsed_once_however_many_request_ids_come_with_it():
    answers = Counted()
    for number in range(100):
        name = b"%032x" % number
        data = GOOD.replace(b"7Dbd7a7a", name).replace(b"32AAAQ", name)
        reply = answers.read(data)
        assert reply.headers["x-request-id"] == name.decode()
        assert reply.headers["X-OBS-ID-2"] == f"{name.decode()}AAEAABAAAQ+/a=="
        assert list(reply.headers) == [field.partition(b":")[0].decode() for field in FIELDS]
    assert answers.parsed == 1


async def test_two_services_that_spell_the_id_differently_share_the_memory():
    answers = Counted()
    for number in range(50):
        for name in (b"X-Request-ID", b"x-obs-request-id"):
            reply = answers.read(with_id(b"%d" % number, name))
            assert reply.headers[name.decode().lower()] == str(number)
    assert answers.parsed == 2


async def test_heads_that_never_repeat_are_not_remembered_until_they_do():
    answers = Counted()
    for number in range(10 * MOST_MISSES):
        answers.read(answer(b"X-Odd: %d" % number, b"Content-Length: 24"))
    kept = set(answers._known)
    for number in range(MOST_HEADS - 1):
        answers.read(answer(b"X-Odd: later %d" % number, b"Content-Length: 24"))
    assert set(answers._known) == kept
    before = answers.parsed
    for _ in range(MOST_HEADS + 50):
        answers.read(GOOD)
    assert answers.parsed <= before + MOST_HEADS
    assert answers._misses == 0


async def test_no_service_fills_the_memory():
    answers = Counted()
    for bits in range(1 << 7):
        name = bytes(byte ^ 32 if bits >> place & 1 else byte for place, byte in enumerate(b"request"))
        answers.read(with_id(b"1", b"x-" + name + b"-id"))
    for number in range(3 * MOST_HEADS):
        assert answers.read(answer(b"X-Odd: %d" % number, b"Content-Length: 24")).headers["x-odd"] == str(number)
    assert 0 < len(answers._known) <= MOST_HEADS
    assert len(answers._marks) == MOST_MARKS
    huge = answer(b"X-Pad: " + b"p" * LONGEST_HEAD, b"Content-Length: 24")
    before = answers.parsed
    assert answers.read(huge) == answers.read(huge)
    assert answers.parsed == before + 2
