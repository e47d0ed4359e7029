"""How the emulator shows times and how old its answers are, over real sockets. The ledger keeps the true times."""

import pytest
from asking import GRAPH, LIST, START, describe, names, page, quirks, start
from conftest import Clock

TRUE = "2026-11-24T08:30:00.123Z"
DATE = "Tue, 24 Nov 2026 08:30:00 GMT"


@pytest.mark.parametrize(
    ("odd", "expected"),
    [
        ("", TRUE),
        ("local-time", "2026-11-24T16:30:00.123Z"),
        ("local-time=-5", "2026-11-24T03:30:00.123Z"),
        ("local-time=5.5", "2026-11-24T14:00:00.123Z"),
        ("zoneless", "2026-11-24T16:30:00.123"),
        ("zoneless=-5", "2026-11-24T03:30:00.123"),
        ("zoned", "2026-11-24T16:30:00.123+08:00"),
        ("zoned=-3.5", "2026-11-24T05:00:00.123-03:30"),
        ("epoch-ms", 1_795_509_000_123),
        ("epoch-s", 1_795_509_000),
        ("epoch-s zoneless", 1_795_509_000 + 8 * 3600),
        ("http-times", DATE),
        ("minutes-only", "2026-11-24T08:30Z"),
        ("minutes-only zoneless=-5", "2026-11-24T03:30"),
        ("minutes-only zoned=1", "2026-11-24T09:30+01:00"),
        ("days-only", "2026-11-24"),
        ("days-only local-time=-9", "2026-11-23"),
        ("no-times", ""),
        ("queue=75", "2026-11-24T08:31:15.123Z"),
        ("queue=75 local-time", "2026-11-24T16:31:15.123Z"),
    ],
)
async def test_list_and_detail_show_times_in_the_way_asked_for_and_the_ledger_the_true_one(
    emulator, call, odd, expected
):
    service = await emulator(clock=Clock(), run_time=60, quirks=quirks(odd))
    answer = await start(call, service)
    (listed,) = (await page(call, service))["executions"]
    detail = await describe(call, service, answer["execution_name"])
    assert (listed["started_at"], listed["stopped_at"]) == (expected, "")
    assert (detail["started_at"], detail["state_map"]["run"]["started_at"]) == (expected, expected)
    assert answer["started_at"] == TRUE
    assert service.ledger.starts[0].started_at == TRUE


async def test_the_end_of_an_execution_is_shown_in_the_same_way(emulator, call):
    clock = Clock()
    service = await emulator(clock=clock, run_time=60, quirks=quirks("zoneless=8 queue=75"))
    await start(call, service)
    clock.now += 60
    (listed,) = (await page(call, service))["executions"]
    assert listed["stopped_at"] == "2026-11-24T16:31:00.123"


async def test_odd_times_can_be_in_the_list_only(emulator, call):
    clock = Clock()
    service = await emulator(clock=clock, run_time=60, quirks=quirks("local-time list-times-only"))
    name = (await start(call, service))["execution_name"]
    clock.now += 60
    (listed,) = (await page(call, service))["executions"]
    detail = await describe(call, service, name)
    assert (listed["started_at"], listed["stopped_at"]) == ("2026-11-24T16:30:00.123Z", "2026-11-24T16:31:00.123Z")
    assert (detail["started_at"], detail["stopped_at"]) == (TRUE, "2026-11-24T08:31:00.123Z")


async def test_the_answer_to_a_start_can_show_the_odd_time_too(emulator, call):
    service = await emulator(clock=Clock(), quirks=quirks("local-time start-times-too"))
    assert (await start(call, service))["started_at"] == "2026-11-24T16:30:00.123Z"
    assert service.ledger.starts[0].started_at == TRUE


async def test_times_can_be_off_by_a_little_differently_for_each_object_but_always_the_same(emulator, call):
    shown = []
    for _ in range(2):
        service = await emulator(clock=Clock(), quirks=quirks("time-jitter=5"))
        keys = {(await start(call, service, key))["execution_name"]: key for key in "abcdefgh"}
        listed = (await page(call, service))["executions"]
        shown.append({keys[each["execution_name"]]: each["started_at"] for each in listed})
        assert {start.started_at for start in service.ledger.starts} == {TRUE}
    assert shown[0] == shown[1]
    assert len(set(shown[0].values())) == 8
    assert all("2026-11-24T08:29:55.123Z" <= time < "2026-11-24T08:30:05.123Z" for time in shown[0].values())
    assert min(shown[0].values()) < TRUE < max(shown[0].values())


async def _dates(call, service, name):
    """Return the dates of the list, of a detail and of a workflow."""
    answers = [
        await call(service, "GET", LIST, [GRAPH]),
        await call(service, "GET", f"{LIST}/{name}", [GRAPH]),
        await call(service, "GET", START),
    ]
    return [answer.headers.get("Date") for answer in answers]


async def test_a_list_from_a_cache_has_its_content_and_its_date_of_some_time_ago(emulator, call):
    clock = Clock()
    service = await emulator(clock=clock, run_time=30, quirks=quirks("list-cache=60"))
    name = (await start(call, service))["execution_name"]
    later = "Tue, 24 Nov 2026 08:29:00 GMT"
    assert await _dates(call, service, name) == [later, DATE, DATE]
    clock.now += 59
    assert await names(call, service) == []
    clock.now += 1
    (listed,) = (await page(call, service))["executions"]
    assert (listed["execution_name"], listed["execution_state"]) == (name, "RUNNING")
    assert (await describe(call, service, name))["execution_state"] == "SUCCESS"
    assert len(service.ledger.starts) == 1


async def test_a_list_that_is_made_anew_from_time_to_time_has_its_content_and_its_date_of_then(emulator, call):
    clock = Clock()
    service = await emulator(clock=clock, quirks=quirks("list-snapshot=20"))
    name = (await start(call, service))["execution_name"]
    clock.now += 19
    assert await names(call, service) == []
    assert await _dates(call, service, name) == [DATE, "Tue, 24 Nov 2026 08:30:19 GMT", "Tue, 24 Nov 2026 08:30:19 GMT"]
    clock.now += 1
    assert await names(call, service) == [name]
    assert (await _dates(call, service, name))[0] == "Tue, 24 Nov 2026 08:30:20 GMT"


async def test_details_from_a_cache_lack_what_is_newer_and_show_earlier_states(emulator, call):
    clock = Clock()
    service = await emulator(clock=clock, run_time=30, quirks=quirks("detail-cache=60"))
    name = (await start(call, service))["execution_name"]
    assert (await call(service, "GET", f"{LIST}/{name}", [GRAPH])).status == 404
    assert await names(call, service) == [name]
    clock.now += 60
    assert await _dates(call, service, name) == ["Tue, 24 Nov 2026 08:31:00 GMT", DATE, "Tue, 24 Nov 2026 08:31:00 GMT"]
    assert (await describe(call, service, name))["execution_state"] == "RUNNING"
    assert (await page(call, service))["executions"][0]["execution_state"] == "SUCCESS"


@pytest.mark.parametrize(
    ("odd", "date"),
    [
        ("list-date=-3600", "Tue, 24 Nov 2026 07:30:00 GMT"),
        ("list-date=3600", "Tue, 24 Nov 2026 09:30:00 GMT"),
        ("list-undated", None),
        ("list-cache=60 list-date=3600", "Tue, 24 Nov 2026 09:29:00 GMT"),
    ],
)
async def test_the_date_of_the_list_alone_can_be_wrong(emulator, call, odd, date):
    service = await emulator(clock=Clock(), quirks=quirks(odd))
    name = (await start(call, service))["execution_name"]
    assert await _dates(call, service, name) == [date, DATE, DATE]


async def test_no_answer_has_a_date_where_none_is_to_have_one(emulator, call):
    service = await emulator(clock=Clock(), quirks=quirks("no-date list-date=3600"))
    name = (await start(call, service))["execution_name"]
    assert await _dates(call, service, name) == [None, None, None]
