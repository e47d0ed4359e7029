"""Names and details mixed up, and starts that are committed late, over real sockets. The ledger keeps every start."""

import asyncio
import json

import pytest
from asking import LIST, START, describe, names, page, quirks, shown, start, start_all, walk
from conftest import CREDENTIALS
from test_emulator_faults import _connect, _send

from batcher.emulator.faults import FaultKind
from batcher.emulator.quirks import Quirk
from batcher.emulator.server import serve
from batcher.emulator.settings import Settings

KEYS = [f"o{number}" for number in range(40)]
A_DAY = "late-commit=86400"


async def test_a_detail_can_be_that_of_another_execution(emulator, call):
    service = await emulator(quirks=quirks("wrong-detail"))
    started = await start_all(call, service, KEYS[:3])
    in_order = sorted(started.values())
    described = [await describe(call, service, name) for name in in_order]
    assert [each["execution_name"] for each in described] == [*in_order[1:], in_order[0]]
    assert [started[json.loads(each["input"])["object"]] for each in described] == [*in_order[1:], in_order[0]]
    assert {start.object: start.execution_name for start in service.ledger.starts} == started


async def test_a_detail_can_show_the_content_of_another_execution_under_the_name_that_was_asked_for(emulator, call):
    service = await emulator(quirks=quirks("mixed-detail"))
    started = await start_all(call, service, KEYS[:3])
    in_order = sorted(started.values())
    described = [await describe(call, service, name) for name in in_order]
    assert [each["execution_name"] for each in described] == in_order
    assert [started[json.loads(each["input"])["object"]] for each in described] == [*in_order[1:], in_order[0]]


@pytest.mark.parametrize("odd", ["wrong-detail=50%", "mixed-detail=50%"])
async def test_details_can_be_wrong_for_a_share_of_the_objects(emulator, call, odd):
    wrong = []
    for _ in range(2):
        service = await emulator(quirks=quirks(odd))
        started = await start_all(call, service, KEYS)
        wrong.append({key for key in KEYS if (await shown(call, service, started[key]))["object"] != key})
    assert wrong[0] == wrong[1]
    assert 8 < len(wrong[0]) < 32


async def test_names_can_be_in_upper_case_in_list_and_detail(emulator, call):
    service = await emulator(quirks=quirks("names-upper"))
    name = (await start(call, service))["execution_name"]
    assert await names(call, service) == [name.upper()] != [name]
    for asked_for in (name, name.upper()):
        assert (await describe(call, service, asked_for))["execution_name"] == name.upper()
    assert [start.execution_name for start in service.ledger.starts] == [name]


async def test_the_only_execution_has_its_own_detail(emulator, call):
    service = await emulator(quirks=quirks("wrong-detail"))
    name = (await start(call, service))["execution_name"]
    assert (await describe(call, service, name))["execution_name"] == name


async def test_one_name_can_be_given_to_two_starts(emulator, call):
    service = await emulator(quirks=quirks("same-name=50%"))
    started = await start_all(call, service, KEYS)
    assert [(start.object, start.execution_name) for start in service.ledger.starts] == list(started.items())
    distinct = list(dict.fromkeys(started.values()))
    assert 8 < len(distinct) < 32
    assert [name for each in await walk(call, service) for name in each] == sorted(distinct)
    shown_keys = [(await shown(call, service, name))["object"] for name in distinct]
    assert shown_keys == [next(key for key, name in started.items() if name == each) for each in distinct]


async def test_a_start_can_be_answered_like_the_one_before_and_start_nothing(emulator, call):
    service = await emulator(quirks=quirks("stale-answer"))
    first = await start(call, service, "a")
    assert await start(call, service, "b") == first
    assert [start.object for start in service.ledger.starts] == ["a"]


async def test_some_starts_can_be_answered_like_the_ones_before_them(emulator, call):
    service = await emulator(quirks=quirks("stale-answer=50%"))
    started = await start_all(call, service, KEYS)
    ledger = {start.object: start.execution_name for start in service.ledger.starts}
    assert 8 < len(ledger) < 32
    assert all(started[key] == name for key, name in ledger.items())
    assert set(started.values()) == set(ledger.values())


async def _until(service, is_true):
    """Come and go on other connections, which are served meanwhile, until something is true."""
    while not is_true():
        _, writer = await _connect(service)
        writer.close()


async def _send_and_leave(service):
    """Send a start, and close the connection as soon as it has been received."""
    _, writer = await _connect(service)
    _send(service, writer)
    await _until(service, lambda: service.ledger.requests["start"])
    writer.close()


async def test_a_start_is_committed_late_and_answered_then(emulator, call):
    service = await emulator(quirks=quirks("late-commit=0.05"))
    name = (await start(call, service))["execution_name"]
    assert [start.execution_name for start in service.ledger.starts] == [name]
    assert await names(call, service) == [name]


async def test_a_start_is_committed_late_even_if_its_client_has_left(emulator):
    service = await emulator(quirks=quirks("late-commit=0.05"))
    await _send_and_leave(service)
    await _until(service, lambda: service.ledger.starts)
    assert [start.object for start in service.ledger.starts] == ["o"]


async def test_the_connection_of_a_late_start_can_be_reset_before_it_is_committed(emulator):
    service = await emulator(quirks=quirks("late-commit=0.05 late-reset"))
    reader, writer = await _connect(service)
    _send(service, writer)
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()
    await _until(service, lambda: service.ledger.starts)
    assert [start.object for start in service.ledger.starts] == ["o"]


async def test_a_late_start_can_meet_a_fault_as_well(emulator):
    service = await emulator(faults={FaultKind.RESET_AFTER: 1.0}, quirks=quirks("late-commit=0.05"))
    reader, writer = await _connect(service)
    _send(service, writer)
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()
    assert (len(service.ledger.starts), service.ledger.answers) == (1, {"reset-after": 1})


async def test_what_is_not_committed_yet_is_in_no_list_and_never_starts_once_the_emulator_ends(call):
    async with serve(Settings(credentials=CREDENTIALS, quirks=quirks(A_DAY))) as service:
        await _send_and_leave(service)
        assert (await page(call, service))["executions"] == []
    assert (service.ledger.starts, service.ledger.answers) == ([], {"200": 1, "503 ServiceUnavailable": 1})


async def test_starts_can_be_late_for_a_share_of_the_objects_only(emulator, call):
    service = await emulator(quirks=quirks(f"{A_DAY} late-share=50%"))
    prompt = {key for key in KEYS if not service.settings.strikes(Quirk.LATE_SHARE, "b", key)}
    assert 8 < len(prompt) < 32
    waiting = {key: asyncio.create_task(start(call, service, key)) for key in KEYS}
    await asyncio.gather(*(waiting[key] for key in prompt))
    assert {start.object for start in service.ledger.starts} == prompt
    service.stopping.set()
    refused = await asyncio.gather(*(waiting[key] for key in KEYS if key not in prompt), return_exceptions=True)
    assert {type(each) for each in refused} == {json.JSONDecodeError}
    assert {start.object for start in service.ledger.starts} == prompt


async def test_faults_can_strike_the_first_start_of_an_object_only_whatever_the_order(emulator, call):
    struck = []
    for keys in (KEYS, KEYS[::-1]):
        service = await emulator(seed=3, faults={FaultKind.INTERNAL_AFTER: 0.5}, quirks=quirks("faults-first"))
        statuses = [{}, {}]
        for statuses_now in statuses:
            for key in keys:
                answer = await call(service, "POST", START, body={"bucket": "b", "object": key})
                statuses_now[key] = answer.status
        struck.append({key for key, status in statuses[0].items() if status == 500})
        assert set(statuses[1].values()) == {200}
        assert len(service.ledger.starts) == 80
    assert struck[0] == struck[1]
    assert 8 < len(struck[0]) < 32


async def test_late_commits_can_strike_the_first_start_of_an_object_only(emulator, call):
    service = await emulator(quirks=quirks(f"{A_DAY} faults-first"))
    await _send_and_leave(service)
    name = (await start(call, service, "o"))["execution_name"]
    assert [start.execution_name for start in service.ledger.starts] == [name]
    assert (await call(service, "POST", START, body=b"{")).status == 400
    assert (await call(service, "GET", LIST)).status == 400
