"""Restores of the emulator in both APIs: its ledger has each one that was carried out, whatever the client was told."""

import asyncio
import json
from contextlib import AsyncExitStack

import pytest
from conftest import CREDENTIALS, Clock
from services import service_of

from batcher.edges.transport import connect
from batcher.emulator.documents import PROJECT
from batcher.emulator.faults import AFTER, BEFORE, FaultKind
from batcher.emulator.quirks import Quirk
from batcher.emulator.settings import Settings
from batcher.errors import UsageError
from batcher.rules.choices import Api
from batcher.rules.service.dialects import dialect_of


@pytest.fixture(params=[Api.OBS_V2, Api.DWR_V3])
async def failed(request, emulator):
    """Give a function that makes an emulator with one execution that failed, and a client of it."""
    async with AsyncExitStack() as stack:

        async def make(*quirks, **settings):
            service = await emulator(**{"run_time": 0.0, "fail_share": 1.0, "quirks": dict(quirks)} | settings)
            transport = await stack.enter_async_context(connect(service.url, connections=2, timeout=0.3))
            dialect = dialect_of(request.param, service.url, PROJECT)
            client = service_of(
                transport.send, name="transcode", credentials=CREDENTIALS, wall=service.settings.clock, dialect=dialect
            )
            return service, client, service.start_elsewhere("videos", "o")

        yield make


async def state_of(client, name):
    return (await client.execution(name)).noun.execution.state.lower().removesuffix("ed")


async def test_each_restore_is_in_the_ledger_with_the_state_that_it_found(failed, tmp_path):
    clock = Clock()
    service, client, name = await failed((Quirk.RESTORE_FAILS, None), run_time=60.0, clock=clock, ledger=tmp_path / "l")
    answers = []
    for _ in range(2):
        clock.now += 61
        answers += [await client.restore(name), await client.restore(name)]
    assert [(each.status, each.code) for each in answers] == [(200, ""), (400, "SYS.0010")] * 2
    assert [answer.execution.name for answer in answers[::2]] == [name] * 2
    assert [(each.execution_name, each.state) for each in service.ledger.restores] == [(name, "FAILED")] * 2
    assert list(map(json.loads, (tmp_path / "l").read_text().splitlines())) == [
        each._asdict() for each in service.ledger.restores
    ]
    assert service.ledger.summary()["restores"] == 2
    assert service.ledger.requests["restore"] == 4


@pytest.mark.parametrize("kind", [*BEFORE, *AFTER])
async def test_a_fault_before_a_restore_prevents_it_and_one_after_it_hides_it(failed, kind):
    service, client, name = await failed(restore_faults={kind: 1.0}, slow=0.0)
    answer = await client.restore(name)
    assert [each.execution_name for each in service.ledger.restores] == ([] if kind in BEFORE else [name])
    assert (answer.execution is not None) == (kind is FaultKind.SLOW)
    assert await state_of(client, name) == ("fail" if kind in BEFORE else "success")


async def test_a_late_restore_is_carried_out_although_its_client_has_left(failed):
    service, client, name = await failed((Quirk.RESTORE_LATE, 0.5))
    assert (await client.restore(name)).execution is None
    assert service.ledger.restores == []
    while not service.ledger.restores:  # noqa: ASYNC110 - the emulator sends no events
        await asyncio.sleep(0.01)
    assert await state_of(client, name) == "success"


async def test_a_restore_can_be_hidden_accepted_in_any_state_and_change_the_name(failed):
    clock = Clock()
    service, client, name = await failed((Quirk.RESTORE_HIDDEN, 30.0), clock=clock)
    await client.restore(name)
    assert await state_of(client, name) == "fail"
    clock.now += 30
    assert await state_of(client, name) == "success"
    service, client, name = await failed((Quirk.RESTORE_ANY, None))
    assert [(await client.restore(name)).status for _ in range(2)] == [200, 200]
    assert [each.state for each in service.ledger.restores] == ["FAILED", "SUCCESS"]
    service, client, name = await failed((Quirk.RESTORE_RENAMES, None))
    renamed = (await client.restore(name)).execution.name
    assert renamed != name
    assert [await state_of(client, each) for each in (name, renamed)] == ["fail", "success"]


async def test_restores_count_for_the_rate(failed):
    service, client, name = await failed((Quirk.RESTORE_ANY, None), rate=0.001, burst=1)
    assert [(await client.restore(name)).status for _ in range(2)][1] in {429, 503}
    assert len(service.ledger.restores) == 1


def test_shares_of_faults_in_restores_are_checked():
    with pytest.raises(UsageError, match="restore_faults"):
        Settings(restore_faults={FaultKind.CUT: 0.6, FaultKind.GARBAGE: 0.6})
