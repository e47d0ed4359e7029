"""Whole jobs over DWR v3 against the emulator. Its ledger is the judge."""

import json
from collections import Counter
from contextlib import nullcontext

import pytest
from conftest import KEYS

from batcher.app.reconcile import settle
from batcher.app.run import run_job
from batcher.app.voice import Voice
from batcher.app.world import World
from batcher.emulator.documents import PROJECT
from batcher.emulator.faults import FaultKind
from batcher.emulator.quirks import Quirk
from batcher.errors import ExitCode
from batcher.flow.drain import Drain
from batcher.options.verbs import ReconcileOptions, RunOptions
from batcher.rules.choices import Api, Mode

FAULTS = {FaultKind.RESET_AFTER: 0.2, FaultKind.RESET_BEFORE: 0.2, FaultKind.CUT: 0.1, FaultKind.SLOWDOWN: 0.2}


class Job:
    """A job in a folder, over one service."""

    def __init__(self, folder, service, **options):
        self.folder, self.service, self.said = folder, service, []
        self.options = {"api": Api.DWR_V3, "project_id": PROJECT, "settle_time": 0.0} | options
        self.world = World(
            Voice(lambda _, text: self.said.append(text)),
            KEYS | {"XDG_STATE_HOME": str(folder)},
            draining_on_signals=lambda *_: nullcontext(),
        )

    async def run(self, rows=40, **options):
        manifest = self.folder / "m.csv"
        manifest.write_text("object\n" + "".join(f"片 {number}.mp4\n" for number in range(rows)))
        given = {"manifest": manifest, "workflow": "transcode", "endpoint": self.service.url, "bucket": "videos"}
        given |= {"progress": Mode.NONE, "concurrency": 8} | self.options | options
        return await run_job(RunOptions(**given), self.world, Drain())

    async def reconcile(self):
        options = ReconcileOptions(checkpoint=self.folder / "m.csv.checkpoint", settle_time=0.0)
        return await settle(options, self.world)

    def records(self):
        lines = (self.folder / "m.csv.executions.jsonl").read_text().splitlines()
        return {line["object"]: line for line in map(json.loads, lines)}


@pytest.fixture
async def job(emulator, tmp_path):
    async def make(quirks=(), **settings):
        service = await emulator(quirks={Quirk.FAULTS_FIRST: None, **dict(quirks)}, **settings)
        return Job(tmp_path, service)

    return make


def started(job):
    return Counter(start.object for start in job.service.ledger.starts)


ALL = Counter(f"片 {number}.mp4" for number in range(40))


@pytest.mark.parametrize(
    "quirks",
    [
        {},
        {Quirk.V3_MANUAL: None, Quirk.V3_ENDS_EXCLUSIVE: None, Quirk.V3_OFFSET_PAGES: None, Quirk.PAGE_LIMIT: 7.0},
        {Quirk.V3_NEWEST_FIRST: None, Quirk.V3_OFFSET_ZERO: None, Quirk.COUNT_ALL: None, Quirk.V3_CAP: 12.0},
    ],
    ids=["the SDK's answers", "the manual's answers", "the other ways"],
)
async def test_every_row_is_started_exactly_once_through_lost_answers(job, quirks):
    job = await job(quirks, faults=FAULTS, past=30)
    assert await job.run() is ExitCode.OK
    assert started(job) == ALL
    names = {start.object: start.execution_name for start in job.service.ledger.starts}
    assert {key: line["execution_name"] for key, line in job.records().items()} == names
    assert set(job.service.ledger.requests) <= {"start", "workflow", "list", "execution"}
