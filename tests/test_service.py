"""The service on a real socket: each call's bytes, and its signature checked by code of the test's own."""

import asyncio
import base64
import hashlib
import hmac
import json
from contextlib import asynccontextmanager, suppress
from email.utils import formatdate, parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

import pytest
from answered import answered
from services import service_of

from batcher.edges.transport import connect
from batcher.flow.service import Service
from batcher.model import (
    Answer,
    Credentials,
    Described,
    Execution,
    ExecutionDetail,
    Fault,
    Lost,
    Page,
    Reply,
    Row,
    Workflow,
)
from batcher.rules.service import verdicts
from batcher.rules.service.dialect import Window
from batcher.rules.service.obs_v2 import start_body

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


def row(key="o", inputs=b""):
    return Row(1, 1, "b", key, inputs, b"k" * 16)


@asynccontextmanager
async def service(credentials=PERMANENT, clock=None, answer=b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"):
    """Give a service for the workflow `demo`, and the list of the requests that its server reads."""
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
            yield service_of(transport.send, credentials=credentials, wall=clock or Clock()), requests
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
    "start": lambda obs: obs.start(row()),
    "workflow": lambda obs: obs.workflow(),
    "page": lambda obs: obs.page(marker="APICALL é/+=&", limit=7, is_event=False),
    "execution": lambda obs: obs.execution("84a3dd"),
    "restore": lambda obs: obs.restore("84a3dd"),
}


@pytest.mark.parametrize("credentials", [PERMANENT, TEMPORARY], ids=["permanent", "temporary"])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_every_call_is_signed_over_what_arrives(call, credentials):
    async with service(credentials) as (obs, requests):
        answer = await call(obs)
    assert (answer.status, answer.fault, getattr(answer, "noun", None), answer.execution) == (200, None, None, None)
    (request,) = requests
    assert signed_rightly(request, credentials)
    assert request.headers["content-type"] == "application/json"
    assert request.headers["date"] == "Wed, 25 Nov 2026 12:00:00 GMT"


async def test_a_start_posts_the_body_byte_for_byte_and_has_no_query():
    body = '{"bucket":"b","object":"/été/映画\u0301 01.mp4 ","inputs":{"a":1.0}}'.encode()
    async with service() as (obs, requests):
        await obs.start(row("/été/映画\u0301 01.mp4 ", b'{"a":1.0}'))
    assert requests[0][:2] == ("POST", "/v2/workflows/demo")
    assert requests[0].body == body


async def test_the_workflow_is_asked_for_without_a_query():
    async with service() as (obs, requests):
        await obs.workflow()
    assert (requests[0][:2], requests[0].body) == (("GET", "/v2/workflows/demo"), b"")


async def test_a_list_of_executions_asks_for_a_thousand_of_the_workflow():
    async with service() as (obs, requests):
        assert [page async for page in obs.executions([])] == [Described(200)]
    assert requests[0].target == "/v2/workflowexecutions?x-workflow-graph-name=demo&x-workflow-limit=1000"


async def test_a_later_page_names_its_marker_and_the_type_of_execution():
    async with service() as (obs, requests):
        await obs.page(marker="APICALL+1 &", limit=5, is_event=False)
    path, _, query = requests[0].target.partition("?")
    assert path == "/v2/workflowexecutions"
    assert [tuple(map(unquote, pair.split("="))) for pair in query.split("&")] == [
        ("x-workflow-graph-name", "demo"),
        ("x-workflow-limit", "5"),
        ("x-workflow-next-marker", "APICALL+1 &"),
        ("x-workflow-execution-type", "APICALL"),
    ]


@pytest.mark.parametrize(("call", "method"), [(Service.execution, "GET"), (Service.restore, "PUT")])
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
            await obs.start(row())
    assert [request.headers["date"][-12:] for request in requests] == ["12:00:00 GMT", "12:00:00 GMT", "12:00:01 GMT"]
    assert all(signed_rightly(request, PERMANENT) for request in requests)
    first, second, third = (request.headers["authorization"] for request in requests)
    assert first == second != third


async def test_the_starts_of_one_second_are_signed_once():
    clock, seen = Clock(), []

    async def send(_method, _target, headers, _body):
        seen.append(headers)
        return Lost(Fault.UNREACHED, "")

    obs = service_of(send, wall=clock)
    for clock.now in (NOON, NOON + 0.999, NOON + 1.0):
        await obs.start(row())
    assert seen[0] is seen[1]
    assert seen[1] is not seen[2]


async def test_replaced_credentials_sign_within_the_same_second():
    async with service(PERMANENT) as (obs, requests):
        await obs.start(row())
        obs.credentials.current = TEMPORARY
        await obs.start(row())
    assert signed_rightly(requests[0], PERMANENT)
    assert signed_rightly(requests[1], TEMPORARY)


async def test_an_error_of_the_service_comes_back_read():
    error = b'{"code":"SYS.0011","message":"too many requests"}'
    reply = b"HTTP/1.1 429 x\r\nX-Request-ID: r-1\r\nContent-Length: %d\r\n\r\n" % len(error) + error
    async with service(answer=reply) as (obs, _):
        answer = await obs.start(row())
    assert answer == answered(429, "SYS.0011", "too many requests", "r-1")


async def test_a_service_that_cannot_be_reached_is_an_answer_too():
    async with connect("http://127.0.0.1:1", connections=1, timeout=30.0) as transport:
        answer = await service_of(transport.send).start(row())
    assert answer == Answer(fault=Fault.UNREACHED, message="127.0.0.1:1: no connection: connection refused")


class Told:
    """A service that answers as it is told to, `after` seconds by the steady clock. `dates` are the requests' own."""

    def __init__(self):
        self.clock, self.steady = Clock(), Clock()
        self.steady.now = 5000.0
        self.dates, self.warnings = [], []
        self.obs = service_of(self._send, wall=self.clock, steady=self.steady, warn=self.warnings.append)

    def told(self, served, *, after=0.0, status=200, body=b"{}"):
        self._reply = Reply(status, {"date": "" if served is None else formatdate(served, usegmt=True)}, body)
        self._after = after

    async def answers(self, served, **how):
        self.told(served, **how)
        await self.obs.workflow()

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


@pytest.mark.parametrize("off", [-3600, 3600])
async def test_neither_the_list_nor_a_detail_sets_the_clock_that_it_is_judged_by(off):
    told = Told()
    await told.answers(NOON)
    told.told(NOON + off, body=b'{"executions": []}')
    await told.obs.page()
    await told.obs.execution("e")
    assert told.obs.now() == NOON


async def test_an_old_answer_to_a_question_does_not_set_the_clock_back_and_the_answer_to_a_start_does():
    told = Told()
    await told.answers(NOON)
    await told.answers(NOON - 3600)
    assert told.obs.now() == NOON
    told.told(NOON - 3599)
    await told.obs.start(row())
    assert told.obs.now() == NOON - 3599


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


def replies(*script, stopped=lambda: False, waited=None):
    """Give a service that answers from a script, and the calls that it got."""
    calls = []
    left = list(script)

    async def send(method, target, _headers, body):
        calls.append((method, target, body))
        return left.pop(0)

    async def sleep(seconds):
        (waited if waited is not None else []).append(seconds)

    return service_of(send, sleep=sleep, stopped=stopped), calls


def ok(body):
    return Reply(200, {"date": formatdate(NOON, usegmt=True)}, json.dumps(body).encode())


DATE = formatdate(NOON, usegmt=True)
ANY = [Window(0.0, NOON)]
REFUSED = Reply(503, {}, b"<Error><Code>SlowDown</Code></Error>")


async def test_a_start_answers_with_the_execution_that_it_names():
    obs, calls = replies(ok({"execution_name": "e", "execution_urn": "u", "started_at": "t"}))
    assert await obs.start(row("a")) == Answer(200, date=DATE, execution=Execution("e", "u", "t"))
    assert calls == [("POST", "/v2/workflows/demo", start_body(row("a")))]


async def test_a_question_answers_with_its_noun():
    obs, _ = replies(ok({"name": "demo", "definition": {}}), ok({"execution_info": {"execution_name": "e"}}))
    assert await obs.workflow() == Described(200, date=DATE, noun=Workflow("demo", {}))
    assert await obs.execution("e") == Described(200, date=DATE, noun=ExecutionDetail(Execution("e"), ""))


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "InvalidBucketName"), (404, "NoSuchBucket"), (403, "AllAccessDisabled"), (404, "NoSuchKey"),
        (404, "SYS.0014"), (404, "APIGW.0101"), (405, "MethodNotAllowed"), (404, "SYS.0003"),
    ],
)  # fmt: skip
async def test_an_error_about_a_bucket_nobody_asked_for_means_that_no_workflows_are_served(status, code):
    body = b"<Error><Code>%s</Code></Error>" % code.encode()
    obs, _ = replies(*[Reply(status, {}, body)] * 2)
    asked = await obs.workflow()
    assert verdicts.serves_no_workflows(asked)
    assert "DWR v3 (Data Workroom)" in verdicts.ending(asked).advice
    # To a start, which names a bucket and an object, the same may be about these.
    in_table = code in {"APIGW.0101", "MethodNotAllowed", "SYS.0003"}
    assert verdicts.serves_no_workflows(await obs.start(Row(1, 2, "b", "o", b"", b"k"))) is in_table


async def test_the_whole_list_is_walked_by_its_markers():
    obs, calls = replies(
        ok({"executions": [{"execution_name": "a"}], "is_truncated": True, "next_marker": "m1"}),
        ok({"executions": [], "is_truncated": True, "next_marker": "m2"}),
        ok({"executions": [{"execution_name": "b"}], "is_truncated": False}),
    )
    pages = [answer.noun async for answer in obs.executions(ANY)]
    assert pages == [Page((Execution("a"),), "m1"), Page((), "m2"), Page((Execution("b"),))]
    first = "/v2/workflowexecutions?x-workflow-graph-name=demo&x-workflow-limit=1000"
    assert [target for _, target, _ in calls] == [first, *(f"{first}&x-workflow-next-marker={m}" for m in ("m1", "m2"))]


async def test_a_list_that_leads_back_to_where_it_was_ends_without_a_noun():
    one, other = (ok({"executions": [], "is_truncated": True, "next_marker": marker}) for marker in ("m1", "m2"))
    obs, calls = replies(one, other, one)
    *pages, last = [answer async for answer in obs.executions(ANY)]
    assert [page.noun.next_marker for page in pages] == ["m1", "m2", "m1"]
    assert (last.noun, last.message) == (None, "the execution list repeats a page marker")
    assert len(calls) == 3


TOO_LARGE = Lost(Fault.OVERSIZED, "larger than 1 MiB")


def limits(calls):
    return [int(dict(parse_qsl(target.partition("?")[2]))["x-workflow-limit"]) for _, target, _ in calls]


async def test_a_page_that_is_too_large_is_asked_for_in_smaller_ones_that_grow_again():
    page = ok({"executions": [{"execution_name": "e"}], "is_truncated": True, "next_marker": "m1"})
    last = ok({"executions": [{"execution_name": "f"}], "is_truncated": False})
    obs, calls = replies(TOO_LARGE, TOO_LARGE, page, TOO_LARGE, last)
    pages = [answer.noun async for answer in obs.executions(ANY)]
    assert [[each.name for each in noun.executions] for noun in pages] == [["e"], ["f"]]
    assert limits(calls) == [1000, 500, 250, 282, 141]
    assert ["next-marker=m1" in target for _, target, _ in calls] == [False] * 3 + [True] * 2


async def test_a_list_with_an_entry_that_is_too_large_for_itself_ends_without_a_noun():
    obs, calls = replies(*[TOO_LARGE] * 20)
    (answer,) = [each async for each in obs.executions(ANY)]
    assert (answer.noun, answer.message) == (None, "an entry of the execution list is too large to be read")
    assert limits(calls) == [1000, 500, 250, 125, 62, 31, 15, 7, 3, 1]
    assert (await obs.page(limit=2)).fault is Fault.OVERSIZED
    assert limits(calls)[-2:] == [2, 1]


async def test_a_list_that_cannot_be_read_ends_without_a_noun():
    obs, calls = replies(ok({"executions": [{}]}))
    assert [answer.noun async for answer in obs.executions(ANY)] == [None]
    assert len(calls) == 1


@pytest.mark.parametrize(
    "failure",
    [
        Lost(Fault.LOST, "reset"),
        Lost(Fault.UNREACHED, "no address"),
        REFUSED,
        Reply(500, {}, b""),
        Reply(503, {}, b""),
        Reply(200, {}, b"<html>"),
    ],
)
async def test_a_question_that_went_unanswered_is_asked_again_a_few_times(failure):
    waited = []
    obs, calls = replies(failure, failure, ok({"execution_info": {"execution_name": "e"}}), waited=waited)
    assert (await obs.execution("e")).noun == ExecutionDetail(Execution("e"), "")
    assert (len(calls), len(waited)) == (3, 2)
    obs, calls = replies(*[failure] * 9)
    assert (await obs.execution("e")).noun is None
    assert len(calls) == 5


@pytest.mark.parametrize(
    "answer",
    [
        Reply(403, {}, b'{"code":"SYS.0005"}'),
        Reply(404, {}, b'{"code":"Workflow.0002"}'),
        ok({}),
        ok({"execution_info": {"execution_name": ""}}),
    ],
)
async def test_an_answer_that_asking_again_would_not_change_is_final(answer):
    obs, calls = replies(answer)
    assert (await obs.execution("e")).noun is None
    assert len(calls) == 1


async def test_nothing_is_asked_again_once_the_job_stops():
    obs, calls = replies(REFUSED, REFUSED, stopped=lambda: True)
    assert await obs.execution("e") == answered(503, "SlowDown", kind=Described)
    assert len(calls) == 1


@pytest.mark.parametrize("failure", [Lost(Fault.LOST, "reset"), REFUSED, Reply(500, {}, b"")])
async def test_what_has_an_effect_is_sent_once_whatever_comes_back(failure):
    obs, calls = replies(failure, failure)
    await obs.start(row())
    await obs.restore("e")
    assert [(method, target) for method, target, _ in calls] == [
        ("POST", "/v2/workflows/demo"),
        ("PUT", "/v2/workflowexecutions/e?x-workflow-graph-name=demo"),
    ]


@pytest.mark.parametrize("said", ["reset by\n peer", "reset by peer", "  reset by peer\x00"])
async def test_a_lost_request_says_what_happened_in_one_line(said):
    obs, _ = replies(Lost(Fault.LOST, said))
    assert await obs.start(row()) == Answer(message="reset by peer", fault=Fault.LOST)
