"""Lists that are not complete, or show more than asked for, over real sockets. The ledger keeps every start."""

import pytest
from asking import GRAPH, LIST, START, describe, names, page, quirks, shown, start, start_all, walk
from conftest import Clock

from batcher.emulator.faults import FaultKind
from batcher.emulator.settings import Settings
from batcher.errors import UsageError

KEYS = [f"o{number}" for number in range(40)]
PAGES_OF_10 = "page-limit=10 "


async def _ended(call, service, clock):
    """Start an object, let its execution end, and return its name."""
    name = (await start(call, service))["execution_name"]
    clock.now += service.settings.run_time
    return name


async def test_a_list_can_be_empty_for_ever(emulator, call):
    clock = Clock()
    service = await emulator(clock=clock, past=3, quirks=quirks("empty-list"))
    name = await _ended(call, service, clock)
    assert await page(call, service) == {"count": 0, "is_truncated": False, "executions": []}
    assert (await describe(call, service, name))["execution_name"] == name
    assert len(service.ledger.starts) == 1


async def test_a_share_of_the_objects_is_never_listed_the_same_with_the_same_seed(emulator, call):
    missing = []
    for seed in (1, 1, 2):
        clock = Clock()
        service = await emulator(clock=clock, seed=seed, quirks=quirks("drops=30%"))
        started = await start_all(call, service, KEYS)
        clock.now += 1e6
        listed = set(await names(call, service, ("x-workflow-limit", "1000")))
        missing.append({key for key, name in started.items() if name not in listed})
        assert len(service.ledger.starts) == 40
    assert missing[0] == missing[1] != missing[2]
    assert 4 < len(missing[0]) < 20


async def test_the_count_can_be_above_the_entries(emulator, call):
    service = await emulator(quirks=quirks("drops=30% count-all"))
    await start_all(call, service, KEYS)
    answer = await page(call, service, ("x-workflow-limit", "1000"))
    assert (answer["count"], answer["is_truncated"]) == (40, False)
    assert len(answer["executions"]) < 40


async def test_a_list_can_lag_for_some_objects_only(emulator, call):
    clock = Clock()
    service = await emulator(clock=clock, list_delay=20, quirks=quirks("lag-share=50%"))
    started = await start_all(call, service, KEYS)
    at_once = set(await names(call, service, ("x-workflow-limit", "1000")))
    assert 8 < len(at_once) < 32
    clock.now += 19
    assert set(await names(call, service, ("x-workflow-limit", "1000"))) == at_once
    clock.now += 1
    assert set(await names(call, service, ("x-workflow-limit", "1000"))) == set(started.values())


@pytest.mark.parametrize(("odd", "seconds"), [("vanish", 0), ("vanish=15", 15)])
async def test_finished_executions_can_vanish_from_the_list(emulator, call, odd, seconds):
    clock = Clock()
    service = await emulator(clock=clock, run_time=60, quirks=quirks(odd))
    name = (await start(call, service))["execution_name"]
    clock.now += 59 + seconds
    assert await names(call, service) == [name]
    clock.now += 1
    assert await names(call, service) == []
    assert (await describe(call, service, name))["execution_state"] == "SUCCESS"
    assert len(service.ledger.starts) == 1


async def test_finished_executions_can_become_unknown_by_name(emulator, call):
    clock = Clock()
    service = await emulator(clock=clock, run_time=60, quirks=quirks("details-vanish=15"))
    name = await _ended(call, service, clock)
    clock.now += 14
    assert (await describe(call, service, name))["execution_name"] == name
    clock.now += 1
    assert (await call(service, "GET", f"{LIST}/{name}", [GRAPH])).status == 404
    assert await names(call, service) == [name]


async def test_a_list_can_have_the_newest_executions_only(emulator, call):
    clock = Clock()
    service = await emulator(clock=clock, past=20, quirks=quirks("last-executions=3"))
    started = []
    for key in KEYS[:5]:
        clock.now += 1
        started.append((await start(call, service, key))["execution_name"])
    answer = await page(call, service)
    assert {each["execution_name"] for each in answer["executions"]} == set(started[2:])
    assert (answer["count"], answer["is_truncated"], len(service.ledger.starts)) == (3, False, 5)


async def test_a_list_can_go_back_for_some_hours_only(emulator, call):
    clock = Clock()
    service = await emulator(clock=clock, quirks=quirks("last-hours=0.5"))
    name = (await start(call, service))["execution_name"]
    clock.now += 1800
    assert await names(call, service) == [name]
    clock.now += 1
    assert await page(call, service) == {"count": 0, "is_truncated": False, "executions": []}


async def test_a_page_can_be_shorter_than_was_asked_for(emulator, call):
    service = await emulator(past=25, quirks=quirks("page-limit=10"))
    answer = await page(call, service, ("x-workflow-limit", "1000"))
    assert (answer["count"], answer["is_truncated"]) == (10, True)
    assert [len(each) for each in await walk(call, service)] == [10, 10, 5]


@pytest.mark.parametrize(
    ("odd", "truncated", "has_marker"), [("hidden-truncation", False, True), ("first-page-only", False, False)]
)
async def test_the_first_page_can_say_that_it_is_the_last(emulator, call, odd, truncated, has_marker):
    service = await emulator(past=25, quirks=quirks(PAGES_OF_10 + odd))
    answer = await page(call, service)
    assert (answer["is_truncated"], "next_marker" in answer) == (truncated, has_marker)
    assert [len(each) for each in await walk(call, service)] == [10]


async def test_pages_can_skip_entries_between_them(emulator, call):
    service = await emulator(past=25)
    everything = sorted(name for each in await walk(call, service) for name in each)
    service.settings.quirks.update(quirks("page-skip=2"))
    assert await walk(call, service) == [everything[:10], everything[12:22], everything[24:]]


async def test_pages_can_repeat_entries_between_them(emulator, call):
    service = await emulator(past=25)
    everything = sorted(name for each in await walk(call, service) for name in each)
    service.settings.quirks.update(quirks("page-repeat=2"))
    assert await walk(call, service) == [everything[:10], everything[8:18], everything[16:]]


async def test_pages_that_repeat_more_than_they_have_still_come_to_the_last(emulator, call):
    service = await emulator(past=5, quirks=quirks("page-limit=2 page-repeat=7"))
    pages = await walk(call, service)
    assert len(pages) == 4
    assert len({name for each in pages for name in each}) == 5


async def test_the_last_page_can_lead_back_to_the_first(emulator, call):
    service = await emulator(past=15, quirks=quirks(PAGES_OF_10 + "marker-loop"))
    first = await page(call, service)
    last = await page(call, service, ("x-workflow-next-marker", first["next_marker"]))
    assert (len(last["executions"]), last["is_truncated"]) == (5, True)
    assert await page(call, service, ("x-workflow-next-marker", last["next_marker"])) == first


@pytest.mark.parametrize(("odd", "least", "most"), [("duplicates", 80, 80), ("duplicates=50%", 48, 72)])
async def test_entries_can_be_listed_twice(emulator, call, odd, least, most):
    service = await emulator(quirks=quirks(odd))
    started = await start_all(call, service, KEYS)
    answer = await page(call, service, ("x-workflow-limit", "1000"))
    listed = [each["execution_name"] for each in answer["executions"]]
    assert least <= len(listed) == answer["count"] <= most
    assert set(listed) == set(started.values())
    assert len(service.ledger.starts) == 40


async def test_a_list_can_ignore_the_workflow_that_is_asked_for(emulator, call):
    service = await emulator(workflows={"transcode": {}, "other": {}}, quirks=quirks("all-workflows"))
    own = (await start(call, service))["execution_name"]
    foreign = service.start_elsewhere("b", "o", graph="other")
    listed = {each["execution_name"]: each for each in (await page(call, service))["executions"]}
    assert set(listed) == {own, foreign}
    assert listed[foreign]["graph_urn"] == "urn:fgs:local:emulator:graph:other:loopback"
    assert listed[foreign]["execution_urn"] == f"urn:fgs:local:emulator:execution:other:{foreign}:loopback"
    assert (await describe(call, service, foreign))["graph_urn"] == listed[foreign]["graph_urn"]
    assert [start.execution_name for start in service.ledger.starts] == [own]


async def test_the_pages_of_all_workflows_hold_every_execution_once(emulator, call):
    service = await emulator(workflows={"transcode": {}, "other": {}}, quirks=quirks("all-workflows page-limit=4"))
    everything = [
        service.start_elsewhere("b", key, graph=graph) for key in KEYS[:9] for graph in ("transcode", "other")
    ]
    assert [name for each in await walk(call, service) for name in each] == sorted(everything)


async def test_another_workflow_can_start_each_object_too(emulator, call):
    service = await emulator(
        workflows={"transcode": {}, "other": {}}, faults={FaultKind.INTERNAL: 1.0}, quirks=quirks("neighbour")
    )
    for _ in range(2):
        assert (await call(service, "POST", START, body={"bucket": "b", "object": "o"})).status == 500
    assert await names(call, service) == []
    (other,) = (await call(service, "GET", LIST, [("x-workflow-graph-name", "other")])).json["executions"]
    assert other["execution_type"] == "APICALL"
    assert service.ledger.starts == []


def test_another_workflow_can_only_start_objects_where_there_is_one():
    with pytest.raises(UsageError, match="there is no other workflow"):
        Settings(quirks=quirks("neighbour"))


@pytest.mark.parametrize(
    ("inputs", "others"),
    [
        ({"template-id": 7, "note": "x"}, {"template-id": 8, "note": "x-other"}),
        ({"loud": True, "sizes": []}, {"loud": False, "sizes": [[]]}),
        ({}, {"other": "1"}),
    ],
)
async def test_another_client_can_start_each_object_with_other_inputs(emulator, call, inputs, others):
    service = await emulator(faults={FaultKind.INTERNAL: 1.0}, quirks=quirks("rival"))
    body = {"bucket": "b", "object": "o", "inputs": inputs}
    for _ in range(2):
        assert (await call(service, "POST", START, body=body)).status == 500
    (name,) = await names(call, service)
    assert await shown(call, service, name) == {"bucket": "b", "object": "o", "inputs": others}
    assert service.ledger.starts == []


@pytest.mark.parametrize(
    ("odd", "type_", "state"),
    [
        ("type", "TRIGGERCALL", "RUNNING"),
        ("type=apicall", "apicall", "RUNNING"),
        ("state", "APICALL", "ACCEPTED"),
        ("type=MANUAL state=done", "MANUAL", "done"),
    ],
)
async def test_types_and_states_can_be_other_words(emulator, call, odd, type_, state):
    service = await emulator(quirks=quirks(odd))
    name = (await start(call, service))["execution_name"]
    # what is asked for is the true type
    (listed,) = (await page(call, service, ("x-workflow-execution-type", "APICALL")))["executions"]
    for each in (listed, await describe(call, service, name)):
        assert (each["execution_type"], each["execution_state"]) == (type_, state)


async def test_list_and_detail_can_lack_the_urns(emulator, call):
    service = await emulator(quirks=quirks("no-urn"))
    answer = await start(call, service)
    (listed,) = (await page(call, service))["executions"]
    for each in (listed, await describe(call, service, answer["execution_name"])):
        assert each.keys() & {"graph_urn", "execution_urn"} == set()
    assert answer["execution_urn"].startswith("urn:")


async def test_list_and_detail_can_have_the_urns_of_another_workflow(emulator, call):
    service = await emulator(quirks=quirks("other-urn"))
    name = (await start(call, service))["execution_name"]
    (listed,) = (await page(call, service))["executions"]
    for each in (listed, await describe(call, service, name)):
        assert each["graph_urn"] == "urn:fgs:local:emulator:graph:transcode-other:loopback"
        assert each["execution_urn"] == f"urn:fgs:local:emulator:execution:transcode-other:{name}:loopback"
