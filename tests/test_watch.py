"""Whole watches in both APIs against the emulator. Its own executions are the judge, never what the watch reports."""

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from contextlib import nullcontext
from functools import partialmethod

import pytest
from conftest import KEYS

from batcher.app.report import write_report
from batcher.app.run import run_job
from batcher.app.voice import Voice
from batcher.app.watch import watch_job
from batcher.app.world import World
from batcher.cli.explain import explain
from batcher.cli.status import status
from batcher.edges import records as records_edge
from batcher.edges.ends import database_of, reading_ends
from batcher.edges.ends.store import EndStore
from batcher.emulator.documents import PROJECT
from batcher.emulator.executions import ExecutionState
from batcher.emulator.quirks import Quirk
from batcher.emulator.settings import Settings
from batcher.errors import BusyError, CredentialsError, DamageError, ExitCode, OtherJobError, UsageError
from batcher.flow.drain import Drain
from batcher.options.verbs import ExplainOptions, RunOptions, StatusOptions
from batcher.options.watching import WatchOptions
from batcher.rules.choices import Api, Mode
from batcher.rules.shards.assignment import Shard

END = {
    ExecutionState.SUCCESS: "succeeded",
    ExecutionState.FAILED: "failed",
    ExecutionState.TIMEOUT: "timed_out",
    ExecutionState.CANCELLED: "cancelled",
}
ENDINGS = {"fail_share": 0.1, "timeout_share": 0.1, "cancel_share": 0.1, "abandon_share": 0.2}


class Skipping:
    """The clock of a service and of those who talk to it. Pauses put it forward, and take no time."""

    def __init__(self):
        self.ahead = 0.0

    def __call__(self):
        return time.time() + self.ahead


class Looks(Drain):
    """Ends a watch at its pause after a number of looks, however long these take, and skips the pauses before it."""

    def __init__(self, clock, number=10_000):
        super().__init__()
        self._clock, self._left = clock, number

    async def sleep(self, seconds):
        self._clock.ahead += seconds
        self._left -= 1
        if self._left == 0:
            self.begin(ExitCode.DEADLINE)
        await asyncio.sleep(0)


class Job:
    """A job in a folder, over one service, in one of the APIs."""

    def __init__(self, folder, service, api):
        self.folder, self.service, self.api, self.said = folder, service, api, []
        self.checkpoint = folder / "m.csv.checkpoint"
        self.ends = folder / "m.csv.ends.jsonl"
        clock = self.clock = service.settings.clock
        self.world = World(
            Voice(lambda _, text: self.said.append(text)),
            KEYS | {"XDG_STATE_HOME": str(folder)},
            draining_on_signals=lambda *_: nullcontext(),
            **({"clock": clock, "monotonic": clock, "steady": clock} if isinstance(clock, Skipping) else {}),
        )

    async def run(self, rows=40, **options):
        manifest = self.folder / "m.csv"
        manifest.write_text("object\n" + "".join(f"片 {number}.mp4\n" for number in range(rows)))
        given = {"manifest": manifest, "workflow": "transcode", "endpoint": self.service.url, "bucket": "videos"}
        given |= {"progress": Mode.NONE, "concurrency": 8, "api": self.api, "project_id": PROJECT, "settle_time": 0.2}
        return await run_job(RunOptions(**given | options), self.world, Drain())

    async def watch(self, drain=None, **options):
        given = {"checkpoint": self.checkpoint, "progress": Mode.NONE, "settle_time": 0.2, "interval": 1.0}
        return await watch_job(WatchOptions(**given | options), self.world, drain)

    async def look(self, number=10_000):
        """Watch for a number of looks, or until all is ended, and wait for nothing."""
        return await self.watch(Looks(self.clock, number))

    def recorded(self):
        """Give the end records by execution. No execution has two."""
        lines = [json.loads(line) for line in self.ends.read_text().splitlines()]
        found = {line["execution_name"]: line for line in lines}
        assert len(found) == len(lines)
        return found

    def true_ends(self):
        """Give how the executions of the ledger ended, by name."""
        executions = self.service.executions["transcode"]
        unknown = "abandoned" if self.api is Api.DWR_V3 else "ABANDONED"
        return {
            start.execution_name: END.get(executions.find(start.execution_name).end, unknown)
            for start in self.service.ledger.starts
        }


@pytest.fixture(params=[Api.OBS_V2, Api.DWR_V3])
async def job(request, emulator, tmp_path):
    async def make(*quirks, **settings):
        service = await emulator(quirks=dict(quirks), **{"run_time": 0.0} | settings)
        return Job(tmp_path, service, request.param)

    return make


async def until(is_so):
    while not is_so():  # noqa: ASYNC110 - files send no events
        await asyncio.sleep(0.01)


def ends_of(found):
    return {name: line["end"] for name, line in found.items()}


async def test_each_end_is_recorded_once_as_it_was_with_its_row_and_its_duration(job):
    made = await job(**ENDINGS | {"run_time": 0.5})
    assert await made.run() is ExitCode.OK
    assert await made.watch(details=5) is ExitCode.ENDS
    found = made.recorded()
    assert ends_of(found) == made.true_ends()
    assert len(set(ends_of(found).values())) == 5
    starts = {start.execution_name: start for start in made.service.ledger.starts}
    for name, line in found.items():
        assert (line["bucket"], line["object"]) == ("videos", starts[name].object)
        assert line["object"] == f"片 {line['row'] - 1}.mp4"
        assert line["duration_s"] == pytest.approx(0.5, abs=0.002)
        assert line["started_at"] == starts[name].started_at < line["ended_at"]
    assert made.service.ledger.requests["execution"] == 5
    # Nothing is left to do, so nothing is asked.
    before = Counter(made.service.ledger.requests)
    assert await made.watch() is ExitCode.ENDS
    assert made.service.ledger.requests["list"] == before["list"]
    assert made.recorded() == found


async def test_only_a_job_whose_executions_all_succeeded_ends_with_0(job):
    made = await job()
    await made.run()
    assert await made.watch() is ExitCode.OK
    assert set(made.true_ends().values()) == {"succeeded"} == set(ends_of(made.recorded()).values())
    assert "watched:   40 executions: 40 succeeded" in made.said


async def test_what_failed_is_grouped_by_cause_up_to_the_number_that_was_asked_for(job):
    made = await job(fail_share=1.0)
    await made.run(rows=12)
    await made.watch(details=4)
    assert "failed: 4 in state run: The media cannot be decoded." in made.said
    assert "causes: 4 of 12 were asked for; --details N asks for more" in made.said
    await made.watch(details=0)
    assert made.service.ledger.requests["execution"] == 4
    await made.watch(details=100)
    assert "failed: 12 in state run: The media cannot be decoded." in made.said


async def test_executions_of_others_are_none_of_ours(job):
    made = await job((Quirk.RIVAL, None), past=50, fail_share=0.5)
    await made.run()
    for number in range(30):
        made.service.start_elsewhere("videos", f"other {number}", type="TRIGGERCAL")
    await made.watch()
    assert ends_of(made.recorded()) == made.true_ends()
    assert len(made.recorded()) == 40


@pytest.mark.long(small=1 / 3, ci=1 / 2)
@pytest.mark.parametrize(
    "quirks",
    [
        [(Quirk.PAGE_LIMIT, 7.0)],
        [(Quirk.PAGE_LIMIT, 7.0), (Quirk.PAGE_REPEAT, 2.0)],
        [(Quirk.DUPLICATES, 0.5)],
        [(Quirk.NO_TIMES, None)],
        [(Quirk.LOCAL_TIME, -8.0)],
        [(Quirk.LIST_UNDATED, None)],
        [(Quirk.COUNT_ALL, None)],
        [(Quirk.NO_URN, None)],
        [(Quirk.TYPE, "EVENT")],
    ],
    ids=lambda quirks: "+".join(name for name, _ in quirks),
)
async def test_an_end_that_the_list_shows_counts_however_odd_the_list_is(job, quirks):
    made = await job(*quirks, fail_share=0.2)
    await made.run()
    assert await made.watch(deadline=20.0) is ExitCode.ENDS
    assert ends_of(made.recorded()) == made.true_ends()


async def test_a_list_that_lags_is_waited_for(job):
    made = await job((Quirk.LAG_SHARE, 0.5), list_delay=20.0, clock=Skipping())
    await made.run()
    assert await made.watch(Looks(made.clock), settle_time=60.0) is ExitCode.OK
    assert len(made.recorded()) == 40


async def test_a_word_that_is_not_known_is_kept_and_is_no_success(job):
    made = await job((Quirk.STATE, "Paused?"))
    await made.run(rows=3)
    assert await made.watch() is ExitCode.ENDS
    assert set(ends_of(made.recorded()).values()) == {"Paused?"}


def seed_that_drops(share, rows, count):
    """Find a seed by which this number of the rows is never listed."""
    for seed in range(10_000):
        settings = Settings(seed=seed, quirks={Quirk.DROPS: share})
        dropped = [row for row in range(rows) if settings.strikes(Quirk.DROPS, "videos", f"片 {row}.mp4")]
        if len(dropped) == count:
            return seed, dropped
    raise AssertionError


async def test_an_execution_that_two_complete_looks_do_not_show_is_unknown_and_is_named(job):
    seed, (dropped,) = seed_that_drops(0.03, 40, 1)
    made = await job((Quirk.DROPS, 0.03), seed=seed, clock=Skipping())
    await made.run()
    assert await made.look() is ExitCode.ENDS
    unknown = [line for line in made.recorded().values() if line["end"] == "unknown"]
    assert [(line["row"], line["ended_at"], line["duration_s"]) for line in unknown] == [(dropped + 1, None, None)]
    name = unknown[0]["execution_name"]
    assert f"unknown: row {dropped + 1}: videos/片 {dropped}.mp4 (execution {name})" in made.said
    assert Counter(ends_of(made.recorded()).values()) == {"succeeded": 39, "unknown": 1}


LOOKS = 15
"""Looks a second apart: more than the two that would prove an absence, which in DWR's API are five seconds apart."""


@pytest.mark.long(small=1 / 4, ci=1 / 2)
@pytest.mark.parametrize(
    ("quirks", "fault"),
    [
        ([(Quirk.EMPTY_LIST, None)], "does not show"),
        ([(Quirk.PAGE_LIMIT, 7.0), (Quirk.FIRST_PAGE_ONLY, None)], "does not show"),
        ([(Quirk.PAGE_LIMIT, 7.0), (Quirk.PAGE_SKIP, 3.0)], "does not show"),
        ([(Quirk.VANISH, 0.0)], "does not show"),
        ([(Quirk.LIST_CACHE, 3600.0)], "older than the request"),
        ([(Quirk.DROPS, 0.5), (Quirk.LIST_UNDATED, None)], "does not show its time"),
        ([(Quirk.NAMES_UPPER, None)], "does not show"),
    ],
    ids=lambda value: "+".join(name for name, _ in value) if isinstance(value, list) else "",
)
async def test_a_list_that_is_truncated_old_or_without_our_executions_proves_nothing(job, quirks, fault):
    made = await job(*quirks, clock=Skipping())
    await made.run()
    assert await made.look(LOOKS) is ExitCode.DEADLINE
    assert "unknown" not in ends_of(made.recorded()).values()
    assert len(made.recorded()) < 40
    assert any(fault in text for text in made.said), made.said


async def test_a_watch_follows_a_job_while_it_runs(job):
    made = await job(rate=30.0, fail_share=0.1)
    running = asyncio.create_task(made.run(rows=60))
    await until((made.folder / "m.csv.executions.jsonl").exists)
    assert await made.watch() is ExitCode.ENDS
    assert running.done()
    assert len(made.recorded()) == 60
    assert ends_of(made.recorded()) == made.true_ends()


async def test_a_watch_that_is_stopped_goes_on_where_it_was(job):
    made = await job(run_time=1000.0, run_spread=0.9, clock=Skipping())
    await made.run()
    assert await made.watch(deadline=0.1) is ExitCode.DEADLINE
    made.clock.ahead += 500.0
    assert await made.look(2) is ExitCode.DEADLINE
    recorded = made.recorded()
    assert 0 < len(recorded) < 40
    made.clock.ahead += 1500.0
    assert await made.look() is ExitCode.OK
    assert len(made.recorded()) == 40
    assert made.recorded().items() >= recorded.items()


class Killed(BaseException):
    """Ends a watch at a durable step, as a kill does: nothing that follows is done."""


def _reaching(store, steps, *given, **named):
    steps.reach()
    steps.commit(store, *given, **named)
    steps.reach()


class Steps:
    """Ends the watch at one of its durable steps."""

    def __init__(self, monkeypatch):
        self._write, self.commit = records_edge._write_whole, EndStore.commit
        monkeypatch.setattr(records_edge, "_write_whole", self.write)
        monkeypatch.setattr(EndStore, "commit", partialmethod(_reaching, self))
        self.left = -1

    def reach(self):
        self.left -= 1
        if self.left == 0:
            raise Killed

    def write(self, descriptor, block):
        self.reach()
        for part in (block[:1], block[1 : len(block) // 2], block[len(block) // 2 : -1], block[-1:]):
            self._write(descriptor, part)
            self.reach()


@pytest.mark.long(small=1 / 4, ci=1 / 2)
async def test_a_watch_that_is_killed_at_any_step_records_each_end_once(emulator, tmp_path, monkeypatch, share):
    service = await emulator(run_time=0.0, fail_share=0.3, quirks={Quirk.PAGE_LIMIT: 4.0})
    job = Job(tmp_path, service, Api.OBS_V2)
    await job.run(rows=10)
    steps = Steps(monkeypatch)
    kills = []
    for number in share(range(1, 40)):
        for path in (job.ends, *job.folder.glob("*.ends*")):
            path.unlink(missing_ok=True)
        # Killed at this step, then the watch that goes on at the next one, and so forth.
        for then in (number, number + 1, 0):
            steps.left = then
            try:
                code = await job.watch()
            except Killed:
                kills.append(number)
        assert code is ExitCode.ENDS
        assert ends_of(job.recorded()) == job.true_ends()
    assert kills


async def test_what_a_killed_watch_has_written_in_csv_is_read_back(job):
    made = await job(fail_share=0.2)
    await made.run(rows=10)
    output = made.folder / "ends.csv"
    await made.watch(output=output)
    whole = output.read_bytes()
    assert whole.splitlines()[0] == b"row,bucket,object,execution_name,end,started_at,ended_at,duration_s,redrives"
    assert len(whole.splitlines()) == 11
    assert await made.watch(output=output) is await made.watch()
    assert output.read_bytes() == whole
    with pytest.raises(UsageError, match="the ends of this job are in"):
        await made.watch(output=made.folder / "other.jsonl")


async def test_what_the_watch_cannot_use_is_refused_with_the_reason(job):
    made = await job()
    await made.run(rows=3)
    made.ends.write_text("{}\n")
    with pytest.raises(UsageError, match="the ends of this job are not in it"):
        await made.watch()
    made.ends.unlink()
    database = database_of(made.checkpoint)
    database.write_bytes(made.checkpoint.read_bytes())
    with pytest.raises((OtherJobError, DamageError)):
        await made.watch()
    database.write_bytes(b"no database" * 1000)
    with pytest.raises(DamageError):
        await made.watch()
    database.unlink()
    made.service.settings = Settings(**vars_of(made.service.settings) | {"list_forbidden": True})
    with pytest.raises(CredentialsError, match="no permission"):
        await made.watch()


def vars_of(settings):
    return {name: getattr(settings, name) for name in type(settings).__slots__}


async def test_one_watch_at_a_time_follows_a_job(job):
    made = await job(run_time=60.0)
    await made.run(rows=3)
    drain = Drain()
    first = asyncio.create_task(made.watch(drain))
    await until(made.ends.exists)
    with pytest.raises(BusyError):
        await made.watch()
    with reading_ends(database_of(made.checkpoint)) as seen:
        assert seen.running in {0, 3}
    drain.begin(ExitCode.DEADLINE)
    assert await first is ExitCode.DEADLINE


async def test_starts_without_records_are_followed_by_the_checkpoint(emulator, tmp_path):
    job = Job(tmp_path, await emulator(run_time=0.0), Api.OBS_V2)
    await job.run(rows=5)
    (tmp_path / "m.csv.executions.jsonl").unlink()
    assert await job.watch() is ExitCode.OK
    assert sorted(line["row"] for line in job.recorded().values()) == [1, 2, 3, 4, 5]
    assert {line["object"] for line in job.recorded().values()} == {None}


async def test_status_the_report_and_explain_show_how_the_executions_ended(emulator, tmp_path, capsys):
    job = Job(tmp_path, await emulator(run_time=0.0, fail_share=1.0), Api.OBS_V2)
    await job.run(rows=2)
    status(StatusOptions(checkpoint=job.checkpoint, as_json=True))
    assert json.loads(capsys.readouterr().out)["executions"] is None
    await job.watch()
    capsys.readouterr()
    status(StatusOptions(checkpoint=job.checkpoint, as_json=True))
    assert json.loads(capsys.readouterr().out)["executions"] == {
        "running": 0,
        "ends": {"failed": 2},
        "causes": [{"end": "failed", "state": "run", "message": "The media cannot be decoded.", "number": 2}],
        "redriven": {"executions": 0, "restores": 0, "in_doubt": 0},
    }
    status(StatusOptions(checkpoint=job.checkpoint))
    assert "watched:   2 executions: 2 failed" in capsys.readouterr().out.splitlines()
    write_report(job.checkpoint, tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert "<bdi>0 of 2 executions succeeded (0.0%), 2 failed (100.0%).</bdi>" in page
    cause = r"<bdi>failed</bdi></td><th.*?><bdi>run</bdi></th><td.*?><bdi>The media cannot be decoded.</bdi></td>"
    assert re.search(cause + '<td class="number">2</td>', page)
    explain(ExplainOptions(checkpoint=job.checkpoint, row="2"))
    (line,) = [line for line in job.recorded().values() if line["row"] == 2]
    shown = f"  {line['ended_at']}  the execution ended: failed in state run: The media cannot be decoded."
    assert capsys.readouterr().out.splitlines()[-2] == shown


async def test_one_watch_follows_all_shards_of_a_run_folder(emulator, tmp_path):
    job = Job(tmp_path, await emulator(run_time=0.0, fail_share=0.3), Api.OBS_V2)
    folder = tmp_path / "m.csv.run"
    for number in range(3):
        await job.run(rows=30, shard=Shard(number, 3), run_dir=folder)
    assert await job.watch(checkpoint=folder) is ExitCode.ENDS
    job.ends = folder / "job.ends.jsonl"
    assert ends_of(job.recorded()) == job.true_ends()
    assert sorted(line["row"] for line in job.recorded().values()) == list(range(1, 31))


async def test_the_real_command_runs_watches_is_killed_and_goes_on(emulator_process, tmp_path):
    service = emulator_process("--run-time", "1s", "--run-spread", "90%", "--fail-share", "20%")
    (tmp_path / "m.txt").write_text("".join(f"o{number}\n" for number in range(300)))
    environment = os.environ | KEYS | {"XDG_STATE_HOME": str(tmp_path)}
    words = ("run", "m.txt", "-w", "transcode", "-e", service.url, "-b", "videos", "--progress", "none", "--watch")

    def started():
        command = [sys.executable, "-m", "batcher", *words]
        return subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)

    ends = tmp_path / "m.txt.ends.jsonl"
    first = started()
    await until(lambda: ends.exists() and ends.stat().st_size > 0)
    first.kill()
    first.wait(timeout=30)
    first.stderr.close()
    second = started()
    _, said = await asyncio.to_thread(second.communicate)
    assert second.returncode == ExitCode.ENDS, said
    names = [json.loads(line)["execution_name"] for line in ends.read_text().splitlines()]
    records = [json.loads(line) for line in (tmp_path / "m.txt.executions.jsonl").read_text().splitlines()]
    assert len(names) == len(set(names)) == 300
    assert set(names) == {record["execution_name"] for record in records}


MANY = (2000, 200000)
"""The numbers of executions. The small one is drawn for `make test`."""
MOST_KIB = 110 * 1024
"""More than a watch needs for any number of executions: about 70 MiB on CPython 3.11."""


PEAK = """
import atexit, pathlib, sys
from batcher.cli.main import main

sys.argv, place = sys.argv[:-1], sys.argv[-1]
atexit.register(lambda: pathlib.Path(place).write_text(pathlib.Path("/proc/self/status").read_text()))
main()
"""


def peak_of(words, folder):
    """Run the command to its end, and give its exit code and the most memory that it had, in KiB.

    It looks at itself: what wait4(2) gives begins with the memory of the process that has started it.
    """
    place = folder / "status"
    ran = subprocess.run([sys.executable, "-c", PEAK, *words, place], cwd=folder, env=os.environ | KEYS, check=False)
    return ran.returncode, int(place.read_text().partition("VmHWM:")[2].split()[0])


@pytest.mark.long(small=1 / 2, ci=1 / 2)
@pytest.mark.parametrize("number", MANY)
async def test_memory_does_not_grow_with_the_number_of_executions(emulator, tmp_path, number):
    job = Job(tmp_path, await emulator(run_time=0.0, fail_share=0.01), Api.OBS_V2)
    await job.run(rows=3)
    output = tmp_path / "m.csv.executions.jsonl"
    record = json.loads(output.read_text().splitlines()[0])
    # What a run has recorded and not committed yet.
    with output.open("a") as file:
        for row in range(4, number + 1):
            name = job.service.start_elsewhere("videos", f"o{row}")
            file.write(json.dumps(record | {"row": row, "object": f"o{row}", "execution_name": name}) + "\n")
    words = ("watch", str(job.checkpoint), "--progress", "none", "--details", "0", "--timeout", "60")
    code, peak = await asyncio.to_thread(peak_of, words, tmp_path)
    assert code == ExitCode.ENDS
    assert len(job.ends.read_text().splitlines()) == number
    assert peak < MOST_KIB
