"""Jobs that share a ledger: the real runs against the emulator, whose own ledger of starts is the judge."""

import asyncio
import errno
import fcntl
import json
import os
import sqlite3
from collections import Counter
from contextlib import closing, nullcontext
from pathlib import Path

import pytest
from conftest import KEYS
from test_after import started
from test_command import ENVIRONMENT, batcher, records

from batcher.app.run import run_job
from batcher.app.sharing import open_sharing
from batcher.app.voice import Voice
from batcher.app.world import World
from batcher.edges.row_ledger import Member, Store
from batcher.emulator.faults import FaultKind
from batcher.emulator.ledger import Ledger as EmulatorLedger
from batcher.errors import BusyError, DiskError, ExitCode, JobError, OtherJobError
from batcher.flow.drain import Drain
from batcher.model import Admitted, Row, Status
from batcher.options.verbs import RunOptions
from batcher.rules.choices import Mode, OnDoubt
from batcher.rules.rows.admission import Policy
from batcher.rules.rows.sharing import CLAIMED_ELSEWHERE, STARTED_ELSEWHERE, Target


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


pytestmark = pytest.mark.usefixtures("folder")


JOBS = 3


def listed(name, rows):
    Path(name).write_text("".join(f"{row}\n" for row in rows))


async def run(service, name, *, said=None, ledger="machine.ledger", **more):
    """Run a job in this process."""
    options = RunOptions(
        manifest=name, workflow="transcode", bucket="videos", endpoint=service.url, progress=Mode.NONE,
        ledger=ledger, settle_time=0.3, preflight=False, **more,
    )  # fmt: skip
    said = [] if said is None else said
    environment = {**KEYS, "XDG_STATE_HOME": os.environ["XDG_STATE_HOME"]}
    world = World(Voice(lambda _, text: said.append(text)), environment, draining_on_signals=lambda *_: nullcontext())
    return await run_job(options, world, Drain())


def ends(name):
    """Return the last record of each row, by object."""
    return {each["object"]: each for each in records(Path(f"{name}.executions.jsonl"))}


async def test_a_row_that_another_job_has_started_is_a_duplicate_with_its_execution(folder, emulator):
    service = await emulator()
    listed("a.txt", "abc")
    listed("b.txt", "bcd")
    assert await run(service, "a.txt") is ExitCode.OK
    assert await run(service, "b.txt") is ExitCode.OK
    assert started(service) == Counter("abcd")
    ours, theirs = ends("a.txt"), ends("b.txt")
    assert {key: each["status"] for key, each in theirs.items()} == {
        "b": "duplicate",
        "c": "duplicate",
        "d": "started",
    }
    assert theirs["b"]["execution_name"] == ours["b"]["execution_name"]
    assert theirs["b"]["error"] == {
        "code": STARTED_ELSEWHERE,
        "message": f"job {folder / 'a.txt.checkpoint'} has started this row as execution {ours['b']['execution_name']}",
    }
    # A run of the same command changes nothing, with --allow-duplicates neither.
    assert await run(service, "b.txt") is ExitCode.OK
    assert started(service) == Counter("abcd")
    assert len(records(Path("b.txt.executions.jsonl"))) == 3
    said = []
    assert await run(service, "b.txt", again=True, said=said) is ExitCode.OK, said
    assert started(service) == Counter("abbccd")
    listed("c.txt", "b")
    assert await run(service, "c.txt") is ExitCode.OK
    assert ends("c.txt")["b"]["execution_name"] == ours["b"]["execution_name"]


async def test_a_row_in_doubt_in_another_job_is_in_doubt_here_until_that_job_has_settled_it(folder, emulator):
    service = await emulator(faults={FaultKind.RESET_AFTER: 0.5}, seed=3)
    rows = [f"o{number}" for number in range(12)]
    listed("a.txt", rows)
    listed("b.txt", rows)
    assert await run(service, "a.txt", on_doubt=OnDoubt.HOLD) is ExitCode.ROWS_IN_DOUBT
    theirs = ends("a.txt")
    in_doubt = {key for key, each in theirs.items() if each["status"] == "in_doubt"}
    said = []
    assert await run(service, "b.txt", said=said) is ExitCode.ROWS_IN_DOUBT
    assert 0 < len(in_doubt) < len(rows)
    assert started(service) == Counter(rows)
    ours = ends("b.txt")
    assert {key for key, each in ours.items() if each["status"] == "in_doubt"} == in_doubt
    assert {ours[key]["error"]["code"] for key in in_doubt} == {CLAIMED_ELSEWHERE}
    job = str(folder / "a.txt.checkpoint")
    assert f"another job: {job}" in said
    shown = await batcher("status", "b.txt.checkpoint")
    assert shown.stdout.count(f"(on the wire or in doubt in job {job})") == len(in_doubt)
    some = min(in_doubt)
    explained = await batcher("explain", "b.txt.checkpoint", some)
    assert f"HeldByAnotherJob (job {job} has this row on the wire or in doubt" in explained.stdout
    # Neither a resend nor a reconcile here settles it, but one of that job does.
    assert await run(service, "b.txt", on_doubt=OnDoubt.RESEND) is ExitCode.ROWS_IN_DOUBT
    assert started(service) == Counter(rows)
    reconciled = await batcher("reconcile", "a.txt.checkpoint", "--settle-time", "0.3", environment=ENVIRONMENT)
    assert reconciled.code == 0, reconciled
    assert (await batcher("reconcile", "b.txt.checkpoint", environment=ENVIRONMENT)).code == 0
    executions = {each["object"]: each["execution_name"] for each in ends("a.txt").values()}
    assert {key: each["execution_name"] for key, each in ends("b.txt").items()} == executions
    assert {each["status"] for each in ends("b.txt").values()} == {"duplicate"}
    assert "another job of the ledger has started it" in (await batcher("explain", "b.txt.checkpoint", some)).stdout
    assert started(service) == Counter(rows)


async def test_a_row_that_another_job_did_not_start_is_sent_from_here_and_a_refused_or_rejected_one_too(emulator):
    service = await emulator()
    listed("a.txt", "ab")
    listed("b.txt", "ab")
    service.misses = lambda order: order.object == "a"
    assert await run(service, "a.txt") is ExitCode.ROWS_REJECTED
    service.misses = lambda _: False
    assert await run(service, "b.txt") is ExitCode.OK
    assert {key: each["status"] for key, each in ends("b.txt").items()} == {"a": "started", "b": "duplicate"}
    # The job that was refused finds it started, and a dismissed row is nobody's.
    assert await run(service, "a.txt", retry_rejected=True) is ExitCode.OK
    assert ends("a.txt")["a"]["execution_name"] == ends("b.txt")["a"]["execution_name"]
    assert started(service) == Counter("ab")


async def test_a_limit_counts_the_rows_that_are_sent_and_no_duplicates(emulator):
    service = await emulator()
    listed("a.txt", [f"o{number}" for number in range(50)])
    listed("b.txt", [f"o{number}" for number in range(60)])
    assert await run(service, "a.txt") is ExitCode.OK
    assert await run(service, "b.txt", limit=3) is ExitCode.STOPPED
    assert await run(service, "b.txt") is ExitCode.OK
    assert Counter(each["status"] for each in ends("b.txt").values()) == {"duplicate": 50, "started": 10}
    assert max(started(service).values()) == 1


async def test_jobs_that_race_for_the_same_rows_start_each_once(emulator):
    service = await emulator(faults={FaultKind.INTERNAL: 0.1, FaultKind.RESET_AFTER: 0.05}, seed=8)
    rows = [f"o{number}" for number in range(80)]
    names = [f"{number}.txt" for number in range(JOBS)]
    for name in names:
        listed(name, rows)
    for _ in range(4):
        codes = await asyncio.gather(*(run(service, name, concurrency=8) for name in names))
        if set(codes) == {ExitCode.OK}:
            break
    assert set(codes) == {ExitCode.OK}
    assert started(service) == Counter(rows)
    last = [ends(name) for name in names]
    for row in rows:
        assert Counter(each[row]["status"] for each in last) == {"started": 1, "duplicate": JOBS - 1}
        assert len({each[row]["execution_name"] for each in last}) == 1


async def test_a_job_that_ran_without_a_ledger_brings_its_starts_and_stays_in_the_ledger_from_then_on(emulator):
    service = await emulator()
    listed("a.txt", "ab")
    listed("b.txt", "abc")
    assert await run(service, "a.txt", ledger=None) is ExitCode.OK
    assert await run(service, "a.txt") is ExitCode.OK
    assert await run(service, "b.txt") is ExitCode.OK
    assert started(service) == Counter("abc")
    before = service.ledger.requests.total()
    with pytest.raises(OtherJobError, match=r"shares the ledger .*machine\.ledger") as refused:
        await run(service, "b.txt", ledger=None)
    assert "Add --ledger" in refused.value.advice
    with pytest.raises(OtherJobError, match="another ledger"):
        await run(service, "b.txt", ledger="other.ledger")
    assert service.ledger.requests["start"] == 3
    assert service.ledger.requests.total() == before
    # A moved ledger is the same one, and one that was made anew from the jobs takes its place.
    Path("machine.ledger").rename("moved.ledger")
    assert await run(service, "b.txt", ledger="moved.ledger") is ExitCode.OK
    assert (await batcher("ledger", "import", "a.txt", "b.txt.checkpoint", "--ledger", "new.ledger")).code == 0
    assert await run(service, "b.txt", ledger="new.ledger") is ExitCode.OK
    listed("c.txt", "abc")
    assert await run(service, "c.txt", ledger="new.ledger") is ExitCode.OK
    assert started(service) == Counter("abc")


async def test_checkpoints_run_folders_and_records_are_imported_and_counted(emulator):
    service = await emulator(faults={FaultKind.RESET_AFTER: 0.2}, seed=4)
    job = ("-w", "transcode", "-e", service.url, "-b", "videos", "--progress", "none", "--on-doubt", "hold")
    listed("a.txt", "abcdefgh")
    listed("s.txt", "ijklmnop")
    assert (await batcher("run", "a.txt", *job, environment=ENVIRONMENT)).code in {0, 3}
    assert (await batcher("run", "s.txt", "--processes", "2", *job, environment=ENVIRONMENT)).code in {0, 3}
    imports = ("ledger", "import", "--ledger", "machine.ledger")
    for _ in range(2):
        imported = await batcher(*imports, "a.txt.checkpoint", "s.txt.run")
        assert imported.code == 0, imported
    shown = json.loads((await batcher("ledger", "status", "--ledger", "machine.ledger", "--json")).stdout)
    open_ = sum(each["open"] for each in shown["jobs"])
    assert [(each["workflow"], each["endpoint"]) for each in shown["targets"]] == [("transcode", service.url)]
    assert (len(shown["jobs"]), shown["targets"][0]["started"] + open_, open_ > 0) == (3, 16, True)
    # Records alone do not name their workflow.
    Path("records.jsonl").write_bytes(Path("a.txt.executions.jsonl").read_bytes())
    refused = await batcher(*imports, "records.jsonl")
    assert (refused.code, "do not name their workflow" in refused.stderr) == (2, True)
    new = ("ledger", "import", "--ledger", "new.ledger", "records.jsonl", "-w", "transcode", "-e", service.url)
    assert (await batcher(*new)).code == 0
    listed("b.txt", "abcdefgh")
    before = started(service)
    await run(service, "b.txt", ledger="new.ledger", on_doubt=OnDoubt.HOLD)
    assert started(service) == before
    text = (await batcher("ledger", "status", "--ledger", "machine.ledger")).stdout
    assert text.startswith(f"machine.ledger: {16 - open_} rows started, {open_} on the wire or in doubt\n")


async def test_a_checkpoint_that_is_deleted_leaves_its_starts_and_one_that_is_recovered_takes_over(emulator):
    service = await emulator(faults={FaultKind.RESET_AFTER: 0.3}, seed=5)
    rows = [f"o{number}" for number in range(10)]
    listed("a.txt", rows)
    assert await run(service, "a.txt", on_doubt=OnDoubt.HOLD) is ExitCode.ROWS_IN_DOUBT
    Path("a.txt.checkpoint").unlink()
    listed("b.txt", rows)
    assert await run(service, "b.txt") is ExitCode.ROWS_IN_DOUBT
    assert started(service) == Counter(rows)
    job = ("-w", "transcode", "-e", service.url, "-b", "videos")
    recovered = await batcher("recover", "a.txt", *job, environment=ENVIRONMENT)
    assert recovered.code == 0, recovered
    assert await run(service, "a.txt") is ExitCode.OK
    assert await run(service, "b.txt") is ExitCode.OK
    assert started(service) == Counter(rows)
    assert {each["status"] for each in ends("b.txt").values()} == {"duplicate"}


async def test_a_ledger_that_cannot_be_relied_on_is_refused_before_anything_is_sent(emulator, monkeypatch):
    service = await emulator()
    listed("a.txt", "a")
    Path("text").write_text('{"object": "a"}\n' * 50)
    with closing(sqlite3.connect("database")) as db:
        db.execute("CREATE TABLE other (name)")
    assert await run(service, "a.txt") is ExitCode.OK
    os.link("machine.ledger", "second name")
    content = bytearray(Path("machine.ledger").read_bytes())
    Path("damaged").write_bytes(content[: len(content) // 2])
    for name, words in (
        ("text", "not a ledger"),
        ("database", "another database"),
        ("second name", "2 names"),
        ("damaged", "damaged"),
        ("a.txt.checkpoint", "another database"),
    ):
        with pytest.raises(JobError, match=words):
            await run(service, "a.txt", ledger=name)
    monkeypatch.setattr(fcntl, "flock", _no_locks)
    with pytest.raises(DiskError, match="this filesystem has no locks"):
        Store.open(Path("another.ledger"))
    assert service.ledger.requests["start"] == 1


def _no_locks(*_):
    raise OSError(errno.ENOLCK, "no locks")


async def test_a_job_waits_a_bounded_time_for_a_locked_ledger_and_then_sends_nothing(emulator, monkeypatch):
    service = await emulator()
    listed("a.txt", "a")
    monkeypatch.setattr("batcher.edges.row_ledger.file.WAIT_SECONDS", 0.2)
    with closing(Store.open(Path("machine.ledger"))) as other:
        other.begin()
        with pytest.raises(BusyError, match="locked for 0 s"):
            await run(service, "a.txt")
        other.roll_back()
    assert service.ledger.requests["start"] == 0
    assert await run(service, "a.txt") is ExitCode.OK


async def test_an_emulator_does_not_append_to_a_ledger_of_jobs():
    Store.open(Path("machine.ledger")).close()
    with pytest.raises(DiskError, match="this is a database"):
        EmulatorLedger(Path("machine.ledger"))


async def test_processes_that_race_for_the_same_rows_start_each_once(emulator):
    service = await emulator()
    rows = [f"o{number}" for number in range(200)]
    job = ("-w", "transcode", "-e", service.url, "-b", "videos", "--progress", "none", "--ledger", "machine.ledger")
    for name in ("a.txt", "b.txt"):
        listed(name, rows)
    # One of them in shards, which share the ledger too.
    ran = await asyncio.gather(
        batcher("run", "a.txt", *job, environment=ENVIRONMENT),
        batcher("run", "b.txt", *job, "--processes", "2", environment=ENVIRONMENT),
    )
    assert {each.code for each in ran} <= {0, 3}, ran
    assert started(service) == Counter(rows)
    assert (await batcher("reconcile", "a.txt", environment=ENVIRONMENT)).code == 0
    assert (await batcher("reconcile", "b.txt.run", environment=ENVIRONMENT)).code == 0
    assert {each["status"] for each in ends("a.txt").values()} <= {"started", "duplicate"}
    assert started(service) == Counter(rows)


async def test_a_ledger_that_is_taken_away_during_a_run_stops_the_job_before_it_claims_more():
    ours, theirs = Row(1, 1, "videos", "a", b"", b"a" * 16), Row(2, 2, "videos", "b", b"", b"b" * 16)
    member = Member("job", Path("m.checkpoint"), Target("obs-v2", "http://127.0.0.1", "", "transcode"))
    admitted = []

    async def admit(rows, now):
        admitted.append((now, [each.row.object for each in rows]))

    async with open_sharing(Path("machine.ledger"), Policy()) as sharing:
        await sharing.ledger.do(lambda store: store.enter(member))
        await sharing.admit([Admitted(1, ours, Status.SENDING)], 5.0, admit, admit)
        Path("machine.ledger").rename("elsewhere")
        with pytest.raises(DiskError, match="the ledger was deleted, renamed or replaced"):
            await sharing.admit([Admitted(2, theirs, Status.SENDING)], 6.0, admit, admit)
    assert admitted == [(5.0, ["a"])]
