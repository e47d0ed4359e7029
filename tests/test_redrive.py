"""Whole redrives in both APIs against the emulator. Its ledger of restores is the judge, not what a redrive reports.

With the quirk `restore-any` the emulator restores an execution in any state. So a second restore for one failure would
be in the ledger, with the state that it found.
"""

import csv
import json
from collections import Counter

import pytest
from pyarrow import parquet
from scripted_server import close, half_close, reset, serving, then
from services import service_of
from test_watch import Job, Looks, Skipping

from batcher.app.export import export_rows
from batcher.app.redrive import redrive_job
from batcher.cli.explain import explain
from batcher.cli.failures import failures
from batcher.cli.status import status
from batcher.edges.transport import connect
from batcher.emulator.documents import PROJECT
from batcher.emulator.faults import AFTER, FaultKind
from batcher.emulator.quirks import Quirk
from batcher.emulator.settings import Settings
from batcher.errors import CredentialsError, ExitCode, UsageError
from batcher.model import Fault
from batcher.options.redriving import RedriveOptions
from batcher.options.verbs import ExplainOptions, FailuresOptions, StatusOptions
from batcher.rules.choices import Api, Mode
from batcher.rules.service.dialects import dialect_of
from batcher.rules.shards.assignment import Shard

pytestmark = pytest.mark.long(small=1 / 2, ci=1 / 2)

ANY = (Quirk.RESTORE_ANY, None)
FAILURES = {"FAILED", "TIMEOUT"}
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
CUT = then(ANSWER[:-1], close)


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


@pytest.mark.long(small=1 / 10, ci=1 / 2)
@pytest.mark.parametrize("kind", [kind for kind in AFTER if kind is not FaultKind.SLOW])
async def test_a_restore_whose_answer_is_lost_is_found_in_the_state_and_not_repeated(job, kind):
    made = await job(restore_faults={kind: 1.0}, rows=4)
    timeout = 1.0 if kind.startswith("hang") else 30.0
    assert await made.redrive(timeout=timeout, settle_time=3.0) is ExitCode.OK
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


@pytest.mark.long(small=1, ci=1 / 2)
@pytest.mark.parametrize("act", [close, reset, half_close, CUT], ids=["closed", "reset", "half closed", "cut"])
@pytest.mark.parametrize("api", [Api.OBS_V2, Api.DWR_V3])
async def test_one_restore_is_one_request_also_if_a_kept_connection_ends_after_it_was_read(api, act):
    # The server would answer a second request, on this connection or on another one.
    async with (
        serving(ANSWER, act, ANSWER, ANSWER) as server,
        connect(server.url, connections=2, timeout=5.0) as sender,
    ):
        client = service_of(sender.send, dialect=dialect_of(api, server.url, PROJECT))
        assert (await client.restore("e1")).status == 200
        answer = await client.restore("e1")
        assert (answer.fault, answer.execution) == (Fault.LOST, None)
        assert len(server.connections) == 1
        methods = [request.split(b" ", 1)[0] for request in server.requests]
        assert methods == [b"PUT" if api is Api.OBS_V2 else b"POST"] * 2
        # To be sure that nothing is on its way: this one is read after anything that was sent before it.
        assert (await client.workflow()).status == 200
        assert len(server.requests) == 3
        assert (await client.workflow()).status == 200


async def test_status_explain_export_and_failures_show_ends_and_redrives(emulator, tmp_path, capsys):
    made = Redriven(tmp_path, await emulator(run_time=0.0, fail_share=0.5, quirks=dict([ANY])), Api.OBS_V2)
    await made.run(rows=8)
    for format_ in ("jsonl", "csv"):
        export_rows(made.checkpoint, tmp_path / f"before.{format_}")
    await made.watch()
    ends = {line["row"]: line for line in made.recorded().values()}
    failed = [row for row, line in ends.items() if line["end"] == "failed"]
    capsys.readouterr()
    again = tmp_path / "again.csv"
    failures(FailuresOptions(manifest=tmp_path / "m.csv", checkpoint=made.checkpoint, output=again, ended=True))
    with again.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["object"], row["error_code"]) for row in rows} == {(ends[row]["object"], "failed") for row in failed}
    assert {row["error_message"] for row in rows} == {"in state run: The media cannot be decoded."}
    told = capsys.readouterr().err.splitlines()
    command = f"next, after fixing it: batcher run {again} --workflow transcode --endpoint {made.service.url}"
    assert any(command in line and "--checkpoint" not in line for line in told), told

    await made.redrive()
    capsys.readouterr()
    status(StatusOptions(checkpoint=made.checkpoint))
    assert f"redriven:  {len(failed)} executions" in capsys.readouterr().out.splitlines()
    explain(ExplainOptions(checkpoint=made.checkpoint, row=str(failed[0])))
    last = made.last_records()[ends[failed[0]]["execution_name"]]
    shown = capsys.readouterr().out.splitlines()
    assert shown[-3].endswith("  the execution was restored once, after it had ended: failed")
    assert shown[-2] == f"  {last['ended_at']}  the execution ended: succeeded"
    failures(FailuresOptions(manifest=tmp_path / "m.csv", checkpoint=made.checkpoint, output=again, ended=True))
    assert "no execution is known to have failed" in capsys.readouterr().err

    for format_ in ("jsonl", "csv", "parquet"):
        export_rows(made.checkpoint, tmp_path / f"after.{format_}")
    lines = [json.loads(line) for line in (tmp_path / "after.jsonl").read_text().splitlines()]
    expected = {line["row"]: (line["end"], line["ended_at"], line["redrives"]) for line in made.last_records().values()}
    assert {line["row"]: (line["end"], line["ended_at"], line["redrives"]) for line in lines} == expected
    with (tmp_path / "after.csv").open(newline="") as file:
        assert {
            int(row["row"]): (row["end"], row["ended_at"], int(row["redrives"])) for row in csv.DictReader(file)
        } == (expected)
    table = parquet.read_table(tmp_path / "after.parquet").to_pylist()
    assert {row["row"]: (row["end"], row["ended_at"], row["redrives"]) for row in table} == expected
    # Without a watch, an export has the columns that it always had.
    before = json.loads((tmp_path / "before.jsonl").read_text().splitlines()[0])
    assert list(lines[0]) == [*before, "end", "ended_at", "redrives"]


async def test_the_rows_whose_executions_failed_are_a_job_of_their_own(emulator, tmp_path):
    made = Redriven(tmp_path, await emulator(run_time=0.0, fail_share=0.5), Api.OBS_V2)
    await made.run(rows=8)
    await made.watch()
    failed = {line["object"] for line in made.recorded().values() if line["end"] == "failed"}
    again = tmp_path / "again.csv"
    failures(FailuresOptions(manifest=tmp_path / "m.csv", checkpoint=made.checkpoint, output=again, ended=True))
    counts = made.service.ledger.counts
    # With the checkpoint of the job they are started already; as a job of their own they start once more.
    await made.run(manifest=again, checkpoint=made.checkpoint, output=tmp_path / "m.csv.executions.jsonl")
    assert set(counts().values()) == {1}
    for _ in range(2):
        await made.run(manifest=again)
        assert {object_ for (_, object_, _), count in counts().items() if count == 2} == failed
