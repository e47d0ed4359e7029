"""Once one execution has answered two starts, no list can show which rows were not started: none is released."""

import asyncio
import json
from email.utils import formatdate
from types import SimpleNamespace

import pytest

from batcher.app.doubts import Doubts
from batcher.app.voice import Voice
from batcher.app.world import World
from batcher.edges.checkpoint import Answered, open_checkpoint
from batcher.edges.checkpoint.facts import SHARED_NAME
from batcher.flow.drain import Drain
from batcher.model import Described, Execution, ExecutionDetail, Page, Record, Row, Settlement, Status
from batcher.rules.choices import OnDoubt
from batcher.rules.job.card import Card
from batcher.rules.report.next_commands import Job
from batcher.rules.rows.admission import Policy, admission
from batcher.rules.rows.identity import content_key
from batcher.rules.service.obs_v2 import OBS_V2

NOW = 1_795_509_000.0
KNOWN = Execution("e1", "urn:w:e1", "2026-11-25T00:00:00Z", NOW - 99.5)


class Service:
    """A service whose list has the one execution that is known, as it is."""

    dialect = OBS_V2

    def now(self):
        return NOW

    def masked(self, text):
        return text

    async def executions(self, _windows):
        yield Described(200, date=formatdate(NOW, usegmt=True), noun=Page((KNOWN,)))

    async def execution(self, _name):
        return Described(200, noun=ExecutionDetail(KNOWN, json.dumps({"bucket": "b", "object": "known"})))


@pytest.mark.parametrize(("facts", "released"), [({}, 1), ({SHARED_NAME: "e1"}, 0)])
async def test_no_row_is_released_once_one_execution_has_answered_two_starts(tmp_path, facts, released):
    said = []
    async with open_checkpoint(tmp_path / "c", Card("https://e", "w")) as checkpoint:
        rows = [Row(at, at, "b", key, b"", content_key("b", key, b"")) for at, key in ((1, "known"), (2, "asked"))]
        found = (await checkpoint.sift(rows, frozenset())).found
        known, asked = (admission(each, Policy(retry_rejected=False, allow_duplicates=False)) for each in found)
        await checkpoint.admit([known, asked], NOW - 100)
        answered = Answered([Record(1, "b", "known", Status.STARTED, KNOWN.name, KNOWN.urn)], NOW - 99)
        await checkpoint.settle([Settlement(known.id, Status.STARTED, KNOWN.name)], facts, None, None, answered)
        await checkpoint.settle([Settlement(asked.id, Status.IN_DOUBT)], {}, NOW - 90)
        card = Card("https://e", "w")
        files = SimpleNamespace(
            checkpoint=checkpoint,
            card=card,
            attempt=None,
            sharing=None,
            forget_inherited=lambda _ids: asyncio.sleep(0),
            settle=lambda settled, *_: checkpoint.settle(settled, {}),
        )
        world = World(voice=Voice(lambda _kind, text: said.append(text)), draw=lambda: 0.0)
        job = Job(card, str(tmp_path / "c"))
        doubts = Doubts(files, Service(), Drain(), world, OnDoubt.RECONCILE, 30.0, job)
        async with asyncio.timeout(30):
            findings = await doubts.settle(patient=True)
    assert (len(findings.released), len(findings.held)) == (released, 1 - released)
    assert any("two starts with the same execution" in text for text in said) is not bool(released)
