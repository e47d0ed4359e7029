"""The v2 dialect on a real socket: each call's bytes, and its signature checked by code of the test's own."""

import asyncio
import base64
import hashlib
import hmac
from contextlib import asynccontextmanager, suppress
from email.utils import formatdate, parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

import pytest

from batcher.edges.service import ObsV2
from batcher.edges.transport import connect
from batcher.model import Answer, Credentials, Fault, Lost, Reply

NOON = 1795608000.0  # Wed, 25 Nov 2026 12:00:00 GMT
PERMANENT = Credentials("AK1", "secret-1")
TEMPORARY = Credentials("AK2", "secret-2", "token/+=2")

# The query names that the official Python SDK puts into the resource that it signs.
SIGNED = {"x-workflow-graph-name", "x-workflow-limit", "x-workflow-next-marker", "x-workflow-execution-type"}


class Request(NamedTuple):
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class Clock:
    def __init__(self):
        self.now = NOON

    def __call__(self):
        return self.now


def lend(credentials):
    """Give every request the same credentials."""
    return lambda ask, *request: ask(credentials, *request)


@asynccontextmanager
async def service(credentials=PERMANENT, clock=None, answer=b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"):
    """Give an ObsV2 for the workflow `demo`, and the list of the requests that its server reads."""
    requests, tasks = [], []

    async def serve(reader, writer):
        tasks.append(asyncio.current_task())
        with suppress(asyncio.IncompleteReadError):
            while True:
                requests.append(await read_request(reader))
                writer.write(answer)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        async with connect(endpoint, connections=1, timeout=30.0) as transport:
            yield ObsV2(transport.send, lend(credentials), "demo", print, clock=clock or Clock()), requests
        await asyncio.gather(*tasks)


async def read_request(reader):
    head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii")
    first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
    method, target, _ = first.split(" ")
    fields = [line.partition(": ") for line in lines]
    headers = {name.lower(): value for name, _, value in fields}
    assert len(headers) == len(lines), "a header stands twice"
    return Request(method, target, headers, await reader.readexactly(int(headers.get("content-length", 0))))


def signed_rightly(request, credentials):
    """Sign the request as it arrived, by the rules of the service's manual, and compare."""
    path, _, query = request.target.partition("?")
    pairs = sorted(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)))
    resource = path + "?" * bool(pairs) + "&".join(f"{name}={value}" for name, value in pairs if name in SIGNED)
    token = request.headers.get("x-obs-security-token")
    assert token == (credentials.security_token or None)
    text = f"{request.method}\n\n{request.headers['content-type']}\n{request.headers['date']}\n"
    text += f"x-obs-security-token:{token}\n{resource}" if token else resource
    digest = hmac.new(credentials.secret_key.encode(), text.encode(), hashlib.sha1).digest()
    expected = f"OBS {credentials.access_key}:{base64.b64encode(digest).decode()}"
    return request.headers["authorization"] == expected


CALLS = {
    "start": lambda obs: obs.start(b'{"bucket":"b","object":"o"}'),
    "get_workflow": lambda obs: obs.get_workflow(),
    "list_executions": lambda obs: obs.list_executions("APICALL é/+=&", 7, "APICALL"),
    "get_execution": lambda obs: obs.get_execution("84a3dd"),
    "restore": lambda obs: obs.restore("84a3dd"),
}


@pytest.mark.parametrize("credentials", [PERMANENT, TEMPORARY], ids=["permanent", "temporary"])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_every_call_is_signed_over_what_arrives(call, credentials):
    async with service(credentials) as (obs, requests):
        answer = await call(obs)
    assert answer == Answer(status=200, body={})
    (request,) = requests
    assert signed_rightly(request, credentials)
    assert request.headers["content-type"] == "application/json"
    assert request.headers["date"] == "Wed, 25 Nov 2026 12:00:00 GMT"


async def test_a_start_posts_the_body_byte_for_byte_and_has_no_query():
    body = '{"bucket":"films","object":"/été/映画\u0301 01.mp4 "}'.encode()
    async with service() as (obs, requests):
        await obs.start(body)
    assert requests[0][:2] == ("POST", "/v2/workflows/demo")
    assert requests[0].body == body


async def test_the_workflow_is_asked_for_without_a_query():
    async with service() as (obs, requests):
        await obs.get_workflow()
    assert (requests[0][:2], requests[0].body) == (("GET", "/v2/workflows/demo"), b"")


async def test_a_list_of_executions_asks_for_a_thousand_of_the_workflow():
    async with service() as (obs, requests):
        await obs.list_executions()
    assert requests[0].target == "/v2/workflowexecutions?x-workflow-graph-name=demo&x-workflow-limit=1000"


async def test_a_later_page_names_its_marker_and_the_type_of_execution():
    async with service() as (obs, requests):
        await obs.list_executions(marker="APICALL+1 &", limit=5, execution_type="APICALL")
    path, _, query = requests[0].target.partition("?")
    assert path == "/v2/workflowexecutions"
    assert [tuple(map(unquote, pair.split("="))) for pair in query.split("&")] == [
        ("x-workflow-graph-name", "demo"),
        ("x-workflow-limit", "5"),
        ("x-workflow-next-marker", "APICALL+1 &"),
        ("x-workflow-execution-type", "APICALL"),
    ]


@pytest.mark.parametrize(("call", "method"), [(ObsV2.get_execution, "GET"), (ObsV2.restore, "PUT")])
@pytest.mark.parametrize(("name", "encoded"), [("84a3dd", "84a3dd"), ("a/../b?c#d é", "a%2F..%2Fb%3Fc%23d%20%C3%A9")])
async def test_the_name_of_an_execution_is_one_encoded_element_of_the_path(call, method, name, encoded):
    async with service() as (obs, requests):
        await call(obs, name)
    assert requests[0][:2] == (method, f"/v2/workflowexecutions/{encoded}?x-workflow-graph-name=demo")
    assert signed_rightly(requests[0], PERMANENT)


async def test_a_restore_says_that_its_body_is_empty():
    async with service() as (obs, requests):
        await obs.restore("84a3dd")
    assert requests[0].headers["content-length"] == "0"


async def test_the_starts_of_one_second_share_a_date_and_the_next_second_signs_again():
    clock = Clock()
    async with service(clock=clock) as (obs, requests):
        for clock.now in (NOON, NOON + 0.999, NOON + 1.0):
            await obs.start(b"{}")
    assert [request.headers["date"][-12:] for request in requests] == ["12:00:00 GMT", "12:00:00 GMT", "12:00:01 GMT"]
    assert all(signed_rightly(request, PERMANENT) for request in requests)
    first, second, third = (request.headers["authorization"] for request in requests)
    assert first == second != third


async def test_the_starts_of_one_second_are_signed_once():
    clock, seen = Clock(), []

    async def send(_method, _target, headers, _body):
        seen.append(headers)
        return Lost(Fault.UNREACHED, "")

    obs = ObsV2(send, lend(PERMANENT), "demo", print, clock=clock)
    for clock.now in (NOON, NOON + 0.999, NOON + 1.0):
        await obs.start(b"{}")
    assert seen[0] is seen[1]
    assert seen[1] is not seen[2]


async def test_replaced_credentials_sign_within_the_same_second():
    async with service(PERMANENT) as (obs, requests):
        await obs.start(b"{}")
        obs._use = lend(TEMPORARY)
        await obs.start(b"{}")
    assert signed_rightly(requests[0], PERMANENT)
    assert signed_rightly(requests[1], TEMPORARY)


async def test_an_error_of_the_service_comes_back_read():
    error = b'{"code":"SYS.0011","message":"too many requests"}'
    reply = b"HTTP/1.1 429 x\r\nX-Request-ID: r-1\r\nContent-Length: %d\r\n\r\n" % len(error) + error
    async with service(answer=reply) as (obs, _):
        answer = await obs.start(b"{}")
    assert answer == Answer(status=429, code="SYS.0011", message="too many requests", request_id="r-1")


async def test_a_service_that_cannot_be_reached_is_an_answer_too():
    async with connect("http://127.0.0.1:1", connections=1, timeout=30.0) as transport:
        answer = await ObsV2(transport.send, lend(PERMANENT), "demo", print).start(b"{}")
    assert answer == Answer(fault=Fault.UNREACHED, message="127.0.0.1:1: no connection: connection refused")


class Told:
    """A service that answers as it is told to, `after` seconds by the steady clock. `dates` are the requests' own."""

    def __init__(self):
        self.clock, self.steady = Clock(), Clock()
        self.steady.now = 5000.0
        self.dates, self.warnings = [], []
        self.obs = ObsV2(
            self._send, lend(PERMANENT), "demo", self.warnings.append, clock=self.clock, steady=self.steady
        )

    async def answers(self, served, *, after=0.0, status=200, body=b"{}"):
        self._reply = Reply(status, {"date": "" if served is None else formatdate(served, usegmt=True)}, body)
        self._after = after
        await self.obs.get_workflow()

    async def _send(self, _method, _target, headers, _body):
        self.dates.append(parsedate_to_datetime(headers["Date"]).timestamp())
        self.steady.now += self._after
        return self._reply


async def test_the_time_is_the_services_as_soon_as_an_answer_has_told_it():
    told = Told()
    assert told.obs.now() == 0.0
    await told.answers(None)
    assert told.obs.now() == 0.0
    await told.answers(NOON + 7200, after=0.5)
    assert told.obs.now() == NOON + 7200
    told.steady.now += 10.25
    assert told.obs.now() == NOON + 7210.25


async def test_requests_are_signed_by_this_machines_clock_until_the_services_is_known():
    told = Told()
    await told.answers(None)
    await told.answers(NOON + 7200)
    told.steady.now += 3
    await told.answers(NOON + 7203)
    assert told.dates == [NOON, NOON, NOON + 7203]


async def test_a_clock_that_is_set_in_mid_run_changes_nothing():
    told = Told()
    await told.answers(NOON)
    told.clock.now -= 7200
    told.steady.now += 1
    await told.answers(NOON + 1)
    assert (told.obs.now(), told.dates, told.warnings) == (NOON + 1, [NOON, NOON + 1], [])


SKEWED = b"<Error><Code>RequestTimeTooSkewed</Code><Message>no</Message></Error>"


@pytest.mark.parametrize(("off", "words"), [(1200, "1,200 s behind the service's"), (-7200, "7,200 s ahead of the")])
async def test_a_date_that_is_refused_is_warned_of_once_and_the_next_request_has_the_services(off, words):
    told = Told()
    for _ in range(2):
        await told.answers(NOON + off, status=403, body=SKEWED)
    assert told.dates == [NOON, NOON + off]
    (warning,) = told.warnings
    assert words in warning
    assert warning.endswith("requests are signed with the service's time")


async def test_a_request_that_was_only_late_is_not_blamed_on_the_clock():
    told = Told()
    await told.answers(NOON, status=403, body=SKEWED)
    assert told.warnings == []
