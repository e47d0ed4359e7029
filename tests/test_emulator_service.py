"""The emulator over real sockets: each call, its documents, its refusals and its ledger."""

import asyncio
import json
import stat
from collections import Counter
from ssl import PROTOCOL_TLS_SERVER, SSLContext, create_default_context

import aiohttp
import pytest
import trustme
from conftest import AK, CREDENTIALS, PARAMETERS, SK, TOKEN, Clock

from batcher.emulator.answers import json_refusal
from batcher.emulator.faults import FaultKind
from batcher.emulator.settings import Declared, InputKeys, InputShape, ParameterType, ThrottleAnswer
from batcher.errors import DiskError, UsageError
from batcher.model import Credentials

START = "/v2/workflows/transcode"
LIST = "/v2/workflowexecutions"
BODY = {"bucket": "videos", "object": "in/片段 01 é~+&.mp4", "inputs": {"template-id": 7}}
GRAPH = ("x-workflow-graph-name", "transcode")


@pytest.fixture
async def service(emulator):
    return await emulator()


def _execution(name):
    return f"{LIST}/{name}"


def _code(answer):
    """Read the code of a refusal, after a look at which end of the service speaks."""
    if answer.headers["Content-Type"] == "application/json":
        assert answer.json["request_id"] == answer.headers["X-Request-ID"]
        return answer.status, answer.json["code"]
    assert answer.headers["Content-Type"] == "application/xml"
    text = answer.body.decode()
    assert f"<RequestId>{answer.headers['X-Request-ID']}</RequestId>" in text
    return answer.status, "xml " + text.partition("<Code>")[2].partition("</Code>")[0]


async def test_a_start_is_answered_as_documented_and_stands_in_the_ledger(emulator, call):
    service = await emulator(clock=Clock())
    answer = await call(service, "POST", START, body=BODY)
    name = answer.json["execution_name"]
    assert answer.status == 200
    assert answer.json == {
        "execution_urn": f"urn:fgs:local:emulator:execution:transcode:{name}:loopback",
        "started_at": "2026-11-24T08:30:00.123Z",
        "execution_name": name,
    }
    assert "Content-Type" not in answer.headers
    assert answer.headers["Date"] == "Tue, 24 Nov 2026 08:30:00 GMT"
    assert len(answer.headers["X-Request-ID"]) == 32
    assert service.ledger.starts == [
        (name, "videos", "in/片段 01 é~+&.mp4", '{"template-id":7}', "2026-11-24T08:30:00.123Z")
    ]


async def test_two_equal_starts_are_two_executions(emulator, call):
    service = await emulator()
    first, second, other = [
        await call(service, "POST", START, body=body) for body in (BODY, BODY, BODY | {"inputs": None})
    ]
    assert len({answer.json["execution_name"] for answer in (first, second, other)}) == 3
    assert service.ledger.counts() == Counter(
        {("videos", BODY["object"], '{"template-id":7}'): 2, ("videos", BODY["object"], "{}"): 1}
    )
    assert service.ledger.summary()["twice"] == [["videos", BODY["object"], 2]]


@pytest.mark.parametrize(
    ("path", "query", "body", "code"),
    [
        (START, [("x-workflow-create", None)], BODY, (400, "SYS.0010")),
        (START, [("x-workflow-template-name", "t")], BODY, (400, "SYS.0010")),
        ("/v2/workflows/other", [], BODY, (404, "Workflow.0001")),
        (START, [], b"{", (400, "SYS.0010")),
        (START, [], BODY | {"bucket": ""}, (400, "SYS.0010")),
        (START, [], BODY | {"inputs": {"nothing": 1}}, (400, "Workflow.0009")),
        (START, [], BODY | {"inputs": {"template-id": "7"}}, (400, "Workflow.0006")),
        (START, [], BODY | {"object": "x" * 1025}, (400, "xml KeyTooLongError")),
        (START, [], b" " * 300_000, (400, "SYS.0012")),
        ("/v2/workflow-authorization", [], b"", (404, "SYS.0003")),
    ],
)
async def test_what_is_no_start_is_refused_and_starts_nothing(service, call, *, path, query, body, code):
    assert _code(await call(service, "POST", path, query, body=body)) == code
    assert service.ledger.starts == []


@pytest.mark.parametrize(
    ("credentials", "headers", "code"),
    [
        (Credentials(AK, "wrong"), {}, "SignatureDoesNotMatch"),
        (Credentials("SOMEBODY", SK), {}, "InvalidAccessKeyId"),
        (Credentials(AK, SK, TOKEN), {}, "InvalidAccessKeyId"),
        (CREDENTIALS, {"Date": "yesterday"}, "AccessDenied"),
        (CREDENTIALS, {"Authorization": ""}, "AccessDenied"),
        (CREDENTIALS, {"Content-Type": "text/plain"}, "SignatureDoesNotMatch"),
    ],
)
async def test_every_call_needs_a_good_signature(service, call, *, credentials, headers, code):
    known = {"credentials": credentials, "headers": headers}
    answers = [
        await call(service, "POST", START, body=BODY, **known),
        await call(service, "GET", START, **known),
        await call(service, "GET", LIST, [GRAPH], **known),
        await call(service, "GET", _execution("x"), [GRAPH], **known),
        await call(service, "PUT", _execution("x"), [GRAPH], **known),
    ]
    assert [_code(answer) for answer in answers] == [(403, f"xml {code}")] * 5
    assert service.ledger.starts == []


async def test_a_date_too_far_off_is_refused_with_both_times(emulator, call):
    service = await emulator(clock=Clock())
    answer = await call(service, "POST", START, body=BODY, now=service.settings.clock() - 1000)
    assert _code(answer) == (403, "xml RequestTimeTooSkewed")
    assert b"<MaxAllowedSkewMilliseconds>900000</MaxAllowedSkewMilliseconds>" in answer.body
    assert b"<RequestTime>2026-11-24T08:13:20.000Z</RequestTime>" in answer.body
    assert b"<ServerTime>2026-11-24T08:30:00.123Z</ServerTime>" in answer.body


async def test_a_security_token_must_be_there_and_be_the_right_one(emulator, call):
    temporary = Credentials(AK, SK, TOKEN)
    service = await emulator(credentials=temporary)
    answers = [
        await call(service, "GET", START, credentials=credentials)
        for credentials in (temporary, CREDENTIALS, Credentials(AK, SK, "another"))
    ]
    assert answers[0].status == 200
    assert [_code(answer) for answer in answers[1:]] == [(403, "xml InvalidAccessKeyId")] * 2


async def test_a_workflow_is_described_with_its_declared_parameters(emulator, call):
    declared = PARAMETERS | {"profile": Declared(ParameterType.STRING, None, {"valid_values": ["hd", "sd"]})}
    service = await emulator(clock=Clock(), workflows={"transcode": declared}, triggers=("incoming",))
    answer = await call(service, "GET", START)
    inputs = answer.json["definition"].pop("inputs")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json["name"] == "transcode"
    assert answer.json["created_at"] == "2026-11-24T08:30:00.123Z"
    assert {name: entry["type"] for name, entry in inputs.items()} == {
        name: parameter.type for name, parameter in declared.items()
    }
    assert "default" not in inputs["profile"]
    assert json.loads(inputs["profile"]["constraints"]) == {"valid_values": ["hd", "sd"]}
    assert answer.json["definition"]["event_defs"]["incoming"]["trigger_bucket"] == "incoming"
    assert inputs["note"]["default"] == "hello"
    assert json.loads(inputs["note"]["constraints"]) == {}


async def test_an_unknown_workflow_is_refused_everywhere_as_the_settings_say(emulator, call):
    service = await emulator(unknown_workflow=json_refusal(400, "Workflow.0042", "no"))
    graph = [("x-workflow-graph-name", "other")]
    answers = [
        await call(service, "POST", "/v2/workflows/other", body=BODY),
        await call(service, "GET", "/v2/workflows/other"),
        await call(service, "GET", LIST, graph),
        await call(service, "GET", _execution("x"), graph),
        await call(service, "PUT", _execution("x"), graph),
    ]
    assert [_code(answer) for answer in answers] == [(400, "Workflow.0042")] * 5


async def test_an_execution_is_listed_and_described_while_it_runs_and_after(emulator, call):
    clock = Clock()
    service = await emulator(clock=clock, run_time=60)
    name = (await call(service, "POST", START, body=BODY)).json["execution_name"]
    running = (await call(service, "GET", LIST, [GRAPH])).json
    expected = {
        "graph_urn": "urn:fgs:local:emulator:graph:transcode:loopback",
        "execution_urn": f"urn:fgs:local:emulator:execution:transcode:{name}:loopback",
        "execution_name": name,
        "execution_type": "APICALL",
        "execution_state": "RUNNING",
        "started_at": "2026-11-24T08:30:00.123Z",
        "stopped_at": "",
    }
    assert running == {"count": 1, "is_truncated": False, "executions": [expected]}
    clock.now += 60
    ended = expected | {"execution_state": "SUCCESS", "stopped_at": "2026-11-24T08:31:00.123Z"}
    assert (await call(service, "GET", LIST, [GRAPH])).json["executions"] == [ended]
    detail = (await call(service, "GET", _execution(name), [GRAPH])).json["execution_info"]
    assert {key: detail[key] for key in ended} == ended
    assert json.loads(detail["input"]) == BODY
    assert (detail["isTest"], detail["state_map"]["run"]["status"]) == (False, "SUCCESS")


@pytest.mark.parametrize(
    ("settings", "key", "expected"),
    [
        ({}, "/a b.mp4", {"bucket": "b", "object": "/a b.mp4", "inputs": {"note": "é"}}),
        ({"strip_leading_slash": True}, "/a b.mp4", {"bucket": "b", "object": "a b.mp4", "inputs": {"note": "é"}}),
        (
            {"input_shape": InputShape.RECORDS},
            "a b.mp4",
            {"Records": [{"obs": {"bucket": {"name": "b"}, "object": {"key": "a b.mp4"}}}], "inputs": {"note": "é"}},
        ),
        (
            {"input_shape": InputShape.RECORDS, "input_keys": InputKeys.ENCODED},
            "片/a b+.mp4",
            {
                "Records": [{"obs": {"bucket": {"name": "b"}, "object": {"key": "%E7%89%87/a%20b%2B.mp4"}}}],
                "inputs": {"note": "é"},
            },
        ),
    ],
)
@pytest.mark.parametrize("twice", [False, True])
async def test_an_execution_tells_its_input_in_the_shape_asked_for(emulator, call, *, settings, key, expected, twice):
    service = await emulator(input_twice=twice, **settings)
    body = {"bucket": "b", "object": key, "inputs": {"note": "é"}}
    name = (await call(service, "POST", START, body=body)).json["execution_name"]
    text = (await call(service, "GET", _execution(name), [GRAPH])).json["execution_info"]["input"]
    assert json.loads(json.loads(text) if twice else text) == expected
    assert service.ledger.starts[0].object == key


async def test_only_a_failed_execution_is_restored(emulator, call):
    clock = Clock()
    service = await emulator(clock=clock, run_time=60, fail_share=1.0)
    name = (await call(service, "POST", START, body=BODY)).json["execution_name"]

    async def restore():
        return await call(service, "PUT", _execution(name), [GRAPH])

    async def state():
        return (await call(service, "GET", _execution(name), [GRAPH])).json["execution_info"]["execution_state"]

    assert _code(await restore()) == (400, "SYS.0010")
    clock.now += 60
    assert await state() == "FAILED"
    assert (await restore()).json == {
        "execution_urn": f"urn:fgs:local:emulator:execution:transcode:{name}:loopback",
        "execution_name": name,
        "restored_at": "2026-11-24T08:31:00.123Z",
    }
    assert await state() == "RUNNING"
    clock.now += 60
    assert await state() == "SUCCESS"
    assert _code(await restore()) == (400, "SYS.0010")


async def test_the_list_is_paged_by_its_markers(emulator, call):
    service = await emulator(past=25)
    pages, marker = [], []
    while marker is not None:
        page = (await call(service, "GET", LIST, [GRAPH, ("x-workflow-limit", "10"), *marker])).json
        pages.append([entry["execution_name"] for entry in page["executions"]])
        marker = [("x-workflow-next-marker", page["next_marker"])] if page["is_truncated"] else None
    names = [name for page in pages for name in page]
    assert [len(page) for page in pages] == [10, 10, 5]
    assert names == sorted(set(names))
    default = (await call(service, "GET", LIST, [GRAPH])).json
    assert (default["count"], default["next_marker"]) == (10, f"APICALL{names[9]}")


async def test_the_list_can_be_of_one_type(emulator, call):
    service = await emulator()
    mine = service.start_elsewhere("b", "o")
    theirs = service.start_elsewhere("b", "o", type="TRIGGERCAL")

    async def names(*query):
        page = (await call(service, "GET", LIST, [GRAPH, *query])).json
        return [entry["execution_name"] for entry in page["executions"]]

    assert await names() == [mine, theirs]
    assert await names(("x-workflow-execution-type", "TRIGGERCAL")) == [theirs]


@pytest.mark.parametrize(
    "query",
    [
        [],
        [GRAPH, ("x-workflow-limit", "0")],
        [GRAPH, ("x-workflow-limit", "1001")],
        [GRAPH, ("x-workflow-limit", "ten")],
        [GRAPH, ("x-workflow-execution-type", "OTHER")],
    ],
)
async def test_a_wrong_list_is_refused(emulator, call, query):
    assert _code(await call(await emulator(), "GET", LIST, query)) == (400, "SYS.0010")


async def test_an_execution_is_missing_from_the_list_for_its_delay_but_can_be_described(emulator, call):
    clock = Clock()
    service = await emulator(clock=clock, list_delay=20)
    name = (await call(service, "POST", START, body=BODY)).json["execution_name"]
    clock.now += 19
    assert (await call(service, "GET", LIST, [GRAPH])).json["executions"] == []
    assert (await call(service, "GET", _execution(name), [GRAPH])).status == 200
    clock.now += 1
    assert (await call(service, "GET", LIST, [GRAPH])).json["count"] == 1


async def test_listing_and_describing_can_be_forbidden(emulator, call):
    service = await emulator(list_forbidden=True, get_forbidden=True)
    name = service.start_elsewhere("b", "o")
    assert _code(await call(service, "GET", LIST, [GRAPH])) == (403, "xml AccessDenied")
    assert _code(await call(service, "GET", _execution(name), [GRAPH])) == (403, "xml AccessDenied")


async def test_an_unknown_execution_is_not_found(emulator, call):
    service = await emulator(workflows={"transcode": {}, "other": {}})
    name = service.start_elsewhere("b", "o", graph="other")
    assert _code(await call(service, "GET", _execution(name), [GRAPH])) == (404, "Workflow.0002")
    assert (await call(service, "GET", _execution(name), [("x-workflow-graph-name", "other")])).status == 200
    assert _code(await call(service, "GET", _execution(name))) == (400, "SYS.0010")


async def test_executions_started_elsewhere_are_listed_and_not_in_the_ledger(emulator, call):
    service = await emulator(clock=Clock(), run_time=60)
    name = service.start_elsewhere("b", "o", {"note": "x"}, type="TRIGGERCAL", started_at=1_795_508_000.0)
    detail = (await call(service, "GET", _execution(name), [GRAPH])).json["execution_info"]
    assert (detail["execution_type"], detail["started_at"]) == ("TRIGGERCAL", "2026-11-24T08:13:20.000Z")
    assert json.loads(detail["input"]) == {"bucket": "b", "object": "o", "inputs": {"note": "x"}}
    assert service.ledger.starts == []


async def test_past_executions_have_ended_and_are_listed_at_once(emulator, call):
    service = await emulator(past=1000, list_delay=100, run_time=50)
    page = (await call(service, "GET", LIST, [GRAPH, ("x-workflow-limit", "1000")])).json
    assert (page["count"], page["is_truncated"]) == (1000, False)
    assert {entry["execution_state"] for entry in page["executions"]} == {"SUCCESS"}


@pytest.mark.parametrize(
    ("answer", "code"),
    [(ThrottleAnswer.SLOWDOWN, (503, "xml SlowDown")), (ThrottleAnswer.TOO_MANY, (429, "SYS.0011"))],
)
async def test_starts_over_the_rate_are_refused_and_others_are_not_counted(emulator, call, answer, code):
    clock = Clock()
    service = await emulator(clock=clock, rate=2, burst=2, throttle_answer=answer, retry_after=3)
    answers = [await call(service, "POST", START, body=BODY) for _ in range(3)]
    assert [each.status for each in answers[:2]] == [200, 200]
    assert _code(answers[2]) == code
    assert answers[2].headers["Retry-After"] == "3"
    assert (await call(service, "GET", START)).status == 200
    clock.now += 0.5
    assert [(await call(service, "POST", START, body=BODY)).status for _ in range(2)] == [200, code[0]]
    assert len(service.ledger.starts) == 3


async def test_a_refusal_for_the_rate_says_nothing_of_when_to_come_back_unless_told(emulator, call):
    service = await emulator(clock=Clock(), rate=1)
    answers = [await call(service, "POST", START, body=BODY) for _ in range(2)]
    assert answers[1].status == 503
    assert "Retry-After" not in answers[1].headers


async def post(service, path, text):
    async with aiohttp.ClientSession() as session, session.post(service.url + path, data=text) as response:
        return response.status, await response.text()


async def test_a_running_emulator_can_be_told_another_rate(emulator, call):
    clock = Clock()
    service = await emulator(clock=clock, rate=2, burst=2)

    async def starts():
        return [(await call(service, "POST", START, body=BODY)).status for _ in range(4)]

    assert await starts() == [200, 200, 503, 503]
    assert await post(service, "/emulator/rate", "3") == (204, "")
    clock.now += 0.35
    assert await starts() == [200, 503, 503, 503]
    assert (await post(service, "/emulator/rate", "none"))[0] == 204
    assert await starts() == [200] * 4
    assert (await post(service, "/emulator/rate", "1"))[0] == 204
    assert await starts() == [200, 200, 503, 503]


async def test_a_running_emulator_can_be_told_other_faults(emulator, call):
    service = await emulator()
    statuses = []
    for faults in ("500=1", "", "408=0% 429=100%"):
        assert await post(service, "/emulator/faults", faults) == (204, "")
        statuses.append((await call(service, "POST", START, body=BODY)).status)
    assert statuses == [500, 200, 429]


@pytest.mark.parametrize(
    ("path", "text", "told"),
    [
        ("/emulator/rate", "fast", "'fast' is not a rate"),
        ("/emulator/rate", "0", "rate 0: not a positive number"),
        ("/emulator/rate", "nan", "rate nan: not a positive number"),
        ("/emulator/faults", "explode=1", "unknown fault 'explode'"),
        ("/emulator/faults", "500=60% 408=60%", "1.2 is not a share"),
        ("/emulator/faults", b"\xff", "unknown fault"),
    ],
)
async def test_what_cannot_be_is_refused_and_changes_nothing(emulator, path, text, told):
    service = await emulator(rate=7)
    before = service.settings
    status, answer = await post(service, path, text)
    assert status == 400
    assert told in answer
    assert service.settings is before


async def test_missing_objects_are_the_same_on_every_try(emulator, call):
    service = await emulator(reject_share=0.5, seed=3)
    bodies = [{"bucket": "b", "object": f"o{number}"} for number in range(40)]
    first, second = [[await call(service, "POST", START, body=body) for body in bodies] for _ in range(2)]
    statuses = [answer.status for answer in first]
    assert statuses == [answer.status for answer in second]
    assert set(statuses) == {200, 404}
    assert _code(first[statuses.index(404)]) == (404, "SYS.0015")
    assert len(service.ledger.starts) == 2 * statuses.count(200)


async def test_the_ledger_is_told_without_a_signature(emulator, call):
    service = await emulator()
    for _ in range(3):
        await call(service, "POST", START, body=BODY)
    async with aiohttp.ClientSession() as session, session.get(service.url + "/emulator/ledger") as response:
        assert await response.json() == {
            "starts": 3,
            "distinct": 1,
            "most_running": 3,
            "twice": [["videos", BODY["object"], 3]],
            "requests": {"start": 3},
            "answers": {"200": 3},
        }


async def test_requests_and_answers_are_counted(emulator, call):
    service = await emulator()
    await call(service, "POST", START, body=BODY)
    await call(service, "POST", START, body=b"")
    await call(service, "GET", LIST, [GRAPH])
    await call(service, "GET", START)
    await call(service, "GET", _execution("x"), [GRAPH])
    await call(service, "PUT", _execution("x"), [GRAPH])
    await call(service, "DELETE", START)
    assert service.ledger.requests == Counter(start=2, list=1, workflow=1, execution=1, restore=1, other=1)
    assert service.ledger.answers == Counter({"200": 3, "400 SYS.0010": 1, "404 Workflow.0002": 2, "404 SYS.0003": 1})
    assert service.ledger.closing_line() == "7 requests, 1 start, 1 distinct, 0 started twice"


async def test_the_ledger_file_has_each_start_when_its_answer_arrives(emulator, call, tmp_path):
    path = tmp_path / "starts.jsonl"
    service = await emulator(ledger=path, clock=Clock())
    for number in range(3):
        name = (await call(service, "POST", START, body=BODY)).json["execution_name"]
        lines = path.read_text().splitlines()
        assert len(lines) == number + 1
        assert json.loads(lines[-1]) == {
            "execution_name": name,
            "bucket": "videos",
            "object": BODY["object"],
            "inputs": '{"template-id":7}',
            "started_at": "2026-11-24T08:30:00.123Z",
        }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_ledger_file_is_continued_by_the_next_emulator(emulator, call, tmp_path):
    path = tmp_path / "starts.jsonl"
    for _ in range(2):
        await call(await emulator(ledger=path), "POST", START, body=BODY)
    names = [json.loads(line)["execution_name"] for line in path.read_text().splitlines()]
    assert len(set(names)) == 2


async def test_a_ledger_that_cannot_be_opened_ends_the_emulator(emulator, tmp_path):
    with pytest.raises(DiskError, match="No such file"):
        await emulator(ledger=tmp_path / "no" / "where.jsonl")


async def test_a_port_that_is_taken_is_refused_with_advice(emulator):
    port = int((await emulator()).url.rpartition(":")[2])
    with pytest.raises(UsageError, match=f"port {port}"):
        await emulator(port=port)


async def test_it_speaks_tls_where_it_is_given_a_certificate(emulator):
    authority = trustme.CA()
    server = SSLContext(PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    service = await emulator(ssl_context=server)
    client = create_default_context()
    authority.configure_trust(client)
    assert service.url.startswith("https://127.0.0.1:")
    async with (
        aiohttp.ClientSession() as session,
        session.get(service.url + "/emulator/ledger", ssl=client) as response,
    ):
        assert (await response.json())["starts"] == 0


async def test_it_listens_on_the_loopback_of_ipv6_too(emulator, call):
    service = await emulator(host="::1")
    assert service.url.startswith("http://[::1]:")
    assert (await call(service, "POST", START, body=BODY)).status == 200


async def test_starts_are_refused_while_too_many_executions_run(emulator, call):
    clock = Clock()
    service = await emulator(clock=clock, most_running=2, run_time=10.0)
    assert [(await call(service, "POST", START, body=BODY)).status for _ in range(3)] == [200, 200, 503]
    clock.now += 10.0
    assert [(await call(service, "POST", START, body=BODY)).status for _ in range(3)] == [200, 200, 503]


async def test_starts_are_refused_while_too_many_wait_for_their_answer(emulator, call):
    service = await emulator(most_in_flight=2, faults={FaultKind.HANG_BEFORE: 1.0})
    calls = [asyncio.create_task(call(service, "POST", START, body=BODY)) for _ in range(3)]
    # two of them hang
    [first], _ = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    assert (first.result().status, service.in_flight) == (503, 2)
    service.stopping.set()
    await asyncio.gather(*calls, return_exceptions=True)
    assert service.in_flight == 0
