"""Whole redrives in both APIs against the emulator. Its ledger of restores is the judge, not what a redrive reports.

With the quirk `restore-any` the emulator restores an execution in any state. So a second restore for one failure would
be in the ledger, with the state that it found.
"""

import json
from collections import Counter

import pytest
from test_watch import Job, Looks, Skipping

from batcher.app.redrive import redrive_job
from batcher.emulator.faults import AFTER, FaultKind
from batcher.emulator.quirks import Quirk
from batcher.emulator.settings import Settings
from batcher.errors import CredentialsError, ExitCode, UsageError
from batcher.options.redriving import RedriveOptions
from batcher.rules.choices import Api, Mode
from batcher.rules.shards.assignment import Shard

pytestmark = pytest.mark.long(small=1 / 2, ci=1)

ANY = (Quirk.RESTORE_ANY, None)
FAILURES = {"FAILED", "TIMEOUT"}


class Redriven(Job):
    """A job that is run, watched and redriven."""

    async def redrive(self, **options):
        given = {"checkpoint": self.checkpoint, "progress": Mode.NONE, "settle_time": 0.2, "interval": 1.0}
        drain = Looks(self.clock) if isinstance(self.clock, Skipping) else None
        return await redrive_job(RedriveOptions(**given | options), self.world, drain)

    @property
    def restores(self):
        """Count the restores by execution. None found its execution in a state other than one of failure."""
        made = self.service.ledger.restores
        assert {each.state for each in made} <= FAILURES, made
        return Counter(each.execution_name for each in made)

    def last_records(self):
        """Give the last record by execution; the earlier ones have fewer redrives, one each."""
        found = {}
        for line in map(json.loads, self.ends.read_text().splitlines()):
            before = found.get(line["execution_name"])
            assert line["redrives"] == (0 if before is None else before["redrives"] + 1)
            found[line["execution_name"]] = line
        return found


@pytest.fixture(params=[Api.OBS_V2, Api.DWR_V3])
async def job(request, emulator, tmp_path):
    async def make(*quirks, rows=12, **settings):
        service = await emulator(quirks=dict((ANY, *quirks)), **{"run_time": 0.0, "fail_share": 1.0} | settings)
        made = Redriven(tmp_path, service, request.param)
        assert await made.run(rows=rows) is ExitCode.OK
        return made

    return make


async def test_each_failed_execution_is_restored_once_and_watched_to_its_next_end(job):
    made = await job(rows=40, fail_share=0.3, timeout_share=0.2, cancel_share=0.2)
    assert await made.watch() is ExitCode.ENDS
    before = {name: line["end"] for name, line in made.recorded().items()}
    failed = {name for name, end in before.items() if end in {"failed", "timed_out"}}
    assert {"failed", "timed_out", "cancelled", "succeeded"} == set(before.values())
    assert await made.redrive() is ExitCode.ENDS
    assert made.restores == Counter(failed)
    assert made.service.ledger.requests["restore"] == len(failed)
    after = made.last_records()
    assert {name: line["end"] for name, line in after.items()} == before | dict.fromkeys(failed, "succeeded")
    assert {name for name, line in after.items() if line["redrives"]} == failed
    # Nothing is left, so nothing is restored, whatever is run again.
    assert await made.redrive() is ExitCode.ENDS
    assert await made.watch() is ExitCode.ENDS
    assert made.restores == Counter(failed)
    assert f"redrive:   {len(failed)} restored" in made.said


async def test_the_ends_that_are_named_are_restored_and_success_of_all_ends_with_0(job):
    made = await job(fail_share=0.4, timeout_share=0.4, rows=20)
    await made.watch()
    ends = {name: line["end"] for name, line in made.recorded().items()}
    assert await made.redrive(only="timed_out") is ExitCode.ENDS
    assert set(made.restores) == {name for name, end in ends.items() if end == "timed_out"}
    # Without a watch before it, too: the redrive looks at the list itself.
    assert await made.redrive() is ExitCode.OK
    assert made.restores == Counter(name for name, end in ends.items() if end != "succeeded")


async def test_an_execution_is_restored_as_often_as_the_limit_allows_over_all_commands(job):
    made = await job((Quirk.RESTORE_FAILS, None), rows=3)
    for number in (1, 2, 2):
        assert await made.redrive(max_redrives=2) is ExitCode.ENDS
        assert set(made.restores.values()) == {number}
    assert "redrive:   0 restored, 3 restored as often as --max-redrives allows" in made.said
    assert {line["redrives"] for line in made.last_records().values()} == {2}
    assert {line["end"] for line in made.last_records().values()} == {"failed"}


@pytest.mark.long(small=1 / 10, ci=1)
@pytest.mark.parametrize("kind", [kind for kind in AFTER if kind is not FaultKind.SLOW])
async def test_a_restore_whose_answer_is_lost_is_found_in_the_state_and_not_repeated(job, kind):
    made = await job(restore_faults={kind: 1.0}, rows=4)
    assert await made.redrive(timeout=0.3, settle_time=3.0) is ExitCode.OK
    assert list(made.restores.values()) == [1] * 4
    assert made.service.ledger.requests["restore"] == 4


async def test_a_restore_that_was_lost_is_sent_again_once_a_settle_time_has_proven_it(job):
    made = await job(restore_faults={FaultKind.RESET_BEFORE: 0.5}, rows=6, seed=3, clock=Skipping())
    assert await made.redrive(settle_time=4.0) in {ExitCode.OK, ExitCode.ENDS}
    assert set(made.restores.values()) == {1}
    assert made.service.ledger.requests["restore"] > 6


async def test_a_state_that_shows_a_restore_late_is_waited_for(job):
    made = await job(
        (Quirk.RESTORE_HIDDEN, 10.0), restore_faults={FaultKind.RESET_AFTER: 1.0}, rows=3, clock=Skipping()
    )
    assert await made.redrive(settle_time=12.0) is ExitCode.OK
    assert made.service.ledger.requests["restore"] == 3
    assert set(made.restores.values()) == {1}


@pytest.mark.parametrize(
    ("quirks", "reason"),
    [
        ([(Quirk.DETAIL_CACHE, 3600.0)], "its state cannot be read: HTTP 404"),
        ([(Quirk.NO_DATE, None)], "does not show its time"),
    ],
    ids=["old", "undated"],
)
async def test_a_state_that_proves_nothing_leaves_the_restore_in_doubt(job, quirks, reason):
    made = await job(*quirks, restore_faults={FaultKind.RESET_AFTER: 1.0}, rows=2, clock=Skipping())
    for _ in range(2):
        assert await made.redrive(settle_time=1.0) is ExitCode.ROWS_IN_DOUBT
        assert made.service.ledger.requests["restore"] == 2
    assert sum(text.startswith("in doubt: row ") and reason in text for text in made.said) == 4
    assert "redrive:   0 restored, 2 in doubt" in made.said


async def test_a_restored_execution_is_followed_under_its_new_name(job):
    made = await job((Quirk.RESTORE_RENAMES, None), rows=3)
    assert await made.redrive() is ExitCode.OK
    assert set(made.restores.values()) == {1}
    lines = [json.loads(line) for line in made.ends.read_text().splitlines()]
    assert Counter((line["row"], line["end"], line["redrives"]) for line in lines) == Counter(
        (row, *end) for row in (1, 2, 3) for end in (("failed", 0), ("succeeded", 1))
    )
    assert len({line["execution_name"] for line in lines}) == 6


async def test_what_the_service_does_not_restore_is_named_and_counted(job):
    made = await job(rows=3)
    await made.watch()
    executions = made.service.executions["transcode"]
    for name in made.recorded():
        executions._by_name.pop(name)
    assert await made.redrive() is ExitCode.ENDS
    assert made.restores == Counter()
    assert "redrive:   0 restored, 3 not restored by the service" in made.said
    name = next(name for name, line in made.recorded().items() if line["row"] == 2)
    assert any(
        text.startswith(f"not restored: row 2: videos/片 1.mp4 (execution {name}): HTTP 404 Workflow.0002")
        for text in made.said
    )


async def test_credentials_that_may_not_restore_end_the_command(job):
    made = await job(rows=3)
    await made.watch()
    settings = made.service.settings
    given = {name: getattr(settings, name) for name in Settings.__slots__}
    made.service.settings = Settings(**given | {"restore_forbidden": True})
    with pytest.raises(CredentialsError, match="AccessDenied"):
        await made.redrive()
    assert made.restores == Counter()
    made.service.settings = settings
    assert await made.redrive() is ExitCode.OK


async def test_a_dry_run_shows_what_would_be_restored_and_asks_nothing(job):
    made = await job(rows=12, fail_share=0.5)
    await made.redrive(dry_run=True)
    assert "no watch has followed this job: batcher watch finds out which executions failed" in made.said
    await made.watch()
    failed = [line for line in made.recorded().values() if line["end"] == "failed"]
    before = Counter(made.service.ledger.requests)
    assert await made.redrive(dry_run=True) is ExitCode.OK
    assert f"would restore {len(failed)} executions" in made.said
    assert sum(text.startswith("would restore: row") for text in made.said) == len(failed)
    assert made.service.ledger.requests == before
    with pytest.raises(UsageError):
        await made.redrive(only="succeeded")


async def test_a_service_that_is_busy_is_asked_again_at_its_rate(job):
    made = await job(rows=12)
    await made.watch()
    made.service.change_rate(20.0)
    assert await made.redrive() is ExitCode.OK
    assert list(made.restores.values()) == [1] * 12


async def test_the_executions_of_all_shards_are_restored(emulator, tmp_path):
    made = Redriven(tmp_path, await emulator(run_time=0.0, fail_share=1.0, quirks=dict([ANY])), Api.OBS_V2)
    folder = made.folder / "m.csv.run"
    for number in range(2):
        await made.run(rows=10, shard=Shard(number, 2), run_dir=folder)
    assert await made.redrive(checkpoint=folder) is ExitCode.OK
    assert len(made.restores) == 10
    made.ends = folder / "job.ends.jsonl"
    assert {line["end"] for line in made.last_records().values()} == {"succeeded"}
