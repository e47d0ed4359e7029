"""`batcher check`, and what a run checks before its first start: the real command against the emulator."""

import asyncio
import json
import signal
import stat
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from conftest import AK
from peek import kept_rows
from test_command import ENVIRONMENT, batcher, records

from batcher.emulator.faults import FaultKind
from batcher.emulator.parsing import parse_refusal
from batcher.emulator.settings import Declared, ParameterType
from batcher.model import Status

SAMPLES = Path(__file__).parent.parent / "samples"
DECLARED = {
    "transcode": {
        "template-id": Declared(ParameterType.INTEGER, None, {"valid_values": [7, 8]}),
        "note": Declared(ParameterType.STRING, "hello", {"regex": "^[a-z]+$"}),
        "level": Declared(ParameterType.INTEGER, ""),
    }
}
BUCKET = ("-b", "videos")
PLACEHOLDERS = "directory placeholders (names that end in /; use --keep-placeholders to send them)"
TEMPLATE = ("-i", "template-id:=7")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def words(service, manifest, *more):
    return (manifest, "-w", "transcode", "-e", service.url, *BUCKET, *more)


def check(service, manifest, *more, **options):
    return batcher("check", *words(service, manifest, *more), **options)


def run(service, manifest, *more, **options):
    return batcher("run", *words(service, manifest, "--progress", "none", *more), **options)


async def told(service, manifest, *more, code=0):
    ran = await check(service, manifest, "--json", *more)
    assert ran.code == code, ran
    return json.loads(ran.stdout)


def write_jsonl(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def started(service):
    return Counter((key, inputs) for (_, key, inputs), count in service.ledger.counts().items() for _ in range(count))


# The report


async def test_a_manifest_is_told_in_full_and_nothing_is_started_or_written(folder, emulator):
    service = await emulator(workflows=DECLARED)
    (folder / "m.txt").write_text("a\nb\ndir/\na\n\nx\x00y\nc\n")
    ran = await check(service, "m.txt", *TEMPLATE)
    assert ran.code == 65, ran
    assert ran.stdout.splitlines() == [
        f"m.txt: txt, for workflow transcode at {service.url}",
        f"credentials: environment OBS_ACCESS_KEY_ID, access key ...{AK[-4:]}",
        "parameter template-id: integer, required",
        "parameter note: string, has a default",
        "parameter level: integer, has a default",
        "             5  rows",
        "             1  bad",
        "             1  with the same content as an earlier row",
        "             3  would be started",
        "             1  duplicate, not started",
        "             4  in bucket videos",
        "bad: line 6: object: the key contains a NUL character",
        "repeated: line 4 repeats line 1",
    ]
    assert ran.stderr.splitlines() == [
        "batcher: warning: 4 rows: inputs.level: not given, and its default is empty text",
        f"batcher: warning: m.txt: skipped: 1 {PLACEHOLDERS}",
        "batcher: 1 row is bad. A run records it as invalid and starts the others.",
    ]
    assert [path.name for path in folder.iterdir()] == ["m.txt"]
    assert service.ledger.requests == Counter({"workflow": 1})


async def test_a_program_is_told_the_same_as_one_object(folder, emulator):
    service = await emulator(workflows=DECLARED, triggers=("incoming",))
    (folder / "m.csv").write_text(
        "object,bucket,template-id,size\na,,7,1\nb,other-bucket,8,2\na,,7,3\nc,,9,4\nd,,x,5\n"
    )
    document = await told(service, "m.csv", code=65)
    trigger, *warnings = document.pop("warnings")
    assert trigger.startswith("the workflow is also triggered by objects that are put into incoming: such an object")
    assert warnings == [
        "m.csv: ignored: size",
        "3 rows: inputs.level: not given, and its default is empty text",
    ]
    assert document.pop("parameters")[0] == {
        "name": "template-id",
        "type": "integer",
        "required": True,
        "constraints": {"valid_values": [7, 8]},
    }
    reasons = [
        "line 5: inputs.template-id: 9 is not among the allowed values: [7,8]",
        'line 6: template-id: "x" is not a 64-bit integer',
    ]
    bad = [
        {"row": row, "line": row + 1, "bucket": bucket, "object": object_, "reason": reason}
        for row, bucket, object_, reason in ((4, "videos", "c", reasons[0]), (5, "videos", "d", reasons[1]))
    ]
    assert document == {
        "manifest": "m.csv",
        "format": "csv",
        "endpoint": service.url,
        "workflow": "transcode",
        "credentials": f"environment OBS_ACCESS_KEY_ID, access key ...{AK[-4:]}",
        "triggers": ["incoming"],
        "rows": 5,
        "bad": 2,
        "bad_rows": bad,
        "repeated": 1,
        "repeated_rows": [{"line": 4, "first_line": 2}],
        "skipped": {},
        "buckets": {"videos": 2, "other-bucket": 1},
        "looked_at": [],
        "forecast": {
            "to_start": 2,
            "started": 0,
            "in_doubt": 0,
            "rejected": 0,
            "invalid": 0,
            "duplicate": 1,
            "dismissed": 0,
        },
    }


async def test_the_first_bad_rows_are_shown_and_all_are_written_to_a_file_of_ones_own(folder, emulator):
    service = await emulator()
    (folder / "m.jsonl").write_text('{"object": 5}\n' * 30 + '{"object": "a"}\n')
    ran = await check(service, "m.jsonl", "--bad-rows", "bad.jsonl")
    assert ran.code == 65, ran
    shown = [line for line in ran.stdout.splitlines() if line.startswith("bad: ")]
    assert shown[0] == "bad: line 1: object: a number, not a string"
    assert shown[19:] == [
        "bad: line 20: object: a number, not a string",
        "bad: and 10 more; --bad-rows FILE writes all of them",
    ]
    written = [json.loads(line) for line in (folder / "bad.jsonl").read_text().splitlines()]
    assert [row["line"] for row in written] == list(range(1, 31))
    assert stat.S_IMODE((folder / "bad.jsonl").stat().st_mode) == 0o600
    again = await check(service, "m.jsonl", "--bad-rows", "bad.jsonl")
    assert (again.code, "bad.jsonl: exists already" in again.stderr) == (2, True), again
    nowhere = await check(service, "m.jsonl", "--bad-rows", "no/bad.jsonl")
    assert nowhere.code == 74, nowhere


# What the checkpoint knows


async def test_what_a_run_has_done_is_told_and_what_it_would_do_is_done(folder, emulator):
    service = await emulator()
    (folder / "m.txt").write_text("".join(f"o{n}\n" for n in range(30)))
    assert (await run(service, "m.txt", "--limit", "20")).code == 5
    with (folder / "m.txt").open("a") as file:
        file.write("new\no3\no29\n")
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    document = await told(service, "m.txt")
    forecast = {
        "to_start": 11,
        "started": 20,
        "in_doubt": 0,
        "rejected": 0,
        "invalid": 0,
        "duplicate": 2,
        "dismissed": 0,
    }
    assert (document["rows"], document["forecast"]) == (33, forecast)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.name in before} == before
    copies = await told(service, "m.txt", "--allow-duplicates")
    assert copies["forecast"] == forecast | {"to_start": 13, "duplicate": 0}
    assert (await run(service, "m.txt")).code == 0
    assert len(service.ledger.starts) == 31
    done = await told(service, "m.txt")
    assert done["forecast"] == forecast | {"to_start": 0, "started": 31}


async def test_rejected_rows_are_told_by_themselves(folder, emulator):
    service = await emulator(reject_share=1.0)
    (folder / "m.txt").write_text("a\nb\n")
    assert (await run(service, "m.txt")).code == 1
    document = await told(service, "m.txt")
    assert (document["forecast"]["rejected"], document["forecast"]["to_start"]) == (2, 0)
    document = await told(service, "m.txt", "--retry-rejected")
    assert (document["forecast"]["rejected"], document["forecast"]["to_start"]) == (0, 2)


async def test_it_works_while_a_run_goes_on(folder, emulator):
    service = await emulator()
    (folder / "m.txt").write_text("".join(f"o{n}\n" for n in range(2000)))
    command = ("run", *words(service, "m.txt", "--progress", "none", "--max-rate", "100"))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "batcher", *command, env=ENVIRONMENT, stderr=subprocess.DEVNULL
    )
    while len(service.ledger.starts) < 50:  # noqa: ASYNC110 - the ledger is looked at, as a person would
        await asyncio.sleep(0.001)
    least = len(service.ledger.starts)
    document = await told(service, "m.txt")
    most = len(service.ledger.starts)
    counts = document["forecast"]
    assert sum(counts.values()) == 2000
    assert least - 128 <= counts["started"] <= most
    assert counts["started"] + counts["in_doubt"] >= least
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 143


async def test_a_row_in_doubt_is_told(folder, emulator):
    service = await emulator(faults={FaultKind("reset-after"): 1.0}, list_forbidden=True)
    (folder / "m.txt").write_text("a\n")
    assert (await run(service, "m.txt")).code == 3
    assert (await told(service, "m.txt"))["forecast"]["in_doubt"] == 1


async def test_the_checkpoint_of_another_job_is_told(folder, emulator):
    service = await emulator()
    (folder / "m.txt").write_text("a\n")
    assert (await run(service, "m.txt")).code == 0
    ran = await check(service, "m.txt", "-i", "note=x")
    assert (ran.code, "belongs to another job: static inputs" in ran.stderr) == (78, True), ran


async def test_cells_have_the_types_that_the_job_began_with(folder, emulator):
    service = await emulator()
    (folder / "m.csv").write_text("object,template-id\na,7\n")
    assert (await run(service, "m.csv")).code == 0
    assert (await told(service, "m.csv", "--no-preflight"))["forecast"]["started"] == 1


# The service


@pytest.mark.parametrize("command", ["check", "run"])
async def test_a_workflow_that_is_not_there_ends_the_command_before_anything_is_written(folder, emulator, command):
    service = await emulator()
    (folder / "m.txt").write_text("a\n")
    ran = await batcher(command, "m.txt", "-w", "transcoed", "-e", service.url, *BUCKET)
    assert ran.code == 69, ran
    assert "there is no workflow transcoed: HTTP 404 Workflow.0001" in ran.stderr
    assert [path.name for path in folder.iterdir()] == ["m.txt"]
    assert service.ledger.requests == Counter({"workflow": 1})


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize("answer", ["400:InvalidBucketName", "403:AllAccessDisabled", "404:APIGW.0101"])
async def test_an_endpoint_without_workflows_ends_the_command_and_the_successor_is_named(
    folder, emulator, command, answer
):
    service = await emulator(unknown_workflow=parse_refusal(answer))
    (folder / "m.txt").write_text("a\n")
    ran = await batcher(command, "m.txt", "-w", "elsewhere", "-e", service.url, *BUCKET)
    assert ran.code == 69, ran
    assert f"error: the endpoint does not serve workflows: HTTP {answer.replace(':', ' ')}" in ran.stderr
    assert "DWR v3 (Data Workroom)" in ran.stderr
    assert [path.name for path in folder.iterdir()] == ["m.txt"]
    assert service.ledger.requests == Counter({"workflow": 1})


@pytest.mark.parametrize("command", ["check", "run"])
async def test_a_wrong_key_ends_the_command(folder, emulator, command):
    service = await emulator()
    (folder / "m.txt").write_text("a\n")
    ran = await batcher(command, *words(service, "m.txt"), environment=ENVIRONMENT | {"OBS_SECRET_ACCESS_KEY": "wrong"})
    assert (ran.code, "SignatureDoesNotMatch" in ran.stderr) == (77, True), ran
    assert service.ledger.requests == Counter({"workflow": 1})


async def test_where_the_workflow_is_not_shown_the_check_says_so_and_the_run_goes_on(folder, emulator):
    service = await emulator(workflows=DECLARED, workflow_forbidden=True)
    write_jsonl(folder / "m.jsonl", {"object": "a", "inputs": {"template-id": 9}})
    document = await told(service, "m.jsonl")
    (warning,) = document["warnings"]
    assert warning.startswith("the service does not describe the workflow, so inputs are not checked: HTTP 403 Acc")
    assert (document["parameters"], document["triggers"], document["bad"]) == (None, None, 0)
    ran = await run(service, "m.jsonl")
    assert ran.code == 0, ran
    assert "warning: the service does not describe the workflow" in ran.stderr
    assert started(service) == Counter({("a", '{"template-id":9}'): 1})


async def test_without_preflight_nobody_is_asked(folder, emulator):
    service = await emulator(workflows=DECLARED)
    (folder / "m.txt").write_text("a\n")
    keyless = {name: value for name, value in ENVIRONMENT.items() if not name.startswith("OBS_")}
    ran = await check(service, "m.txt", "--no-preflight", environment=keyless | {"HOME": str(folder)})
    assert ran.code == 0, ran
    assert service.ledger.requests == Counter()


async def test_standard_input_is_checked_without_a_checkpoint(folder, emulator):
    service = await emulator()
    ran = await check(service, "-", "--format", "txt", "--json", stdin=b"a\nb\n")
    assert ran.code == 0, ran
    assert json.loads(ran.stdout)["forecast"]["to_start"] == 2
    assert list(folder.iterdir()) == []


BAD = {
    "no such manifest": (["gone.txt"], 65, "gone.txt"),
    "no rows": (["header.csv"], 65, "no rows"),
    "another encoding": (["latin.txt"], 65, "line 2, byte 4"),
    "a bad workflow name": (["m.txt", "-w", "../x"], 2, "--workflow"),
    "an endpoint with a path": (["m.txt", "-e", "https://obs.example.com/x"], 2, "path"),
    "a storage class of a text": (["m.txt", "--storage-class", "COLD"], 2, "--storage-class"),
    "an unknown input": (["m.txt", "-i", "nope=1"], 2, "inputs.nope: the workflow declares no such parameter"),
    "a checkpoint that is none": (["m.txt", "-c", "m.txt"], 74, "m.txt"),
}


@pytest.mark.parametrize("case", BAD)
async def test_bad_input_is_told_clearly(folder, emulator, case):
    (folder / "m.txt").write_text("a\n" * 40)
    (folder / "header.csv").write_text("object\n")
    (folder / "latin.txt").write_bytes(b"a\ncaf\xe9\n")
    more, code, text = BAD[case]
    service = await emulator()
    ran = await batcher("check", "-w", "transcode", "-e", service.url, *BUCKET, *more)
    assert ran.code == code, ran
    assert text in ran.stderr
    assert "Traceback" not in ran.stderr


# What a run checks


async def test_rows_that_break_what_is_declared_are_recorded_and_nothing_of_them_is_sent(folder, emulator):
    service = await emulator(workflows=DECLARED)
    write_jsonl(
        folder / "m.jsonl",
        {"object": "good", "inputs": {"template-id": 7}},
        {"object": "missing"},
        {"object": "unknown", "inputs": {"template-id": 7, "templateid": 7}},
        {"object": "type", "inputs": {"template-id": True}},
        {"object": "value", "inputs": {"template-id": 9}},
        {"object": "text", "inputs": {"template-id": "8"}},
        {"object": "regex", "inputs": {"template-id": 8, "note": "ABC", "level": 1}},
    )
    ran = await run(service, "m.jsonl")
    # The emulator, more strict than what is documented, rejects the number in a text.
    assert ran.code == 1, ran
    assert service.ledger.requests["start"] == 3
    assert [key for key, _ in started(service)] == ["good", "regex"]
    written = records(Path("m.jsonl.executions.jsonl"))
    invalid = {each["object"]: each["error"]["message"] for each in written if each["status"] == "invalid"}
    assert invalid == {
        "missing": "line 2: inputs.template-id: missing, and the workflow has no default for it",
        "unknown": "line 3: inputs.templateid: the workflow declares no such parameter; it has template-id",
        "type": "line 4: inputs.template-id: true is not an integer",
        "value": "line 5: inputs.template-id: 9 is not among the allowed values: [7,8]",
    }
    assert [line for line in ran.stderr.splitlines() if "warning" in line] == [
        "batcher: warning: 2 rows: inputs.level: not given, and its default is empty text",
        "batcher: warning: 1 row: inputs.template-id: text where an integer is declared",
        "batcher: warning: 1 row: inputs.note: its regex does not seem to match every value given",
    ]


async def test_a_row_that_was_invalid_is_sent_once_the_workflow_declares_otherwise(folder, emulator):
    service = await emulator(workflows={"transcode": dict(DECLARED["transcode"])})
    write_jsonl(folder / "m.jsonl", *({"object": f"o{n}", "inputs": {"template-id": n}} for n in (7, 9)), {"object": 5})
    assert (await run(service, "m.jsonl")).code == 1
    again = await run(service, "m.jsonl", "--retry-rejected")
    assert (again.code, len(service.ledger.starts)) == (1, 1)
    assert "3 rows: 1 started, 0 refused, 0 rejected, 2 invalid" in again.stderr
    service.settings.workflows["transcode"]["template-id"] = Declared(ParameterType.INTEGER)
    assert (await run(service, "m.jsonl")).code == 1
    assert len(service.ledger.starts) == 1
    mended = await run(service, "m.jsonl", "--retry-rejected")
    assert "3 rows: 2 started, 0 refused, 0 rejected, 1 invalid" in mended.stderr
    assert started(service) == Counter({("o7", '{"template-id":7}'): 1, ("o9", '{"template-id":9}'): 1})
    last = {record["row"]: record["status"] for record in records(Path("m.jsonl.executions.jsonl"))}
    assert last == {1: "started", 2: "started", 3: "invalid"}
    assert [row.status for row in kept_rows(Path("m.jsonl.checkpoint"))] == [
        Status.STARTED,
        Status.STARTED,
        Status.INVALID,
    ]


async def test_without_preflight_the_service_decides(folder, emulator):
    service = await emulator(workflows=DECLARED)
    write_jsonl(folder / "m.jsonl", {"object": "a", "inputs": {"template-id": 9}}, {"object": "b"})
    assert (await run(service, "m.jsonl", "--no-preflight")).code == 0
    assert sorted(key for key, _ in started(service)) == ["a", "b"]


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ((), "inputs.template-id: missing"),
        (("-i", "template-id:=9"), "inputs.template-id: 9 is not among the allowed values"),
        (("-i", "template-id:=7", "-i", "nots=x"), "inputs.nots: the workflow declares no such parameter; it has note"),
    ],
)
async def test_inputs_that_no_row_can_mend_end_the_job_and_the_mended_command_is_no_other_job(
    folder, emulator, inputs, said
):
    service = await emulator(workflows=DECLARED)
    (folder / "m.csv").write_text("object,size\na,1\n")
    ran = await run(service, "m.csv", *inputs)
    assert (ran.code, said in ran.stderr) == (2, True), ran
    assert service.ledger.requests == Counter({"workflow": 1})
    assert (await run(service, "m.csv", *TEMPLATE)).code == 0
    assert started(service) == Counter({("a", '{"template-id":7}'): 1})


async def test_a_job_that_has_begun_ends_in_good_order_where_its_workflow_has_gone(folder, emulator):
    service = await emulator(workflows={"transcode": {}})
    (folder / "m.txt").write_text("a\nb\n")
    assert (await run(service, "m.txt", "--limit", "1")).code == 5
    service.settings.workflows.clear()
    ran = await run(service, "m.txt")
    assert (ran.code, "there is no workflow transcode" in ran.stderr) == (69, True), ran
    assert service.ledger.requests["start"] == 1
    assert [row.status for row in kept_rows(Path("m.txt.checkpoint"))] == [Status.STARTED]


@pytest.mark.parametrize(
    ("name", "more", "count"),
    [
        ("inventory/manifest.json", (), 6),
        ("inventory/manifest.json", ("--storage-class", "standard", "--storage-class", "warm"), 5),
        ("listing.txt", (), 5),
        ("objects.parquet", (), 4),
    ],
)
async def test_a_run_starts_what_the_samples_list_once_each(folder, emulator, name, more, count):
    service = await emulator()
    files = ("-o", folder / "o.jsonl", "-c", folder / "c.checkpoint")
    checked = await told(service, SAMPLES / name, "-c", folder / "c.checkpoint", *more)
    assert checked["forecast"]["to_start"] == count
    ran = await run(service, SAMPLES / name, *files, *more)
    assert ran.code == 0, ran
    assert set(started(service).values()) == {1}
    assert sum(started(service).values()) == count
    assert "in/2026/片段 05.mp4" in {key for key, _ in started(service)}
