"""Reading replies: the documented shapes, the shapes beside them, and hostile ones."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from batcher.model import (
    Answer,
    Described,
    Execution,
    ExecutionDetail,
    Page,
    Parameter,
    Reply,
    Workflow,
)
from batcher.rules.service.answers import (
    detail,
    page,
    read_execution,
    read_page,
    read_start,
    read_workflow,
    started,
    workflow,
)
from batcher.rules.service.dialect import legible

XML = b"""<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>NoSuchKey</Code><Message>No such &lt;key&gt; &amp; none like it.</Message>
<RequestId>0000018F</RequestId><HostId>h</HostId></Error>"""

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine fails no test."""


def reply(content, status=404, **headers):
    names = {name.replace("_", "-").title(): value for name, value in headers.items()}
    return Reply(status, CIMultiDict(names), content)


def test_an_error_in_xml_is_read():
    answer = read_start(reply(XML))
    assert answer == Answer(404, "NoSuchKey", "No such <key> & none like it.", "0000018F")


@pytest.mark.parametrize(
    "content",
    [
        b"<Error><Code>SlowDown</Code></Error>",
        b"  \r\n\t<Error><Code>SlowDown</Code></Error>",
        b"<Error>\n <Code>\n  SlowDown\n </Code>\n</Error>",
        b'<o:Error xmlns:o="http://obs.example.com/doc/"><o:Code>SlowDown</o:Code></o:Error>',
        b'<Error xmlns="http://obs.example.com/doc/"><Code lang="en">SlowDown</Code></Error>',
        b"<Error><Code>SlowDown</Code><Code>AccessDenied</Code></Error>",
        b"<Error><Code>Slow&#68;own</Code>",
        b"<Error><Code>SlowDown</Code><Message>\xff\xfe</Message>",
    ],
)
def test_the_code_is_found_in_any_dress_of_xml(content):
    assert read_start(reply(content, 503)).code == "SlowDown"


def test_entities_are_never_expanded():
    content = b'<!DOCTYPE e [<!ENTITY a "aaaaaaaa"><!ENTITY f SYSTEM "file:///etc/hostname">]>'
    content += b"<Error><Code>&a;&a;</Code><Message>&f;</Message></Error>"
    answer = read_start(reply(content))
    assert (answer.code, answer.message) == ("&a;&a;", "&f;")


@pytest.mark.parametrize(
    "content", [b"<Code" * 200_000, b"<a" + b"a" * 1_000_000, b"<Code>&#" + b"9" * 10_000 + b";</"]
)
def test_a_hostile_document_is_an_error_without_a_known_code(content):
    assert "SlowDown" not in read_start(reply(content)).code


@pytest.mark.parametrize(
    ("content", "code", "message", "request_id"),
    [
        (b'{"code":"SYS.0011","message":"busy","request_id":"r1"}', "SYS.0011", "busy", "r1"),
        (b'{"error_code":"APIGW.0308","error_msg":"throttled","request_id":"r2"}', "APIGW.0308", "throttled", "r2"),
        (b' \n{"Code":"SYS.0001","Message":"inside","RequestId":"r3"}', "SYS.0001", "inside", "r3"),
        (b'{"errorCode":"Workflow.0004"}', "Workflow.0004", "", ""),
        (b'{"code":"","error_code":"SYS.0001"}', "SYS.0001", "", ""),
        (b'{"code":null,"error_code":"SYS.0001"}', "SYS.0001", "", ""),
        (b'{"code":401,"message":{"a":[1]},"request_id":[]}', "401", "", ""),
        (b'{"code":true,"message":1.5,"request_id":{}}', "", "", ""),
        (b'{"code":"SYS.0001","message":"\xff"}', "SYS.0001", "\ufffd", ""),
        ('{"code":"SYS.0001","message":"\u4e2d\u6587"}'.encode(), "SYS.0001", "\u4e2d\u6587", ""),
    ],
)
def test_an_error_in_json_is_read_by_any_of_its_names(content, code, message, request_id):
    assert read_start(reply(content)) == Answer(404, code, message, request_id)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"   ",
        b"Bad Gateway",
        b"[]",
        b'"SlowDown"',
        b"{",
        b'{"code":"SYS.0001"',
        b"\x00",
        b"\xff\xfe<",
        b"<html></html>",
    ],
)
def test_an_error_that_cannot_be_read_still_has_its_status(content):
    assert read_start(reply(content, 502)) == Answer(502)


def test_the_content_type_is_not_asked():
    assert read_start(reply(XML, content_type="application/json")).code == "NoSuchKey"
    assert read_start(reply(b'{"code":"SYS.0011"}', content_type="application/xml")).code == "SYS.0011"
    assert read_start(reply(b'{"execution_name":"e"}', 200)).execution == Execution("e")


@pytest.mark.parametrize(
    ("content", "headers", "request_id"),
    [
        (b'{"request_id":"body"}', {"x_obs_request_id": "obs", "x_request_id": "x"}, "body"),
        (b"{}", {"x_obs_request_id": "obs", "x_request_id": "x", "x_amz_request_id": "amz"}, "obs"),
        (b"{}", {"x_request_id": "x", "x_amz_request_id": "amz"}, "x"),
        (b"{}", {"x_amz_request_id": "amz"}, "amz"),
        (b"{}", {"x_obs_request_id": "", "x_request_id": "x"}, "x"),
        (b"", {"x_request_id": "x"}, "x"),
        (b"{}", {}, ""),
    ],
)
@pytest.mark.parametrize("status", [200, 404])
def test_the_request_id_is_the_first_of_body_and_headers(content, headers, request_id, status):
    assert read_start(reply(content, status, **headers)).request_id == request_id


def test_the_texts_of_retry_after_and_date_are_kept():
    answer = read_start(reply(b"", 503, retry_after="7", date="Tue, 24 Nov 2026 08:30:00 GMT"))
    assert answer == Answer(503, retry_after="7", date="Tue, 24 Nov 2026 08:30:00 GMT")


def test_a_redirect_says_where_it_leads():
    assert (
        read_start(reply(b"", 307, location="https://obs.example.com/")).message
        == "redirected to https://obs.example.com/"
    )
    assert read_start(reply(XML, 307, location="https://obs.example.com/")).message.startswith("No such")
    assert read_start(reply(b"", 404, location="https://obs.example.com/")).message == ""


@pytest.mark.parametrize("status", [200, 201, 299])
def test_a_success_names_its_execution_and_has_no_words_of_an_error(status):
    content = '{"execution_name":"\u4e2d","code":"c","message":"m"}'
    assert read_start(reply(content.encode(), status)) == Answer(status, execution=Execution("\u4e2d"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b'"e"',
        b"7",
        b"OK",
        b"<a/>",
        b'{"execution_name":"e',
        b'{"execution_name":"\xff"}',
        b"{" * 9999,
    ],
)
def test_a_success_without_a_readable_object_names_nothing_and_is_garbled(content):
    assert read_start(reply(content, 200)) == Answer(200)
    for read in (read_workflow, read_page, read_execution):
        assert read(reply(content, 200)) == Described(200, is_garbled=True)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("a\x1b[31mb\x00c\u202ed\r\n\te", "a [31mb c d e"),
        ("x" * 501, "x" * 500),
        ("  padded  ", "padded"),
        ("sign x-obs-security-token:gQpj+/a== end", "sign [security token] end"),
        ("X-Obs-Security-Token: gQpj\n/v2", "[security token] /v2"),
        ('{"x-security-token": "gQpj"}', '{"[security token]"}'),
        ("y" * 470 + " x-obs-security-token:gQpjbi1ub3J0", "y" * 470 + " [security token]"),
        ("the x-obs-security-token is wrong", "the x-obs-security-token is wrong"),
    ],
)
@pytest.mark.parametrize("field", ["code", "message", "request_id"])
def test_words_are_fit_for_a_terminal_and_hold_no_security_token(said, kept, field):
    answer = read_start(reply(json.dumps({field: said}).encode()))
    assert getattr(answer, field) == kept
    assert legible(said) == kept


@unhurried
@given(
    st.integers(100, 599),
    st.binary() | st.sampled_from([b"<", b"{", b"<Code>"]).flatmap(lambda b: st.binary().map(b.__add__)),
)
def test_no_bytes_make_reading_fail(status, content):
    answer = read_start(reply(content, status))
    assert answer.status == status
    for word in (answer.code, answer.message, answer.request_id):
        assert len(word) <= 500
        assert word.isprintable()


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
names = st.text() | st.sampled_from(
    [
        *("execution_name", "execution_info", "input", "executions", "next_marker", "is_truncated", "count"),
        *("definition", "inputs", "event_defs", "trigger_bucket", "parameter_name", "constraints", "value", "default"),
    ]
)
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(names, inner), max_leaves=10)


@unhurried
@given(st.dictionaries(names, values))
def test_no_object_makes_a_rule_fail(body):
    execution, described, listed, shown = started(body), workflow(body), page(body), detail(body)
    assert execution is None or execution.name
    assert described is None or all(described.parameters)
    assert listed is None or all(each.name for each in listed.executions)
    assert shown is None or shown.execution.name


@pytest.mark.parametrize("rule", [started, workflow, page, detail])
@pytest.mark.parametrize("body", [None, {}])
def test_a_body_without_the_object_gives_nothing(rule, body):
    assert rule(body) is None


@pytest.mark.parametrize("read", [read_workflow, read_page, read_execution])
def test_an_error_describes_nothing_and_says_why(read):
    assert read(reply(XML)) == Described(404, "NoSuchKey", "No such <key> & none like it.", "0000018F")


def test_a_start_names_its_execution():
    body = {"execution_urn": "urn:e", "started_at": "2026-11-24T08:30:00.123Z", "execution_name": "84a3"}
    assert started(body) == Execution("84a3", "urn:e", "2026-11-24T08:30:00.123Z")
    assert started({"execution_name": "84a3", "execution_urn": 7, "started_at": None}) == Execution("84a3")


@pytest.mark.parametrize("name", ["", None, 7, True, [], ["84a3"], {}])
def test_a_start_without_a_name_is_none(name):
    assert started({"execution_name": name, "execution_urn": "urn:e"}) is None


def test_a_workflow_is_read_from_the_map_of_its_parameters():
    entry = {"value": "", "type": "Integer", "default": "", "constraints": '{"valid_values":[7,8]}', "invisible": False}
    trigger = {"event_source": "OBS", "trigger_bucket": "in", "trigger_type": ["ObjectCreated:*"]}
    definition = {
        "inputs": {"template-id": entry},
        "event_defs": {"e1": trigger, "e2": trigger, "e3": {}},
        "states": {},
    }
    declared = Parameter(
        "template-id", "integer", has_value=True, constraints={"valid_values": [7, 8]}, has_blank_default=True
    )
    assert workflow({"name": "w", "definition": definition}) == Workflow(
        "w",
        {"template-id": declared},
        ("in",),
    )


def test_a_workflow_is_read_from_the_array_that_creates_one():
    inputs = [
        {"parameter_name": "a", "type": "string", "constraints": {"regex": "x+"}},
        {"parameter_name": "b", "type": "list", "paramter_value": ["v"]},
    ]
    assert workflow({"definition": {"inputs": inputs, "event_defs": [{"trigger_bucket": "in"}]}}) == Workflow(
        "",
        {
            "a": Parameter("a", "string", has_value=False, constraints={"regex": "x+"}),
            "b": Parameter("b", "list", has_value=True, constraints={}),
        },
        ("in",),
    )


@pytest.mark.parametrize("definition", [{}, {"inputs": None}, {"inputs": {}}, {"inputs": []}, {"event_defs": "odd"}])
def test_a_workflow_may_declare_nothing(definition):
    assert workflow({"name": "w", "definition": definition}) == Workflow("w", {})


@pytest.mark.parametrize(
    ("fields", "has_value"),
    [
        ({}, False),
        ({"value": ""}, False),
        ({"value": None, "default": None}, False),
        ({"value": "x"}, True),
        ({"value": 0}, True),
        ({"value": False}, True),
        ({"parameter_value": "x"}, True),
        ({"value": "", "default": ""}, True),
        ({"default": "x"}, True),
        ({"default": 0}, True),
    ],
)
def test_a_caller_may_leave_out_what_has_a_value_or_a_default(fields, has_value):
    found = workflow({"definition": {"inputs": {"p": {"type": "string"} | fields}}})
    assert found.parameters["p"].has_value is has_value


@pytest.mark.parametrize("constraints", [None, "", "odd", "[]", '{"a":', 7, [1], "{}"])
def test_constraints_that_cannot_be_read_constrain_nothing(constraints):
    found = workflow({"definition": {"inputs": {"p": {"type": 7, "constraints": constraints}}}})
    assert found.parameters["p"] == Parameter("p", "", has_value=False, constraints={})


@pytest.mark.parametrize(
    "body",
    [
        {"definition": None},
        {"definition": []},
        {"definition": "{}"},
        {"definition": {"inputs": "odd"}},
        {"definition": {"inputs": 7}},
        {"definition": {"inputs": {"p": None}}},
        {"definition": {"inputs": {"p": "string"}}},
        {"definition": {"inputs": {"": {"type": "string"}}}},
        {"definition": {"inputs": [{"type": "string"}]}},
        {"definition": {"inputs": [{"parameter_name": 7}]}},
        {"definition": {"inputs": ["p"]}},
    ],
)
def test_a_workflow_with_an_unreadable_parameter_is_none(body):
    assert workflow(body) is None


LISTED = {
    "graph_urn": "urn:g",
    "execution_urn": "urn:e",
    "execution_name": "84a3",
    "execution_type": "APICALL",
    "execution_state": "RUNNING",
    "started_at": "2026-11-24T08:30:00.123Z",
    "stopped_at": "",
}
STARTED_AT = "2026-11-24T08:30:00.123Z"
SEEN = Execution("84a3", "urn:e", STARTED_AT, 1795509000.123, is_event=False, type="APICALL", state="RUNNING")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"count": 1, "is_truncated": True, "next_marker": "m", "executions": [LISTED]}, Page((SEEN,), "m", 1)),
        ({"count": 1, "is_truncated": False, "executions": [LISTED, LISTED]}, Page((SEEN, SEEN), "", 1)),
        ({"is_truncated": False, "next_marker": "m", "executions": [LISTED]}, Page((SEEN,), "")),
        ({"executions": [LISTED]}, Page((SEEN,), "")),
        ({"executions": [LISTED], "next_marker": "m"}, Page((SEEN,), "m")),
        ({"executions": [LISTED], "is_truncated": None, "next_marker": "m"}, Page((SEEN,), "m")),
        ({"executions": []}, Page((), "")),
        ({"executions": None, "count": 0}, Page((), "", 0)),
        ({"executions": [], "count": "many"}, Page(())),
        ({"count": 0, "is_truncated": False}, Page((), "", 0)),
        ({"executions": [{"execution_name": "e", "started_at": 7}]}, Page((Execution("e", started_at="7"),), "")),
    ],
)
def test_a_page_of_the_list_is_read(body, expected):
    assert page(body) == expected
    assert read_page(reply(json.dumps(body).encode(), 200)) == Described(200, noun=expected)


@pytest.mark.parametrize(
    ("type_", "is_event"), [("APICALL", False), ("TRIGGERCAL", True), ("triggercall", True), ("", False)]
)
def test_an_execution_is_an_events_by_its_type(type_, is_event):
    (found,) = page({"executions": [LISTED | {"execution_type": type_}]}).executions
    assert found.is_event is is_event


@pytest.mark.parametrize(
    "body",
    [
        {"is_truncated": True, "executions": [LISTED]},
        {"is_truncated": True, "next_marker": "", "executions": [LISTED]},
        {"is_truncated": True, "next_marker": 7, "executions": [LISTED]},
        {"is_truncated": "true", "next_marker": "m", "executions": [LISTED]},
        {"is_truncated": 1, "executions": []},
        {"is_truncated": False},
        {"is_truncated": False, "count": 1},
        {"executions": None},
        {"executions": {}},
        {"executions": "[]", "count": 0},
        {"executions": [LISTED, {"execution_urn": "urn:e"}]},
        {"executions": [LISTED, {"execution_name": ""}]},
        {"executions": [None]},
        {"executions": ["84a3"]},
    ],
)
def test_a_page_that_may_hide_an_execution_is_none(body):
    assert page(body) is None


def test_a_detail_is_read():
    info = LISTED | {"input": '{"bucket":"b"}', "isTest": False, "state_map": {}}
    assert detail({"execution_info": info}) == ExecutionDetail(SEEN, '{"bucket":"b"}')


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("", ""),
        (None, ""),
        ({"bucket": "b"}, '{"bucket":"b"}'),
        ([{"object": "\u4e2d"}], '[{"object":"\u4e2d"}]'),
        (7, "7"),
    ],
)
def test_an_input_that_is_no_text_is_written_as_one(value, text):
    assert detail({"execution_info": {"execution_name": "e", "input": value}}).input == text


def test_a_detail_whose_input_is_too_deep_is_none():
    content = b'{"execution_info":{"execution_name":"e","input":' + b"[" * 500 + b"]" * 500 + b"}}"
    assert read_execution(reply(content, 200)) == Described(200)


@pytest.mark.parametrize("info", [None, [], "e", {}, {"execution_name": ""}, {"execution_name": 7}, {"input": "{}"}])
def test_a_detail_without_a_name_is_none(info):
    assert detail({"execution_info": info}) is None
