"""Whole jobs over DWR v3 against the emulator. Its ledger is the judge."""

import asyncio
import json
import time
from collections import Counter
from contextlib import nullcontext

import pytest
from conftest import KEYS
from msgspec import structs

from batcher.app.check import check_manifest
from batcher.app.doctor import examine
from batcher.app.job_identity import job_of
from batcher.app.reconcile import settle
from batcher.app.run import run_job
from batcher.app.voice import Voice
from batcher.app.world import World
from batcher.edges.checkpoint.reading import reading
from batcher.emulator.documents import PROJECT
from batcher.emulator.faults import FaultKind
from batcher.emulator.quirks import Quirk
from batcher.errors import CredentialsError, ExitCode, OtherJobError, UsageError
from batcher.flow.drain import Drain
from batcher.options.verbs import CheckOptions, DoctorOptions, ReconcileOptions, RunOptions
from batcher.rules.choices import Api, Mode, OnDoubt
from batcher.rules.report import next_commands

FAULTS = {FaultKind.RESET_AFTER: 0.2, FaultKind.RESET_BEFORE: 0.2, FaultKind.CUT: 0.1}


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
    job = await job(quirks, faults=FAULTS, past=3000)
    assert await job.run() is ExitCode.OK
    assert started(job) == ALL
    names = {start.object: start.execution_name for start in job.service.ledger.starts}
    assert {key: line["execution_name"] for key, line in job.records().items()} == names
    # The list is asked for the times of the rows alone: 3,000 executions of the hour before are not read.
    assert job.service.ledger.requests["list"] <= 20
    assert [text for text in job.said if "API dwr-v3, POST /v3/emulator/workflows/transcode/execute" in text]


@pytest.mark.parametrize(
    ("quirks", "reason"),
    [
        ({Quirk.V3_NO_WINDOW: None}, "executions of other times than it was asked for"),
        ({Quirk.V3_CAP: 1.0, Quirk.PAGE_LIMIT: 1.0}, "limit or offset is out of range"),
        (
            {Quirk.FIRST_PAGE_ONLY: None, Quirk.PAGE_LIMIT: 3.0, Quirk.COUNT_ALL: None},
            "fewer executions than it counts",
        ),
        ({Quirk.MARKER_LOOP: None}, "repeats an offset"),
        ({Quirk.LIST_UNDATED: None}, "does not report its time"),
        ({Quirk.V3_EXPRESS: None}, "does not show"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_list_that_does_not_show_what_it_was_asked_for_holds_the_rows(job, quirks, reason):
    job = await job(quirks, faults={FaultKind.RESET_AFTER: 0.3, FaultKind.RESET_BEFORE: 0.3}, past=20)
    assert await job.run() is ExitCode.ROWS_IN_DOUBT
    assert max(started(job).values()) == 1
    assert [text for text in job.said if reason in text], job.said
    assert any("EXPRESS" in text for text in job.said) == (Quirk.V3_EXPRESS in quirks)


async def test_a_job_continues_in_its_api_and_in_no_other(job):
    job = await job(faults={FaultKind.RESET_AFTER: 0.3, FaultKind.RESET_BEFORE: 0.3})
    assert await job.run(on_doubt=OnDoubt.HOLD) is ExitCode.ROWS_IN_DOUBT
    with pytest.raises(OtherJobError, match="obs-v2"):
        await job.run(api=Api.OBS_V2)
    with pytest.raises(OtherJobError, match="other"):
        await job.run(project_id="other")
    # Without both options, they are those of the checkpoint. The list settles the doubts.
    assert await job.reconcile() is ExitCode.OK
    assert await job.run(api=Api.AUTO, project_id=None) is ExitCode.OK
    assert started(job) == ALL
    assert job.service.ledger.answers["404 SYS.0003"] == 0


async def test_a_check_a_doctor_and_the_suggested_commands_stay_in_the_api(job):
    job = await job()
    assert await job.run(rows=3) is ExitCode.OK
    given = {"workflow": "transcode", "endpoint": job.service.url, "bucket": "videos"}
    given |= {"api": Api.DWR_V3, "project_id": PROJECT}
    options = CheckOptions(manifest=job.folder / "m.csv", **given)
    checked = await asyncio.to_thread(check_manifest, options, job.world)
    assert (checked.rows, checked.card.dialect, checked.card.project) == (3, "dwr-v3", PROJECT)
    assert checked.workflow.name == "transcode"
    checkpoint = job.folder / "m.csv.checkpoint"
    with reading(checkpoint) as kept:
        command = next_commands.run(job_of(kept.card, checkpoint))
    assert f" --api dwr-v3 --project-id {PROJECT} " in command
    trial = given | {"object": "o", "write": job.folder / "batcher.toml", "checkpoint": checkpoint}
    with pytest.raises(OtherJobError, match=r"in project emulator, not transcode at .* in project other"):
        await examine(DoctorOptions(**trial | {"project_id": "other"}), job.world, lambda _: None)
    shown = []
    assert await examine(DoctorOptions(**trial), job.world, shown.append) is ExitCode.OK
    assert shown[0].api == "dwr-v3"
    assert len(job.service.ledger.starts) == 4


async def test_a_clock_that_is_wrong_costs_one_request(job):
    job = await job()
    job.world = structs.replace(job.world, clock=lambda: time.time() + 3600)
    assert await job.run(rows=5) is ExitCode.OK
    assert job.service.ledger.answers["401 APIGW.0301"] == 1
    assert started(job).total() == 5


async def test_wrong_keys_are_sent_once(job):
    job = await job()
    job.world = structs.replace(job.world, environment=job.world.environment | {"OBS_SECRET_ACCESS_KEY": "wrong-wrong"})
    with pytest.raises(CredentialsError, match="verify aksk signature fail"):
        await job.run()
    assert (job.service.ledger.answers["401 APIGW.0301"], started(job)) == (1, Counter())


async def test_dwr_needs_a_project(job):
    job = await job()
    with pytest.raises(UsageError, match="needs the id of a project"):
        await job.run(project_id=None)
    (job.folder / "credentials").write_text(f"[basic]\nproject_id = {PROJECT}\n")
    environment = job.world.environment | {"HUAWEICLOUD_SDK_CREDENTIALS_FILE": str(job.folder / "credentials")}
    job.world = structs.replace(job.world, environment=environment)
    assert await job.run(rows=3, project_id=None) is ExitCode.OK
