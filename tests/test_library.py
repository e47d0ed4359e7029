"""batcher as a library: the same job inside another program, judged by the emulator's ledger and by the command."""

import asyncio
import inspect
import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
import stub
from conftest import KEYS
from test_command import ENVIRONMENT
from test_command import batcher as command

import batcher
from batcher.options.declaring import declared_by
from batcher.options.kinds import FLAG
from batcher.options.verbs import RunOptions
from batcher.options.wording import as_arguments

PAGE = Path(__file__).parents[1] / "docs" / "library.md"
OBJECTS = sorted(f"o{number}" for number in range(40))

pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.txt").write_text("".join(f"{key}\n" for key in OBJECTS))
    return tmp_path


def job(url, manifest="m.txt", **more):
    known = {"workflow": "transcode", "endpoint": url, "bucket": "videos", "environment": KEYS}
    return batcher.run(manifest, **known | more)


async def records_of(url, manifest="m.txt", **more):
    async with job(url, manifest, **more) as running:
        return [record async for record in running]


def told(record):
    return record.row, record.object, record.status, record.execution_name


def written():
    lines = map(json.loads, Path("m.txt.executions.jsonl").read_text().splitlines())
    return [(line["row"], line["object"], line["status"], line["execution_name"]) for line in lines]


def started(service):
    return sorted(start.object for start in service.ledger.starts)


async def test_each_record_is_given_once_it_is_in_the_output_and_each_row_is_started_once(emulator):
    service = await emulator()
    seen = []
    async with job(service.url) as running:
        assert running.exit_code is None
        async for record in running:
            assert told(record) in written()
            seen.append(told(record))
    assert running.exit_code is batcher.ExitCode.OK
    assert seen == written()
    assert {name for *_, name in seen} == {start.execution_name for start in service.ledger.starts}
    assert started(service) == OBJECTS


async def test_a_block_that_is_left_early_drains_the_job_and_the_command_finishes_it(emulator):
    service = await emulator(rate=50)
    async with job(service.url, concurrency=4) as running:
        async for record in running:
            assert record.status is batcher.Status.STARTED
            break
    assert running.exit_code is batcher.ExitCode.STOPPED
    assert 1 <= len(written()) == len(service.ledger.starts) < len(OBJECTS)
    ended = await command("run", "m.txt", "-w", "transcode", "-e", service.url, "-b", "videos")
    assert ended.code == 0, ended.stderr
    assert started(service) == OBJECTS


async def test_a_block_that_takes_no_records_runs_the_job_to_its_end(emulator):
    service = await emulator()
    async with job(service.url) as running:
        pass
    assert running.exit_code is batcher.ExitCode.OK
    assert started(service) == OBJECTS
    with pytest.raises(ZeroDivisionError):
        async with job(service.url, manifest="n.txt", output="n", checkpoint="c"):
            raise ZeroDivisionError


FILES = {"output": "rows.jsonl", "checkpoint": "rows.checkpoint"}
ROWS = ["a", {"object": "b", "inputs": {"note": "x"}}, {"object": "c", "bucket": "other-bucket"}, "a"]


async def awaited(rows):
    for row in rows:
        await asyncio.sleep(0)
        yield row


@pytest.mark.parametrize("made", [list, iter, awaited], ids=lambda made: made.__name__)
async def test_rows_may_be_passed_in_place_of_a_path_and_continue_as_a_list_does(emulator, made):
    service = await emulator()
    records = await records_of(service.url, made(ROWS), **FILES)
    assert sorted((record.row, record.bucket, record.object, record.status) for record in records) == [
        (1, "videos", "a", "started"),
        (2, "videos", "b", "started"),
        (3, "other-bucket", "c", "started"),
        (4, "videos", "a", "duplicate"),
    ]
    assert [record.object for record in await records_of(service.url, made([*ROWS, "d"]), **FILES)] == ["d"]
    assert started(service) == ["a", "b", "c", "d"]


async def test_a_row_that_cannot_be_one_is_recorded_as_invalid(emulator):
    service = await emulator()
    odd = ["ok", 7, {"object": 8}, {"key": "x"}, {"object": "y", "inputs": {"note": object()}}, "\udcff", b"bytes"]
    records = await records_of(service.url, odd, **FILES)
    assert {record.row: record.status for record in records} == {1: "started"} | dict.fromkeys(range(2, 8), "invalid")
    assert started(service) == ["ok"]


async def test_what_an_iterable_raises_is_what_the_program_gets(emulator):
    def failing():
        yield "a"
        raise ZeroDivisionError

    service = await emulator()
    for rows in (failing, lambda: awaited(failing())):
        with pytest.raises(ZeroDivisionError):
            await records_of(service.url, rows(), **FILES)


async def test_a_job_that_waits_for_the_next_row_can_be_left(emulator):
    async def endless():
        yield "a"
        await asyncio.Event().wait()

    service = await emulator()
    async with job(service.url, endless(), **FILES) as running:
        async for record in running:
            assert record.object == "a"
            break
    assert running.exit_code is batcher.ExitCode.STOPPED


@pytest.mark.parametrize(
    ("rows", "more", "words"),
    [
        (["a"], {}, "Give checkpoint=FILE and output=FILE."),
        (["a"], {"output": "o"}, "Give checkpoint=FILE and output=FILE."),
        (["a"], FILES | {"format": "csv"}, "format: rows that a program passes have no format"),
        (["a"], FILES | {"storage_classes": ["WARM"]}, "storage class"),
        (7, FILES, "manifest: int is neither a path nor rows"),
    ],
)
async def test_arguments_that_do_not_fit_rows_are_named(rows, more, words):
    with pytest.raises(batcher.UsageError) as raised:
        await records_of("http://127.0.0.1:9", rows, **more)
    assert words.replace("_", " ") in f"{raised.value} {raised.value.advice}".replace("_", " ")


async def looks(running):
    while True:
        yield running.progress()
        await asyncio.sleep(0.01)


async def test_a_program_looks_at_its_job_and_steers_it(emulator):
    service = await emulator()
    async with job(service.url) as running:
        assert running.progress() is None
        # Before the job has opened its files: it is done as soon as it has.
        running.pause()
        seen = await anext(each async for each in looks(running) if each is not None)
        assert (seen.state, service.ledger.starts) == ("paused", [])
        running.rate(500)
        with pytest.raises(batcher.UsageError, match="expected a number above 0"):
            running.rate(0)
        running.resume()
    assert running.progress().started == len(OBJECTS)
    status = await running.status()
    assert (status[batcher.Status.STARTED], status[batcher.Status.PENDING]) == (len(OBJECTS), 0)
    assert started(service) == OBJECTS


def test_the_same_is_there_for_a_program_without_asyncio(emulator_process):
    service = emulator_process()
    known = {"workflow": "transcode", "endpoint": service.url, "bucket": "videos", "environment": KEYS}
    with batcher.run_sync("m.txt", **known, limit=30) as running:
        running.pause()
        running.rate(500)
        running.resume()
        assert len(list(running)) == 30
    assert running.exit_code is batcher.ExitCode.STOPPED
    assert (running.progress().started, running.status()["started"], list(running)) == (30, 30, [])
    with batcher.run_sync("m.txt", **known) as running:
        pass
    assert (running.exit_code, written().__len__()) == (batcher.ExitCode.OK, len(OBJECTS))
    with batcher.run_sync(({"object": f"p{n}"} for n in range(5)), **known, **FILES) as running:
        for _ in running:
            running.stop()
    assert running.exit_code in {batcher.ExitCode.STOPPED, batcher.ExitCode.OK}
    other = known | {"workflow": "nobodys", "output": "o", "checkpoint": "c"}
    with pytest.raises(batcher.ServiceError, match="nobodys"), batcher.run_sync("m.txt", **other):
        pass
    with pytest.raises(ZeroDivisionError), batcher.run_sync("m.txt", **known):
        raise ZeroDivisionError


async def test_a_program_that_asks_the_job_to_stop_gets_the_records_of_what_was_on_the_wire(emulator):
    service = await emulator(rate=50)
    seen = []
    async with job(service.url, concurrency=4) as running:
        async for record in running:
            running.stop()
            seen.append(record.object)
    assert running.exit_code is batcher.ExitCode.STOPPED
    assert sorted(seen) == started(service)
    assert set(seen) < set(OBJECTS)


async def test_a_program_that_fails_in_the_block_gets_its_own_error_and_leaves_whole_files(emulator):
    service = await emulator()

    async def fail():
        async with job(service.url) as running:
            async for _ in running:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    first = len(service.ledger.starts)
    later = await records_of(service.url)
    assert len(later) == len(OBJECTS) - first
    assert started(service) == OBJECTS


async def hanging(url):
    """Give a program that takes one record of a job and then no more, once it has taken it."""
    taken = asyncio.Event()

    async def hang():
        async with job(url, concurrency=4) as running:
            async for _ in running:
                taken.set()
                await asyncio.Event().wait()

    program = asyncio.create_task(hang())
    await taken.wait()
    return program


async def test_a_cancelled_program_leaves_a_job_that_goes_on_later(emulator):
    service = await emulator()
    program = await hanging(service.url)
    program.cancel()
    with pytest.raises(asyncio.CancelledError):
        await program
    await records_of(service.url)
    assert started(service) == OBJECTS


async def test_a_program_that_is_cancelled_twice_leaves_at_once_and_the_next_run_settles_what_it_left(emulator):
    service = await emulator()
    program = await hanging(service.url)
    program.cancel()
    await asyncio.sleep(0)
    program.cancel()
    with pytest.raises(asyncio.CancelledError):
        await program
    async with job(service.url, settle_time=0.5) as running:
        assert [record async for record in running]
    assert running.exit_code is batcher.ExitCode.OK
    assert started(service) == OBJECTS


async def test_the_records_end_only_once_and_a_second_look_finds_no_more(emulator):
    service = await emulator()
    async with job(service.url) as running:
        assert len([record async for record in running]) == len(OBJECTS)
        assert [record async for record in running] == []


async def test_two_jobs_run_side_by_side_in_one_program(emulator):
    Path("n.txt").write_text("p0\np1\n")
    service = await emulator()
    both = await asyncio.gather(records_of(service.url), records_of(service.url, "n.txt"))
    assert [sorted(record.object for record in records) for records in both] == [OBJECTS, ["p0", "p1"]]


async def test_what_the_command_would_say_goes_to_the_logger_and_not_to_stderr(emulator, capfd, caplog):
    caplog.set_level(logging.INFO, "batcher")
    service = await emulator()
    await records_of(service.url)
    assert capfd.readouterr() == ("", "")
    assert "Every row is started." in caplog.text


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"workflow": "nobodys"}, batcher.ServiceError, "nobodys"),
        ({"workflow": "a b"}, batcher.UsageError, "a b"),
        ({"environment": {}, "credentials": "env"}, batcher.CredentialsError, "OBS_ACCESS_KEY_ID"),
        ({"environment": KEYS | {"OBS_SECRET_ACCESS_KEY": "wrong"}}, batcher.CredentialsError, "SignatureDoesNotMatch"),
        ({"inputs": {"unknown": 1}}, batcher.UsageError, "unknown"),
        ({"manifest": "gone.csv"}, batcher.ManifestError, "gone.csv"),
        (
            {"max_failures": "many"},
            batcher.UsageError,
            "max_failures='many': neither a number of rows nor a percentage",
        ),
        ({"max_outage": "soon"}, batcher.UsageError, "max_outage='soon': not a duration"),
        ({"on_doubt": "wait"}, batcher.UsageError, "on_doubt='wait': expected one of reconcile, hold, resend"),
        ({"limit": "5"}, batcher.UsageError, "limit='5': expected a whole number, at least 1"),
        ({"inputs": {"a": object()}}, batcher.UsageError, "expected inputs by name"),
        ({"max_rat": 5}, batcher.UsageError, "max_rat: no such argument Did you mean max_rate?"),
        ({"workflow": None}, batcher.UsageError, "workflow: this argument is missing"),
        ({"region": "cn-north-4"}, batcher.UsageError, "region and endpoint cannot be combined; choose one"),
        ({"endpoint": None}, batcher.UsageError, "no endpoint given Give endpoint=URL or region=NAME, or set"),
        (
            {"manifest": "-"},
            batcher.UsageError,
            "no name to derive checkpoint from With - as the manifest, give",
        ),
        ({"endpoint": "http://example.com"}, batcher.UsageError, "or allow http with allow_http=True."),
        ({"inputs": {"unknown": 1}}, batcher.UsageError, 'declares with inputs={"NAME": VALUE}.'),
        ({"output": "m.txt"}, batcher.UsageError, "manifest and output are the same file"),
        ({"report": "gone/r.html"}, batcher.UsageError, "report gone/r.html: no such folder"),
    ],
)
async def test_a_job_that_cannot_begin_raises_what_the_command_would_say_and_starts_nothing(
    emulator, change, error, words
):
    service = await emulator()
    with pytest.raises(error) as raised:
        await records_of(service.url, **change)
    assert words in f"{raised.value} {raised.value.advice}"
    assert service.ledger.starts == []


async def test_an_error_that_nobody_met_while_iterating_is_raised_at_the_end_of_the_block(emulator):
    service = await emulator()
    with pytest.raises(batcher.ServiceError, match="nobodys"):
        async with job(service.url, workflow="nobodys") as running:
            await asyncio.wait_for(running.end(), 30)


BOUNDED = {each.name: each for each in declared_by(RunOptions) if each.bounds}


@pytest.mark.parametrize("name", BOUNDED)
async def test_a_number_out_of_its_bounds_is_named_with_them(name):
    with pytest.raises(batcher.UsageError, match=rf"^{name}=-1: expected [a-z ]*, {BOUNDED[name].bounds}$"):
        await records_of("http://127.0.0.1:9", **{name: -1})


def test_the_bounds_are_those_that_they_were():
    assert {name: each.bounds for name, each in BOUNDED.items()} == {
        "timeout": "at least 0.1s",
        "head": "0 to 10,000",
        "concurrency": "1 to 10,000",
        "max_rate": "at least 0.001",
        "take_over_after": "at least 0s",
        "max_outage": "at least 0s",
        "max_duration": "at least 0s",
        "limit": "at least 1",
        "max_attempts": "at least 1",
        "settle_time": "at least 0s",
        "canary": "1 to 1,000",
        "max_running": "1 to 1,000,000",
        "metrics_port": "0 to 65,535",
    }


def test_the_signature_has_every_option_of_the_command_with_its_default():
    parameters = inspect.signature(batcher.run).parameters
    assert next(iter(parameters)) == "manifest"
    assert parameters.keys() == {each.name for each in declared_by(RunOptions)} | {"environment"}
    assert {parameters[name].default for name in ("manifest", "workflow")} == {inspect.Parameter.empty}
    assert (parameters["concurrency"].default, parameters["max_outage"].default) == (64, 900.0)
    assert [parameters[each.name].default for each in declared_by(RunOptions) if each.is_negated] == [True, True]


async def test_options_made_beforehand_run_the_job_that_the_same_arguments_run(emulator):
    service = await emulator()
    given = {"manifest": "m.txt", "workflow": "transcode", "endpoint": service.url, "bucket": "videos"}
    options = batcher.RunOptions(**given, max_outage="15m", max_failures="5%")
    assert (options.max_outage, str(options.max_failures)) == (900.0, "5%")
    with pytest.raises(AttributeError, match="is immutable"):
        options.limit = 5
    async with batcher.run(options, environment=KEYS) as running:
        assert sorted([record.object async for record in running]) == OBJECTS
    with pytest.raises(TypeError, match="RunOptions and limit cannot be combined"):
        async with batcher.run(options, limit=5, environment=KEYS):
            pass


async def test_the_endpoint_of_the_environment_is_used_where_no_other_is_given(emulator):
    service = await emulator()
    environment = KEYS | {"OBS_ENDPOINT": service.url, "BATCHER_LIMIT": "1"}
    options = batcher.RunOptions(manifest="m.txt", workflow="transcode", bucket="videos")
    async with batcher.run(options, environment=environment) as running:
        assert sorted([record.object async for record in running]) == OBJECTS
    with pytest.raises(batcher.UsageError, match=r"^region nowhere: not a region name$"):
        await records_of(None, endpoint=None, region="nowhere", environment=environment)


async def test_a_program_may_ask_for_the_report_the_log_and_the_metrics(emulator, capfd, caplog):
    caplog.set_level(logging.INFO, "batcher")
    service = await emulator()
    await records_of(service.url, report="r.html", log_file="log", log_format="json", metrics_file="m.prom")
    assert Path("r.html").read_text().startswith("<!DOCTYPE html>")
    assert json.loads(Path("log").read_text().splitlines()[-1])["event"] == "run_ended"
    assert "batcher_" in Path("m.prom").read_text()
    assert "report:     r.html" in caplog.text
    assert capfd.readouterr() == ("", "")


async def test_too_many_failures_are_told_by_the_name_of_the_argument(emulator):
    service = await emulator(reject_share=0.5, seed=2)
    with pytest.raises(batcher.FailuresError, match="more than max_failures allows"):
        await records_of(service.url, max_failures=0)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("more than --max-failures allows", "more than max_failures allows"),
        ("allow it with --no-preflight or --allow-http.", "allow it with preflight=False or allow_http=True."),
        ("Give --endpoint URL or --region NAME.", "Give endpoint=URL or region=NAME."),
        ("sent again because of --on-doubt resend", 'sent again because of on_doubt="resend"'),
        ("with --input NAME=VALUE or NAME:=JSON.", 'with inputs={"NAME": VALUE}.'),
        ("MANIFEST and --output", "manifest and output"),
        ("MANIFEST.checkpoint --limiting x--limit /--limit", "MANIFEST.checkpoint --limiting x--limit /--limit"),
    ],
)
def test_what_the_command_says_of_flags_the_library_says_of_arguments(text, written):
    assert as_arguments(text, RunOptions) == written


def test_every_flag_of_the_job_has_its_argument_in_an_error():
    for each in declared_by(RunOptions):
        said = as_arguments(f"see {each.metavar if each.option.is_argument else each.flag} here", RunOptions)
        value = f"={not each.is_negated}" if each.kind is FLAG else ""
        assert said == f"see {each.name}{value} here"


def test_the_stub_is_the_one_that_the_declarations_make():
    assert stub.PATH.read_text() == stub.stub()


async def test_the_program_that_the_type_checker_reads_runs(emulator):
    service = await emulator()
    program = [sys.executable, str(Path(__file__).with_name("library_program.py")), "m.txt", service.url]
    process = await asyncio.create_subprocess_exec(*program, stdout=-1, stderr=-1, env=ENVIRONMENT | KEYS)
    printed, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")
    assert printed.decode().split() == OBJECTS
    assert started(service) == sorted(["a", "b", *OBJECTS])


def test_importing_the_package_imports_neither_the_http_client_nor_the_rest():
    code = "import sys, batcher; print([name for name in sys.modules if name.split('.')[0] in ('aiohttp', 'orjson')])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


def test_every_name_of_the_package_is_there_and_no_other():
    assert all(getattr(batcher, name) for name in batcher.__all__)
    assert dir(batcher) == sorted(batcher.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        _ = batcher.nothing


async def test_the_example_of_the_documentation_runs(emulator):
    service = await emulator()
    example = PAGE.read_text().split("```python\n")[1].split("```")[0]
    Path("example.py").write_text(example)
    Path("objects.csv").write_text("object\nin/clip 01.mp4\nin/clip 02.mp4\n")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "example.py", stdout=-1, stderr=-1, env=ENVIRONMENT | KEYS | {"OBS_ENDPOINT": service.url}
    )
    printed, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")
    assert started(service) == ["in/clip 01.mp4", "in/clip 02.mp4"]
    assert sorted(printed.decode().splitlines()) == sorted(
        [*(f"{start.object} {start.execution_name}" for start in service.ledger.starts), "OK"]
    )
