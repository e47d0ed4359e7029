"""batcher as a library: the same job inside another program, judged by the emulator's ledger and by the command."""

import asyncio
import inspect
import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import KEYS
from test_command import batcher as command

import batcher
from batcher.cli import run as run_verb
from batcher.library import BOUNDS

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


async def test_a_program_that_asks_the_job_to_stop_gets_the_records_of_what_was_on_the_wire(emulator):
    service = await emulator(rate=50)
    seen = []
    async with job(service.url, concurrency=4) as running:
        async for record in running:
            running.stop()
            seen.append(record.object)
    assert running.exit_code is batcher.ExitCode.STOPPED
    assert sorted(seen) == started(service) < OBJECTS


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
        ({"max_failures": "many"}, batcher.UsageError, "many"),
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


@pytest.mark.parametrize("name", BOUNDS)
async def test_a_number_out_of_its_bounds_is_named_with_them(name):
    with pytest.raises(batcher.UsageError, match=rf"{name}=-1: not a number from"):
        await records_of("http://127.0.0.1:9", **{name: -1})


def test_the_library_has_the_defaults_of_the_command():
    ours = inspect.signature(batcher.run).parameters
    theirs = inspect.signature(run_verb.run).parameters
    shared = (ours.keys() & theirs.keys()) - {"max_outage", "manifest", "workflow"}
    assert {name: ours[name].default for name in shared} == {name: theirs[name].default for name in shared}
    assert theirs["max_outage"].default == f"{ours['max_outage'].default / 60:g}m"
    # what is spelled otherwise on a command line, or is for people
    assert theirs.keys() - ours.keys() == {
        "format_", "storage_class", "stop_at", "no_preflight", "no_verify_tls", "report", "progress", "log_file",
        "log_format", "log_level", "metrics_file", "metrics_port", "metrics_host",
    }  # fmt: skip
    assert ours.keys() - theirs.keys() == {"format", "storage_classes", "preflight", "verify_tls", "environment"}


def test_importing_the_package_imports_neither_the_http_client_nor_the_rest():
    code = "import sys, batcher; print([name for name in sys.modules if name.split('.')[0] in ('aiohttp', 'orjson')])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


def test_every_name_of_the_package_is_there_and_no_other():
    assert all(getattr(batcher, name) for name in batcher.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        _ = batcher.nothing


async def test_the_example_of_the_documentation_runs(emulator):
    service = await emulator()
    example = PAGE.read_text().split("```python\n")[1].split("```")[0]
    Path("example.py").write_text(example)
    Path("objects.csv").write_text("object\nin/clip 01.mp4\nin/clip 02.mp4\n")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "example.py", stdout=-1, stderr=-1, env=KEYS | {"OBS_ENDPOINT": service.url}
    )
    printed, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")
    assert started(service) == ["in/clip 01.mp4", "in/clip 02.mp4"]
    assert sorted(printed.decode().splitlines()) == sorted(
        [*(f"{start.object} {start.execution_name}" for start in service.ledger.starts), "OK"]
    )
