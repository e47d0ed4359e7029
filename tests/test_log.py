"""The log: its vocabulary, its two formats, the file under load and trouble, and that of real runs."""

import asyncio
import json
import os
import re
import stat
import threading
from pathlib import Path

import pytest
from conftest import KEYS
from launching import run_to_end
from msgspec import structs

from batcher.edges.log import open_log
from batcher.emulator.faults import FaultKind
from batcher.errors import DiskError
from batcher.model import RECORDED, Answer, Fault, Record, Row, Status, Verdict
from batcher.rules.choices import Level, LogFormat
from batcher.rules.rate.decisions import Event, Kind
from batcher.rules.records import event_log
from batcher.rules.records.event_log import VOCABULARY, Line, written

ODD = 'a b\n\r\x00\x1b[2J"\\=\u2028\u0085\u202e\U0001f600'
ROW = Row(7, 8, "videos", ODD, b"", b"k" * 16)
SLOW_DOWN = Answer(status=503, code="SlowDown", message="slow down", request_id="R1")
RECORD = Record(7, "videos", "o", Status.STARTED, "e1", request_id="R1", attempts=2, http_status=200, latency_ms=3.2)
REJECTED = structs.replace(
    RECORD, status=Status.REJECTED, execution_name=None, error={"code": "SYS.0015", "message": "gone"}
)

EVERY = [
    *(event_log.of_attempt(ROW, 2, verdict, SLOW_DOWN, 0.0312) for verdict in Verdict),
    *(
        event_log.of_record(structs.replace(record, status=status))
        for record in (RECORD, REJECTED)
        for status in sorted(RECORDED)
    ),
    *(event_log.of_decision(Event(5.0, kind, 340.0, 238.0, "SlowDown")) for kind in Kind),
    event_log.of_row("row_adopted", 7, "videos", ODD, execution="e1"),
    event_log.of_row("row_released", 7, "videos", ODD),
    event_log.of_row("row_held", 7, "videos", ODD),
]


@pytest.mark.parametrize("line", [line for line in EVERY if line is not None], ids=lambda line: line.event)
def test_every_event_has_just_the_fields_of_the_table(line):
    assert list(line.fields) == VOCABULARY[line.event].fields.split()


def test_an_attempt_whose_record_tells_all_and_a_record_whose_attempt_did_are_no_events():
    assert event_log.of_attempt(ROW, 1, Verdict.STARTED, Answer(status=200), 0.1) is None
    assert event_log.of_attempt(ROW, 1, Verdict.REJECTED, Answer(status=404), 0.1) is None
    assert event_log.of_record(structs.replace(RECORD, status=Status.IN_DOUBT)) is None


def test_starts_that_succeed_are_the_lowest_level():
    assert event_log.of_record(RECORD).level is Level.DEBUG


def test_a_line_for_programs():
    line = event_log.of_attempt(ROW, 2, Verdict.REFUSED, SLOW_DOWN, 0.0312)
    text = written(LogFormat.JSON, line, "2026-11-24T08:30:00.123Z", "8c1f")
    assert json.loads(text) == {
        "at": "2026-11-24T08:30:00.123Z", "level": "info", "event": "attempt_refused", "run": "8c1f",
        "row": 7, "bucket": "videos", "object": ODD, "attempt": 2, "http_status": 503, "code": "SlowDown",
        "message": "slow down", "request_id": "R1", "latency_ms": 31.2,
    }  # fmt: skip
    assert text.isascii()
    assert len(text.splitlines()) == 1


def test_a_line_for_people():
    line = event_log.of_attempt(ROW, 2, Verdict.UNSENT, Answer(fault=Fault.UNREACHED, message="refused"), 0.0)
    assert written(LogFormat.TEXT, line, "2026-11-24T08:30:00.123Z", "8c1f") == (
        "2026-11-24T08:30:00.123Z INFO attempt_unsent run=8c1f row=7 bucket=videos "
        r'object="a b\n\r\u0000\u001b[2J\"\\=\u2028\x85\u202e' + '\U0001f600" attempt=2 message=refused latency_ms=0.0'
    )


@pytest.fixture
def warnings():
    return []


async def test_all_that_was_told_is_in_the_file_when_the_log_is_closed(tmp_path, warnings):
    path = tmp_path / "log"
    path.write_text("what was there before\n")
    async with open_log(path, LogFormat.JSON, Level.INFO, "r", warnings.append) as opened:
        for number in range(5000):
            opened.tell(Line("steered", {"said": number}))
            opened.tell(Line("row_duplicate", {}))  # below the level
    first, *rest = path.read_text().splitlines()
    assert first == "what was there before"
    assert [json.loads(line)["said"] for line in rest] == list(range(5000))
    assert warnings == []


async def test_only_its_owner_may_read_it(tmp_path, warnings):
    async with open_log(tmp_path / "log", LogFormat.TEXT, Level.INFO, "r", warnings.append):
        assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o600


async def test_where_the_disk_does_not_follow_what_is_lost_is_counted_in_the_log(tmp_path, warnings):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    told = threading.Event()
    lines = []

    def read():
        with path.open() as pipe:
            told.wait()  # until then the pipe is a disk that takes no more than its buffer
            lines.extend(json.loads(line) for line in pipe)

    reader = threading.Thread(target=read)
    reader.start()
    async with open_log(path, LogFormat.JSON, Level.INFO, "r", warnings.append, most_waiting=100) as opened:
        for number in range(20_000):
            opened.tell(Line("steered", {"said": number}))
        told.set()
    await asyncio.to_thread(reader.join)
    kept = [line["said"] for line in lines if line["event"] == "steered"]
    assert kept == sorted(set(kept))
    assert 100 <= len(kept) < 20_000
    assert lines[-1]["event"] == "events_lost"
    assert len(kept) + lines[-1]["count"] == 20_000


async def test_a_log_that_cannot_be_written_is_told_once_and_ends_nothing(warnings):
    async with open_log(Path("/dev/full"), LogFormat.TEXT, Level.INFO, "r", warnings.append) as opened:
        for _ in range(100):
            opened.tell(Line("steered", {"said": "x"}))
    assert warnings == ["/dev/full: the log cannot be written: No space left on device"]


async def test_a_log_that_cannot_be_opened_ends_the_job_before_it_begins(tmp_path, warnings):
    with pytest.raises(DiskError, match="log cannot be opened: No such file or directory"):
        async with open_log(tmp_path / "gone" / "log", LogFormat.TEXT, Level.INFO, "r", warnings.append):
            pass


FILES = ("m.txt", "m.txt.executions.jsonl", "m.txt.checkpoint")


async def run(folder, *words):
    """Run the command to its end, and give its exit code and what it said."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("BATCHER_", "OBS_"))}
    code, _, said = await run_to_end(["run", *words, "-w", "transcode", "-b", "videos"], bare | KEYS, folder)
    return code, said.decode()


def events(path):
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        assert list(line) == ["at", "level", "event", "run", *VOCABULARY[line["event"]].fields.split()]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["at"])
    return lines


def count(lines, event):
    return sum(line["event"] == event for line in lines)


async def test_the_log_of_a_run_tells_what_the_ledger_does(emulator, tmp_path):
    service = await emulator(
        rate=80, reject_share=0.1, faults={FaultKind("reset-after"): 0.05, FaultKind("slowdown"): 0.05}, seed=2
    )
    keys = [f"odd\n\u2028{number}" for number in range(100)]
    rows = [json.dumps({"object": key}) for key in [*keys, keys[0]]] + ["[]"]
    (tmp_path / "m.jsonl").write_text("\n".join(rows))
    words = ("m.jsonl", "-e", service.url, "--settle-time", "1", "--log-file", "log", "--log-format", "json")
    code, said = await run(tmp_path, *words, "--log-level", "debug")
    assert code == 1, said
    lines = events(tmp_path / "log")
    answers = service.ledger.answers
    assert (lines[0]["event"], lines[-1]["event"]) == ("run_begun", "run_ended")
    assert len({line["run"] for line in lines}) == 1
    assert count(lines, "row_started") + count(lines, "row_adopted") == len(service.ledger.starts)
    assert count(lines, "attempt_in_doubt") == count(lines, "row_adopted") == answers["reset-after"] > 0
    assert count(lines, "row_rejected") == answers["404 SYS.0015"] > 0
    assert count(lines, "attempt_refused") == answers["503 SlowDown"] > 0
    assert (count(lines, "row_invalid"), count(lines, "row_duplicate"), count(lines, "reconciled")) == (1, 1, 1)
    assert count(lines, "rate_changed") > 0
    started = {line["object"] for line in lines if line["event"] in {"row_started", "row_adopted"}}
    assert started == {start.object for start in service.ledger.starts}
    assert (lines[-1]["exit_code"], lines[-1]["started"]) == (1, len(service.ledger.starts))


async def test_by_default_there_is_no_log_and_a_log_has_no_starts_that_succeed(emulator, tmp_path):
    service = await emulator()
    (tmp_path / "m.txt").write_text("a\nb\n")
    assert (await run(tmp_path, "m.txt", "-e", service.url))[0] == 0
    before = set(tmp_path.iterdir())
    (tmp_path / "m.txt").write_text("a\nb\nc\n")
    assert (await run(tmp_path, "m.txt", "-e", service.url, "--log-file", "log"))[0] == 0
    assert set(tmp_path.iterdir()) - before == {tmp_path / "log"}
    told = [line.split()[2] for line in (tmp_path / "log").read_text().splitlines()]
    assert [told[0], told[-1]] == ["run_begun", "run_ended"]
    assert "row_started" not in told


async def test_a_run_that_fails_says_why_in_its_log_and_runs_append_to_it(emulator, tmp_path):
    service = await emulator(rate=1000)
    (tmp_path / "m.txt").write_text("a\n")
    words = ("-e", service.url, "--log-file", "log", "--log-format", "json")
    assert (await run(tmp_path, "gone.txt", *words))[0] == 65
    assert (await run(tmp_path, "m.txt", *words))[0] == 0
    lines = events(tmp_path / "log")
    assert lines[1]["event"] == "run_failed"
    assert (lines[1]["exit_code"], lines[1]["error"]) == (65, "gone.txt: No such file or directory")
    assert lines[2]["event"] == "run_begun"
    assert len({line["run"] for line in lines}) == 2


@pytest.mark.parametrize(
    ("option", "other"),
    [
        *((option, other) for option in ("--log-file", "--metrics-file", "--report") for other in FILES),
        *(("--output", other) for other in FILES if other != "m.txt.executions.jsonl"),
        ("--checkpoint", "m.txt"),
    ],
)
async def test_no_file_of_the_job_is_written_over(tmp_path, option, other):
    (tmp_path / "m.txt").write_text("a\n")
    code, said = await run(tmp_path, "m.txt", "-e", "http://127.0.0.1:1", option, f"./{other}")
    assert code == 2
    assert f"and {option} are the same file: {other}" in said
    assert (tmp_path / "m.txt").read_text() == "a\n"
    assert list(tmp_path.iterdir()) == [tmp_path / "m.txt"]
