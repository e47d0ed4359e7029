"""The emulator's decisions, without a socket: gate, throttle, faults, orders, options, list."""

import pytest
from conftest import AK, CREDENTIALS, PARAMETERS, SK, TOKEN

from batcher.emulator.answers import json_refusal, refusal_body, service_time, xml_refusal
from batcher.emulator.executions import Execution, Executions, ExecutionState, ExecutionType
from batcher.emulator.faults import AFTER, BEFORE, FaultKind, draw, lot
from batcher.emulator.gate import NO_AUTHORIZATION, NO_DATE, UNKNOWN_KEY, WRONG_SIGNATURE, Signed, check
from batcher.emulator.orders import Order, read_order
from batcher.emulator.pages import Question, page
from batcher.emulator.parsing import parse_fault, parse_parameter, parse_quirk, parse_refusal, parse_share
from batcher.emulator.quirks import Group, Quirk, described_quirks
from batcher.emulator.settings import Declared, ParameterType, Settings
from batcher.emulator.token_bucket import TokenBucket
from batcher.errors import UsageError
from batcher.model import Credentials

NOW = 1_795_509_000.0
DATE = "Tue, 24 Nov 2026 08:30:00 GMT"
SIGNATURE = "36DkTBWAlCa2j44M20h6/YXB7qI="
"""Of a start of transcode-h265 at DATE, computed with the official SDK's own code."""


def _start(**changed):
    headers = {"content-type": "application/json", "Date": DATE, "Authorization": f"OBS {AK}:{SIGNATURE}"} | changed
    present = {name: value for name, value in headers.items() if value is not None}
    return Signed("POST", "/v2/workflows/transcode-h265", "", present)


def test_the_gate_lets_a_request_pass_that_the_official_sdk_signed():
    assert check(_start(), CREDENTIALS, now=NOW) is None


def test_the_gate_verifies_the_query_as_decoded_and_sorted():
    query = "x-workflow-graph-name=g_1-x&x-workflow-next-marker=APICALL%2B/%3D%20x"
    headers = dict(_start().headers) | {"Authorization": f"OBS {AK}:RYx+tNzFJZxYlurh3hVCgDN9DyA="}
    assert check(Signed("GET", "/v2/workflowexecutions", query, headers), CREDENTIALS, now=NOW) is None


def test_the_gate_takes_an_obs_date_in_place_of_a_date():
    request = _start(Date=None, Authorization=f"OBS {AK}:Qh4MlD/aiCswLV2t4jkBSvUGtpI=", **{"x-obs-date": DATE})
    assert check(request, CREDENTIALS, now=NOW) is None


@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        ({"Authorization": None}, NO_AUTHORIZATION),
        ({"Authorization": f"AWS {AK}:{SIGNATURE}"}, NO_AUTHORIZATION),
        ({"Authorization": f"OBS {AK}"}, NO_AUTHORIZATION),
        ({"Date": None}, NO_DATE),
        ({"Date": "2026-11-24T08:30:00Z"}, NO_DATE),
        ({"Date": "Die, 99 Nov 2026 08:30:00 GMT"}, NO_DATE),
        ({"Authorization": f"OBS SOMEBODY:{SIGNATURE}"}, UNKNOWN_KEY),
        ({"Authorization": f"OBS {AK}:{SIGNATURE.lower()}"}, WRONG_SIGNATURE),
        ({"content-type": "application/json; charset=utf-8"}, WRONG_SIGNATURE),
        ({"x-obs-security-token": TOKEN}, UNKNOWN_KEY),
    ],
)
def test_the_gate_refuses(changed, refusal):
    assert check(_start(**changed), CREDENTIALS, now=NOW) == refusal


def test_the_gate_wants_the_security_token_that_belongs_to_the_keys():
    temporary = Credentials(AK, SK, TOKEN)
    signed = {"x-obs-security-token": TOKEN, "Authorization": f"OBS {AK}:hv1i375m+nMr7kl+661p78lOgQk="}
    assert check(_start(**signed), temporary, now=NOW) is None
    assert check(_start(), temporary, now=NOW) == UNKNOWN_KEY


@pytest.mark.parametrize("off", [-901, 901])
def test_the_gate_refuses_a_date_more_than_a_quarter_of_an_hour_off(off):
    refusal = check(_start(), CREDENTIALS, now=NOW + off)
    assert (refusal.status, refusal.code) == (403, "RequestTimeTooSkewed")
    assert dict(refusal.details) == {
        "MaxAllowedSkewMilliseconds": "900000",
        "RequestTime": "2026-11-24T08:30:00.000Z",
        "ServerTime": service_time(NOW + off),
    }


@pytest.mark.parametrize("off", [-900, 900])
def test_the_gate_bears_a_quarter_of_an_hour(off):
    assert check(_start(), CREDENTIALS, now=NOW + off) is None


def test_a_front_end_refusal_is_xml_and_a_back_end_refusal_is_json():
    assert refusal_body(xml_refusal(403, "AccessDenied", "a < b & c", (("Extra", "1"),)), "R1") == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>a &lt; b &amp; c</Message>'
        b"<RequestId>R1</RequestId><HostId>emulator</HostId><Extra>1</Extra></Error>"
    )
    assert (
        refusal_body(json_refusal(404, "SYS.0015", "no"), "R1")
        == b'{"code": "SYS.0015", "message": "no", "request_id": "R1"}'
    )


def test_the_bucket_gives_its_burst_at_once_and_then_the_rate():
    bucket = TokenBucket(rate=4, burst=2)
    assert [bucket.take(100.0) for _ in range(3)] == [True, True, False]
    # A quarter of a second is one start at four a second.
    assert [bucket.take(100.25), bucket.take(100.25)] == [True, False]
    # A long pause fills it to the burst and no further.
    assert [bucket.take(900.0) for _ in range(3)] == [True, True, False]


def test_the_bucket_holds_a_tenth_of_a_second_unless_told_otherwise():
    bucket = TokenBucket(rate=30)
    assert [bucket.take(0.0) for _ in range(4)] == [True, True, True, False]
    slow = TokenBucket(rate=0.5)
    assert [slow.take(0.0), slow.take(1.0), slow.take(2.0)] == [True, False, True]


def test_a_bucket_whose_rate_changes_keeps_what_it_held_as_far_as_that_still_fits():
    bucket = TokenBucket(rate=40)
    assert bucket.take(100.0)
    # it holds 3 of 4; at 10 a second it can hold 1
    bucket.change(100.0, 10.0)
    assert [bucket.take(100.0), bucket.take(100.0), bucket.take(100.11)] == [True, False, True]
    bucket.change(100.11, 100.0)
    assert [bucket.take(100.111), bucket.take(100.121)] == [False, True]


def test_a_burst_that_was_asked_for_stays_when_the_rate_changes():
    bucket = TokenBucket(rate=100, burst=3)
    bucket.change(100.0, 1.0)
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]


def test_a_clock_that_is_set_back_fills_no_bucket():
    bucket = TokenBucket(rate=10, burst=1)
    assert [bucket.take(100.0), bucket.take(50.0), bucket.take(50.1)] == [True, False, True]


def test_each_fault_gets_its_share_of_the_chances():
    shares = {FaultKind.SLOW: 0.25, FaultKind.CUT: 0.5}
    drawn = [draw(shares, step / 8) for step in range(8)]
    assert drawn == [FaultKind.SLOW] * 2 + [FaultKind.CUT] * 4 + [None] * 2


def test_every_fault_strikes_either_before_or_after_the_commit():
    assert set(BEFORE) | set(AFTER) == set(FaultKind)
    assert set(BEFORE) & set(AFTER) == set()


def test_a_lot_is_stable_and_even():
    lots = [lot(7, "reject", "b", f"o{number}") for number in range(2000)]
    assert lots == [lot(7, "reject", "b", f"o{number}") for number in range(2000)]
    assert lots != [lot(8, "reject", "b", f"o{number}") for number in range(2000)]
    assert all(0 <= each < 1 for each in lots)
    # 500 are expected, with a deviation of 19.
    assert 400 < sum(each < 0.25 for each in lots) < 600


def test_an_order_is_read_exactly():
    body = '{"bucket": "b", "object": "/片段 é ", "inputs": {"template-id": 18446744073709551617}}'.encode()
    assert read_order(body, PARAMETERS) == Order("b", "/片段 é ", {"template-id": 18446744073709551617})


@pytest.mark.parametrize("inputs", ["", ', "inputs": null', ', "inputs": {}'])
def test_an_order_needs_no_inputs(inputs):
    assert read_order(f'{{"bucket": "b", "object": "o"{inputs}}}'.encode(), {}) == Order("b", "o", {})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"object": "o"}',
        b'{"bucket": "b"}',
        b'{"bucket": "", "object": "o"}',
        b'{"bucket": "b", "object": ""}',
        b'{"bucket": "b", "object": 7}',
        b'{"bucket": "b", "object": "\\ud800"}',
        b'{"bucket": "b", "object": "o", "inputs": []}',
        b'{"bucket": "b", "object": "o", "inputs": ""}',
        b'{"bucket": "b", "object": "o", "inputs": {"speed": NaN}}',
    ],
)
def test_a_bad_body_is_refused(body):
    refusal = read_order(body, PARAMETERS)
    assert (refusal.status, refusal.code) == (400, "SYS.0010")


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("template-id", "7", '"7"'),
        ("template-id", "-1", "1.5"),
        ("template-id", "0", "true"),
        ("note", '"x"', "7"),
        ("note", '""', "null"),
        ("speed", "1.5", '"1.5"'),
        ("speed", "2", "false"),
        ("loud", "true", "1"),
        ("sizes", "[1]", "{}"),
        ("labels", '{"a": 1}', "[]"),
    ],
)
def test_an_input_must_fit_the_declared_type(name, good, bad):
    assert isinstance(read_order(_body_with(name, good), PARAMETERS), Order)
    refusal = read_order(_body_with(name, bad), PARAMETERS)
    assert (refusal.status, refusal.code) == (400, "Workflow.0006")


def test_an_undeclared_input_is_refused():
    refusal = read_order(_body_with("other", "1"), PARAMETERS)
    assert (refusal.status, refusal.code) == (400, "Workflow.0009")


def _body_with(name, value):
    return f'{{"bucket": "b", "object": "o", "inputs": {{"{name}": {value}}}}}'.encode()


def test_a_key_is_measured_in_bytes():
    assert isinstance(read_order(_body_of("é" * 512), {}), Order)
    refusal = read_order(_body_of("é" * 512 + "x"), {})
    assert (refusal.status, refusal.code, refusal.type) == (400, "KeyTooLongError", "application/xml")


def _body_of(key):
    return f'{{"bucket": "b", "object": "{key}"}}'.encode()


def test_options_are_read():
    assert [parse_share("0.05"), parse_share("5%"), parse_share("1")] == [0.05, 0.05, 1.0]
    assert parse_fault("500-after=1%") == (FaultKind.INTERNAL_AFTER, 0.01)
    assert parse_parameter("template-id:integer") == ("template-id", Declared(ParameterType.INTEGER))
    assert parse_parameter("note:string=a=b:c") == ("note", Declared(ParameterType.STRING, "a=b:c"))
    assert parse_parameter("note:string=") == ("note", Declared(ParameterType.STRING, ""))
    assert parse_refusal("400:Workflow.0042")[:2] == (400, "Workflow.0042")


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parse_share, "many"),
        (parse_share, ""),
        (parse_fault, "explode=1"),
        (parse_fault, "slow"),
        (parse_parameter, "template-id"),
        (parse_parameter, ":integer"),
        (parse_parameter, "a:number"),
        (parse_refusal, "404"),
        (parse_refusal, "200:Fine"),
        (parse_refusal, "x:Workflow.0001"),
    ],
)
def test_a_wrong_option_is_refused_with_advice(parse, text):
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert caught.value.advice.endswith(".")


@pytest.mark.parametrize(
    "wrong",
    [
        {"host": "0.0.0.0"},
        {"host": "::"},
        {"host": "obs.example.com"},
        {"fail_share": 1.5},
        {"reject_share": -0.1},
        {"reject_share": float("nan")},
        {"faults": {FaultKind.SLOW: 0.6, FaultKind.CUT: 0.6}},
        {"faults": {FaultKind.SLOW: -0.6, FaultKind.CUT: 0.6}},
        {"quirks": {Quirk.QUEUE: None}},
        {"quirks": {Quirk.QUEUE: "1"}},
        {"quirks": {Quirk.NO_DATE: 1.0}},
        {"quirks": {Quirk.TYPE: 1.0}},
        {"quirks": {Quirk.NEIGHBOUR: None}},
    ],
)
def test_settings_that_cannot_be_are_refused(wrong):
    with pytest.raises(UsageError):
        Settings(**wrong)


@pytest.mark.parametrize(
    ("text", "quirk", "value"),
    [
        ("no-date", Quirk.NO_DATE, None),
        ("local-time", Quirk.LOCAL_TIME, None),
        ("local-time=-5", Quirk.LOCAL_TIME, -5.0),
        ("drops=30%", Quirk.DROPS, 0.3),
        ("page-limit=10", Quirk.PAGE_LIMIT, 10.0),
        ("list-date=-3600", Quirk.LIST_DATE, -3600.0),
        ("type=a=b", Quirk.TYPE, "a=b"),
    ],
)
def test_a_quirk_is_a_name_with_or_without_a_value(text, quirk, value):
    assert parse_quirk(text) == (quirk, value)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("no-dates", "The nearest is no-date."),
        ("", "See batcher emulator --help."),
        ("no-date=1", "Write no-date alone."),
        ("queue", "Write queue=SECONDS."),
        ("queue=soon", "Write queue=SECONDS."),
        ("queue=-1", "Write queue=SECONDS."),
        ("queue=nan", "Write queue=SECONDS."),
        ("queue=inf", "Write queue=SECONDS."),
        ("zoned=25", "Write zoned=HOURS."),
        ("drops=2", "Write drops=SHARE."),
        ("drops=many", "Write it as 0.05 or 5%."),
        ("page-limit=0", "Write page-limit=N."),
        ("type=", "Write type=TEXT."),
    ],
)
def test_a_wrong_quirk_is_refused_with_advice(text, advice):
    with pytest.raises(UsageError) as caught:
        parse_quirk(text)
    assert caught.value.advice == advice


def test_every_quirk_is_described_with_its_value():
    paragraphs = described_quirks()
    assert [text.splitlines()[0] for text in paragraphs] == [f"Quirks: {group}" for group in Group]
    lines = [line.split() for text in paragraphs for line in text.splitlines()]
    assert {words[0].partition("=")[0].removesuffix("[") for words in lines} >= set(Quirk)
    assert ["queue=SECONDS", "the", "start", "time"] in [words[:4] for words in lines]
    assert ["local-time[=HOURS]", "times", "are", "local,"] in [words[:4] for words in lines]


def test_settings_never_show_the_secret():
    assert SK not in repr(Settings(credentials=CREDENTIALS))


def _execution(name, **changed):
    known = {"graph": "g", "type": ExecutionType.APICALL, "bucket": "b", "object": "o", "inputs": {}}
    return Execution(name=name, **known | {"started_at": 0.0, "ends_at": 10.0, "listed_at": 0.0} | changed)


def _page(executions, now, limit, marker="", type_=None):
    return page([executions], Question(now, limit, marker, type_), Settings())


def _names(listing):
    return [execution.name for execution in listing.executions]


def test_the_list_is_in_the_order_of_type_and_name():
    executions = Executions()
    executions.add(_execution("a", type=ExecutionType.TRIGGERCAL))
    executions.add(_execution("c"))
    executions.add(_execution("b"))
    assert _names(_page(executions, 0, 10)) == ["b", "c", "a"]
    assert _names(_page(executions, 0, 10, type_=ExecutionType.APICALL)) == ["b", "c"]
    assert _names(_page(executions, 0, 10, type_=ExecutionType.TRIGGERCAL)) == ["a"]


def test_the_pages_of_the_list_hold_every_execution_once():
    executions = Executions()
    for number in range(100_000):
        executions.add(_execution(f"{number * 7919 % 100_000:06}"))
    names, marker, pages = [], "", 0
    while marker or not pages:
        listing = _page(executions, 0, 1000, marker)
        names, marker, pages = names + _names(listing), listing.next_marker, pages + 1
    assert pages == 100
    assert names == [f"{number:06}" for number in range(100_000)]


def test_the_last_page_has_no_marker_even_if_it_is_full():
    executions = Executions()
    for name in "abcd":
        executions.add(_execution(name))
    first = _page(executions, 0, 2)
    assert (_names(first), first.next_marker) == (["a", "b"], "APICALLb")
    assert _page(executions, 0, 2, first.next_marker)[1] == ""


def test_an_execution_added_between_two_pages_is_listed_in_its_place():
    executions = Executions()
    for name in "acd":
        executions.add(_execution(name))
    first = _page(executions, 0, 1)
    executions.add(_execution("b"))
    assert _names(_page(executions, 0, 10, first.next_marker)) == ["b", "c", "d"]


def test_an_execution_too_new_to_be_listed_takes_no_place_in_a_page():
    executions = Executions()
    executions.add(_execution("a", listed_at=5.0))
    executions.add(_execution("b"))
    assert _names(_page(executions, 4.9, 1)) == ["b"]
    assert _page(executions, 4.9, 1).next_marker == ""
    assert _names(_page(executions, 5.0, 2)) == ["a", "b"]


def test_an_execution_runs_and_then_ends_as_it_must():
    good, bad = _execution("a"), _execution("b", end=ExecutionState.FAILED)
    assert [good.state(9.9), good.state(10.0)] == [ExecutionState.RUNNING, ExecutionState.SUCCESS]
    assert [bad.state(9.9), bad.state(10.0)] == [ExecutionState.RUNNING, ExecutionState.FAILED]
    bad.restore(ends_at=30.0, end=ExecutionState.SUCCESS, shown_at=20.0)
    assert [bad.state(29.9), bad.state(30.0)] == [ExecutionState.RUNNING, ExecutionState.SUCCESS]
    shown = [bad.as_of(now).state(now) for now in (9.9, 19.9, 20.0, 30.0)]
    running, failed = ExecutionState.RUNNING, ExecutionState.FAILED
    assert shown == [running, failed, running, ExecutionState.SUCCESS]
