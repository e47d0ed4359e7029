"""The dialect of DWR v3: its calls, its answers, what its errors mean, how its list is walked and when."""

import json
from datetime import datetime
from math import inf
from types import SimpleNamespace

import pytest
from services import service_of

from batcher.app.doubts import Doubts
from batcher.flow.drain import Drain
from batcher.model import Answer, Cause, Credentials, Execution, Kind, Page, Reply, Row
from batcher.rules.choices import Api, OnDoubt
from batcher.rules.service.dialect import Window
from batcher.rules.service.dialects import dialect_of
from batcher.rules.service.dwr_v3_list import ASTRAY, FEWER, MOVING, OUTSIDE, TOO_FULL, TOO_LARGE, UNDATED

P = "0123456789abcdef0123456789abcdef"
HOST = "dwr.cn-south-1.myhuaweicloud.com"
DWR = dialect_of(Api.DWR_V3, f"https://{HOST}", P)
KEYS = Credentials("EXAMPLEAK0123456789A", "ExampleSecretKey/abc+DEF0123456789xyzWXYZ")
NOW = 1_795_509_000
AT = "2026-11-24T08:30:00Z"


def reply(body, status=200, **headers):
    return Reply(status, headers, body if isinstance(body, bytes) else json.dumps(body).encode())


# Calls


def test_the_calls_are_those_of_the_official_sdk():
    calls = [
        DWR.start("w"), DWR.workflow("w"), DWR.execution("w", "a b+中"), DWR.restore("w", "e"), DWR.page("w"),
        DWR.page("w", marker="201", limit=1000),
    ]  # fmt: skip
    assert [f"{call.method} {call.path}{DWR.wire_query(call.query) if call.query else ''}" for call in calls] == [
        f"POST /v3/{P}/workflows/w/execute",
        f"GET /v3/{P}/workflows/w",
        f"GET /v3/{P}/workflows/w/workflowexecution/a%20b%2B%E4%B8%AD",
        f"POST /v3/{P}/workflows/w/workflowexecution/e/retry",
        f"GET /v3/{P}/workflowexecutions?graph_name=w&limit=200",
        f"GET /v3/{P}/workflowexecutions?graph_name=w&limit=200&offset=201",
    ]


def test_inputs_go_out_as_a_map_in_the_bytes_of_the_other_dialect():
    row = Row(1, 1, "b", "片 1.mp4", b'{"note":"x"}', b"")
    assert DWR.start_body(row) == '{"bucket":"b","object":"片 1.mp4","inputs":{"note":"x"}}'.encode()
    assert DWR.start_body(row) == dialect_of(Api.OBS_V2).start_body(row)


def test_each_body_has_a_signature_of_its_own_over_the_host_and_the_project():
    call = DWR.start("transcode-h265")
    headers = DWR.sign(KEYS, call, b'{"bucket":"my-videos","object":"in/clip 01.mp4"}', NOW)
    assert {name: value for name, value in headers.items() if name != "Authorization"} == {
        "Content-Type": "application/json", "X-Project-Id": P, "X-Sdk-Date": "20261124T083000Z",
    }  # fmt: skip
    assert headers["Authorization"].endswith("17a7a1b838a914de6ef39b43ce364e446e3e74321d0e51ececd8036ce3235ce2")
    others = {
        DWR.sign(KEYS, call, b"{}", NOW)["Authorization"],
        DWR.sign(KEYS, call, b"", NOW)["Authorization"],
        DWR.sign(KEYS, call, b"{}", NOW + 1)["Authorization"],
        dialect_of(Api.DWR_V3, f"https://{HOST}:8443", P).sign(KEYS, call, b"{}", NOW)["Authorization"],
        dialect_of(Api.DWR_V3, f"https://{HOST}", "other").sign(KEYS, call, b"{}", NOW)["Authorization"],
    }
    assert len(others) == 5


# Answers


def test_a_start_and_a_retry_name_their_execution():
    body = {"execution_urn": "urn:fss:e", "execution_name": "e", "started_at": AT}
    assert DWR.read_start(reply(body, date="D")) == Answer(200, date="D", execution=Execution("e", "urn:fss:e", AT))
    assert DWR.read_start(reply({"execution_name": "e", "restored_at": AT})).execution == Execution("e")
    assert DWR.read_start(reply({"execution_urn": "urn:fss:e"})).execution is None


LISTED = {
    "execution_name": "e",
    "execution_urn": "u",
    "execution_state": "timeout",
    "started_at": "2026-11-24T08:30:00.5Z",
}


@pytest.mark.parametrize(
    ("more", "marker"),
    [
        ({"is_truncated": True, "next_offset": 201}, "201"),
        ({"is_truncated": True, "next_marker": "201"}, "201"),
        ({"is_truncated": False, "next_offset": 201}, ""),
        ({"is_truncated": False}, ""),
        ({"is_truncated": True}, None),
        ({"is_truncated": True, "next_offset": None}, None),
    ],
)
def test_a_page_leads_on_by_a_number_or_by_a_text(more, marker):
    noun = DWR.read_page(reply({"count": 1, "executions": [LISTED], **more})).noun
    listed = Execution("e", "u", "2026-11-24T08:30:00.5Z", NOW + 0.5, state="timeout")
    assert noun == (None if marker is None else Page((listed,), marker, 1))


FLAT = {"execution_id": "0-1-2", "status": "fail", "begin_time": AT, "input": {"bucket": "b", "object": "o"}}


@pytest.mark.parametrize(
    ("body", "name", "text"),
    [
        (FLAT, "", '{"bucket":"b","object":"o"}'),
        (FLAT | {"input": '{"bucket":"b'}, "", '{"bucket":"b'),
        (FLAT | {"input": None}, "", ""),
        ({"execution_info": {"execution_name": "e", "input": "[]", "started_at": AT}}, "e", "[]"),
        ({"executions": []}, None, None),
        ({"execution_info": {"input": "[]"}}, None, None),
    ],
)
def test_an_execution_is_read_in_both_documented_shapes(body, name, text):
    noun = DWR.read_execution(reply(body)).noun
    found = None if noun is None else (noun.execution.name, noun.input)
    assert found == (None if name is None else (name, text))
    assert noun is None or noun.execution.at == NOW


@pytest.mark.parametrize(
    ("body", "keeps"),
    [
        ({"name": "w", "definition": {"inputs": []}}, True),
        ({"name": "w", "definition": {"mode": "NORMAL"}}, True),
        ({"name": "w", "definition": {"mode": "EXPRESS"}}, False),
        ({"name": "w", "mode": "express", "definition": {}}, False),
    ],
)
def test_an_express_workflow_is_known_to_keep_no_history(body, keeps):
    assert DWR.read_workflow(reply(body)).noun.keeps_history is keeps


# Errors


def meaning(status, body, **headers):
    answer = DWR.read_start(reply(body, status, **headers))
    return DWR.errors.meaning(answer.status, answer.code, answer.message)


def refused(words, code="APIGW.0301"):
    return {"error_msg": f"Incorrect IAM authentication information: {words}", "error_code": code, "request_id": "r"}


SKEWED = "signature expired, signature time:20211217T064303Z,server time:20211217T065804Z"
ECHO = "verify aksk signature fail, canonicalRequest:POST|/v3/p/workflows/w/execute/|"


@pytest.mark.parametrize(
    ("words", "kind", "cause"),
    [
        (SKEWED, Kind.ONCE, Cause.CLOCK),
        (ECHO, Kind.FATAL, Cause.SIGNATURE),
        ("ak EXAMPLEAK0123456789A not exist", Kind.FATAL, Cause.SIGNATURE),
        ("AK access failed to reach the limit,forbidden", Kind.FATAL, Cause.LOCKED),
        ("token expires, expires_at:2026-11-24", Kind.FATAL, Cause.TOKEN),
        ("decrypt token fail", Kind.FATAL, Cause.TOKEN),
    ],
)
@pytest.mark.parametrize("code", ["APIGW.0301", "APIG.0301"])
def test_one_code_of_the_gateway_has_the_meaning_of_its_message(words, kind, cause, code):
    assert meaning(401, refused(words, code))[:2] == (kind, cause)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "APIGW.0101", Kind.FATAL), (404, "APIG.0103", Kind.FATAL), (400, "APIGW.0201", Kind.ROW),
        (413, "APIGW.0201", Kind.ROW), (414, "APIGW.0201", Kind.FATAL), (494, "APIGW.0201", Kind.FATAL),
        (502, "APIGW.0201", Kind.DOUBT), (504, "APIGW.0201", Kind.DOUBT), (403, "APIGW.0302", Kind.FATAL),
        (429, "APIGW.0308", Kind.REFUSED), (404, "SYS.0015", Kind.ROW), (400, "Workflow.0009", Kind.ROW),
        (500, "SYS.0001", Kind.DOUBT),
    ],
)  # fmt: skip
def test_a_code_means_what_it_means_in_the_common_table(status, code, kind):
    assert meaning(status, refused("", code)).kind is kind


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"error_code": 1006, "error_msg": "no such object", "request_id": "r"}, Kind.ROW),
        ({"error": {"code": "SYS.0010", "message": "bad", "title": "Bad Request"}}, Kind.ROW),
        ({"code": 400, "message": "blocked"}, Kind.UNPROVEN),
        ({"error_code": 400, "detail": "blocked"}, Kind.UNPROVEN),
        ({"error": {"code": 400, "message": "bad", "title": "Bad Request"}}, Kind.UNPROVEN),
        ({"error": "blocked"}, Kind.UNPROVEN),
        (b"<html>", Kind.UNPROVEN),
    ],
)
def test_a_number_is_a_code_of_the_service_only_in_its_own_form(body, kind):
    assert meaning(400, body).kind is kind


HOSTILE = [
    b"", b"{", b"null", b"[]", b'"x"', b"{}" * 9, b"\xff", b'{"error":[]}', b'{"error_code":{}}',
    b'{"error_code":' + b"9" * 5000 + b',"error_msg":"x"}', b'{"error":' + b'{"a":' * 300 + b"1" + b"}" * 301,
    b'{"executions":[],"is_truncated":true,"next_marker":"' + b"9" * 5000 + b'"}',
    b'{"executions":[{}],"next_offset":-1}', b'{"status":1,"input":' + b"[" * 500 + b"]" * 500 + b"}",
    b'{"definition":{"inputs":[],"mode":1},"mode":{}}', b'{"status":"x","begin_time":"9999999999","input":1e999}',
]  # fmt: skip


@pytest.mark.parametrize("body", HOSTILE)
@pytest.mark.parametrize("status", [200, 302, 401, 500])
def test_no_answer_however_hostile_is_an_error_here(body, status):
    for read in (DWR.read_start, DWR.read_workflow, DWR.read_page, DWR.read_execution):
        answer = read(reply(body, status))
        assert answer.status == status
        assert DWR.errors.meaning(status, answer.code, answer.message) is not None


def test_the_service_s_time_is_read_from_the_message_if_no_header_has_it():
    assert DWR.read_page(reply(refused(SKEWED), 401)).date == "Fri, 17 Dec 2021 06:58:04 GMT"
    assert DWR.read_page(reply(refused(SKEWED), 401, date="D")).date == "D"


@pytest.mark.parametrize("header", ["x-security-token", "x-auth-token", "X-Auth-Token", "X-Subject-Token"])
def test_a_token_that_the_gateway_echoes_is_not_shown(header):
    answer = DWR.read_start(reply(refused(f"{ECHO}host:h|{header}:MIISECRET|x-sdk-date:20261124T083000Z|"), 401))
    assert "MIISECRET" not in answer.message
    assert "[security token]" in answer.message


# The walk over the list


class Listed:
    """A list of execution times that answers as DWR v3 does, and notes what it was asked."""

    def __init__(self, times, *, inclusive=True, most=1000, counts=True, seen=lambda _: None):
        self.times = sorted(times)
        self.inclusive, self.most, self.counts = inclusive, most, counts
        self.asked, self.seen, self.oversized = [], seen, 1000

    def page(self, call):
        query = dict(call.query)
        self.asked.append(query)
        self.seen(self)
        begin, end = (_posix(query[name]) for name in ("start_time", "end_time"))
        limit, offset = int(query["limit"]), int(query.get("offset", 1))
        assert limit <= 200
        assert offset <= 1000
        assert end - begin <= 3 * 86400
        if limit > self.oversized:
            return None
        within = [at for at in self.times if (begin <= at <= end if self.inclusive else begin < at < end)]
        page = within[offset - 1 : offset - 1 + limit]
        following = offset + limit if offset - 1 + limit < len(within) else None
        named = tuple(Execution(f"e{at}", at=float(at)) for at in page)
        return Page(named, str(following or ""), len(within) if self.counts else len(page))


def _posix(text):
    return datetime.fromisoformat(text).timestamp()


def walked(listed, *windows):
    """Walk the list. Return the times that it showed, and why the walk ended."""
    walk, shown, page = DWR.walk("w", windows), set(), None
    while True:
        try:
            call = walk.send(page)
        except StopIteration as end:
            return sorted(shown), end.value
        page = listed.page(call)
        shown.update(each.at for each in (page.executions if page else ()))
        assert len(listed.asked) < 500


def at(*seconds):
    return [NOW + each for each in seconds]


@pytest.mark.parametrize("inclusive", [True, False])
@pytest.mark.parametrize("counts", [True, False])
def test_the_walk_shows_all_of_its_windows_and_asks_for_no_other_time(inclusive, counts):
    listed = Listed(at(0, 5, 10, 500, 1000, 1001), inclusive=inclusive, counts=counts)
    shown, reason = walked(listed, Window(NOW, NOW + 10.0), Window(NOW + 999.5, NOW + 1001.2))
    assert (shown, reason) == (at(0, 5, 10, 1000, 1001), "")
    assert [(query["start_time"], query["end_time"]) for query in listed.asked] == [
        ("2026-11-24T08:29:59Z", "2026-11-24T08:30:11Z"),
        ("2026-11-24T08:46:38Z", "2026-11-24T08:46:42Z"),
    ]


@pytest.mark.parametrize("inclusive", [True, False])
def test_a_window_that_does_not_fit_is_halved_until_it_does(inclusive):
    times = [each + number / 1000 for each in range(NOW, NOW + 50) for number in range(90)]
    listed = Listed(times, inclusive=inclusive)
    shown, reason = walked(listed, Window(NOW, NOW + 49.9))
    assert (shown, reason) == (times, "")


def test_more_executions_in_one_second_than_can_be_listed_are_not_fully_seen():
    times = [NOW + number / 10_000 for number in range(1500)]
    assert walked(Listed(times), Window(NOW, NOW + 30))[1] == TOO_FULL


def test_a_long_window_is_asked_for_in_parts_of_at_most_three_days():
    listed = Listed(at(0, 4 * 86_400, 9 * 86_400))
    shown, reason = walked(listed, Window(NOW, NOW + 9 * 86_400))
    assert (shown, reason, len(listed.asked)) == (listed.times, "", 4)


@pytest.mark.parametrize("window", [Window(-5.0, NOW), Window(float("-inf"), NOW), Window(NOW, float("inf"))])
def test_a_window_without_an_end_is_not_asked_for(window):
    listed = Listed(at(0))
    assert (*walked(listed, window), listed.asked) == ([], UNDATED, [])


@pytest.mark.parametrize("change", ["one more", "one less"])
def test_a_window_that_changes_while_it_is_read_is_read_again(change):
    def seen(listed):
        if len(listed.asked) == 2:
            listed.times = [NOW - 0.5, *listed.times] if change == "one more" else listed.times[1:]

    listed = Listed(range(NOW, NOW + 500), seen=seen)
    shown, reason = walked(listed, Window(NOW, NOW + 600))
    assert (set(listed.times) - set(shown), reason) == (set(), "")


def test_a_window_that_never_stands_still_is_not_fully_seen():
    def seen(listed):
        listed.times = [NOW - len(listed.asked) / 1000, *listed.times]

    assert walked(Listed(range(NOW, NOW + 500), seen=seen), Window(NOW, NOW + 600))[1] == MOVING


def test_a_page_that_is_too_large_is_asked_for_in_smaller_ones():
    listed = Listed(range(NOW, NOW + 300))
    listed.oversized = 60
    shown, reason = walked(listed, Window(NOW, NOW + 300))
    assert (shown, reason, listed.asked[-1]["limit"]) == (listed.times, "", "50")
    listed.oversized = 0
    assert walked(listed, Window(NOW, NOW + 300))[1] == TOO_LARGE


ONE, LATE = Execution("e", at=NOW + 1.0), Execution("l", at=NOW + 60.0)


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        (Page((ONE,)), ""),
        (Page((Execution("u"),)), ""),
        (Page((ONE, LATE)), OUTSIDE),
        (Page((Execution("l", at=NOW - 60.0),)), OUTSIDE),
        (Page((ONE,), "", 2), FEWER),
        (Page((ONE,), "APICALLe"), ASTRAY),
        (Page((ONE,), "0"), ASTRAY),
        (Page((ONE,), "9" * 5000), ASTRAY),
        (Page((ONE,), "\u0663\u0664"), ASTRAY),
    ],
)
def test_an_answer_that_shows_another_question_is_not_believed(page, reason):
    walk = DWR.walk("w", [Window(NOW, NOW + 9.0)])
    next(walk)
    with pytest.raises(StopIteration) as end:
        walk.send(page)
    assert end.value.value == reason


def test_an_offset_that_does_not_grow_ends_the_walk():
    walk = DWR.walk("w", [Window(NOW, NOW + 9.0)])
    next(walk)
    assert dict(walk.send(Page((ONE,), "201")).query)["offset"] == "201"
    with pytest.raises(StopIteration) as end:
        walk.send(Page((Execution("f", at=NOW + 2.0),), "201"))
    assert end.value.value == ASTRAY


# The service of a job


class Server:
    """Answers every request with a page, dated `NOW`, and notes the targets."""

    def __init__(self):
        self.targets = []

    async def send(self, _method, target, _headers, _body):
        self.targets.append(target)
        return reply({"executions": [], "count": 0}, date="Tue, 24 Nov 2026 08:30:00 GMT")


async def listed_by(service, *windows):
    return [answer async for answer in service.executions(windows)]


async def test_only_times_that_have_passed_by_the_service_s_clock_are_asked_for():
    server = Server()
    service = service_of(server.send, steady=lambda: 5.0, dialect=DWR)
    (answer,) = await listed_by(service, Window(NOW - 10.0, inf))
    # Before any answer the time is not known, and nothing is asked.
    assert (answer.noun, answer.message, server.targets) == (None, UNDATED, [])
    await service.workflow()
    await listed_by(service, Window(NOW - 10.0, inf), Window(NOW - 100.0, NOW - 90.0))
    assert [target.partition("?")[2] for target in server.targets[1:]] == [
        "end_time=2026-11-24T08%3A30%3A01Z&graph_name=demo&limit=200&start_time=2026-11-24T08%3A29%3A49Z",
        "end_time=2026-11-24T08%3A28%3A31Z&graph_name=demo&limit=200&start_time=2026-11-24T08%3A28%3A19Z",
    ]


async def test_an_answer_without_a_name_describes_the_execution_that_was_asked_for():
    async def send(*_):
        return reply(FLAT)

    found = await service_of(send, dialect=DWR).execution("e")
    assert (found.noun.execution.name, found.noun.input) == ("e", '{"bucket":"b","object":"o"}')


@pytest.mark.parametrize(("api", "waits"), [(Api.OBS_V2, (0.0, 30.0)), (Api.DWR_V3, (5.0, 30.0))])
def test_a_row_in_doubt_waits_until_no_execution_of_its_time_can_begin_any_more(api, waits):
    service = service_of(None, dialect=dialect_of(api, f"https://{HOST}", P))
    files = SimpleNamespace(checkpoint=SimpleNamespace(note_listed=None, unowned=None, controls=None))
    doubts = (Doubts(files, service, Drain(), None, OnDoubt.RECONCILE, each, None) for each in (0.0, 30.0))
    assert tuple(each.inquiry().settle_time for each in doubts) == waits
