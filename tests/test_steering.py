"""A running job under a person's hands, on a terminal and without one, and the guards that end it by themselves."""

import asyncio
import json
import os
import stat
import sys
import time
from contextlib import asynccontextmanager, suppress

import pytest
from independent import judging
from test_command import ENVIRONMENT, batcher, records

KEYS = [f"o{number}" for number in range(120)]
CHECKPOINT = "m.txt.checkpoint"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.txt").write_text("".join(f"{key}\n" for key in KEYS))
    return tmp_path


def run(judge, *words, **more):
    return batcher("run", "m.txt", "-w", "transcode", "-e", judge.url, "-b", "videos", *words, **more)


async def status():
    return (await batcher("status", CHECKPOINT)).stdout


async def live():
    return json.loads((await batcher("status", CHECKPOINT, "--json")).stdout)["live"]


@asynccontextmanager
async def on_a_terminal(judge, *words):
    """Run the command with a terminal for its stderr. Gives the process, and what the terminal has shown so far."""
    ours, theirs = os.openpty()
    words = ("run", "m.txt", "-w", "transcode", "-e", judge.url, "-b", "videos", *words)
    environment = ENVIRONMENT | {"TERM": "xterm", "COLUMNS": "200"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "batcher", *words, env=environment, stderr=theirs, stdin=theirs
    )
    os.close(theirs)
    shown = bytearray()

    def read():
        # the terminal's end is an error
        with suppress(OSError):
            while block := os.read(ours, 65536):
                shown.extend(block)

    reading = asyncio.create_task(asyncio.to_thread(read))
    try:
        yield process, shown
    finally:
        await process.wait()
        await reading
        os.close(ours)


@pytest.mark.usefixtures("folder")
async def test_under_the_bar_of_a_terminal_a_job_is_paused_and_goes_on():
    # So slowly that it has rows left, however late the commands come.
    async with judging() as judge, on_a_terminal(judge, "--max-rate", "4") as (process, shown):
        await judge.received(3)
        assert (await batcher("pause", CHECKPOINT)).code == 0
        async with asyncio.timeout(60):
            while (await live())["on_wire"] or b"eta unknown (paused)" not in shown:
                pass
        before = len(judge.bodies)
        assert "0 requests on the wire" in await status()
        assert (before, (await live())["state"]) == (len(judge.bodies), "paused")
        assert (await batcher("resume", CHECKPOINT)).code == 0
        await judge.received(before + 2)
        assert (await batcher("drain", CHECKPOINT)).code == 0
        assert await process.wait() == 5
        assert len(judge.bodies) < len(KEYS)
        assert (await run(judge)).code == 0
    assert sorted(judge.objects()) == sorted(KEYS)
    assert b"asked to pause: nothing new is sent until batcher resume" in shown
    assert b"asked to resume: sending continues" in shown


async def test_what_a_person_asks_is_answered_and_told_by_the_run(folder):
    async with judging() as judge:
        job = asyncio.create_task(run(judge, "--max-rate", "4"))
        await judge.received(2)
        socket = folder / f"{CHECKPOINT}.socket"
        assert stat.S_IMODE(socket.stat().st_mode) == 0o600
        answers = [(await batcher("rate", CHECKPOINT, rate)).stdout for rate in ("3", "auto", "500", "0.5")]
        assert "a run is in progress" in await status()
        answers += [(await batcher("drain", CHECKPOINT)).stdout]
        ran = await job
    assert answers == [
        "at most 3 starts per second\n",
        "the rate adapts to the service, up to --max-rate 4\n",
        "at most 4 starts per second (--max-rate)\n",
        "at most 0.5 starts per second\n",
        "nothing new is sent; the run ends when all requests on the wire have finished\n",
    ]
    assert [line for line in ran.stderr.splitlines() if "asked to" in line] == [
        f"batcher: asked to {verb}: {answer.strip()}"
        for verb, answer in zip(("rate", "rate", "rate", "rate", "drain"), answers, strict=True)
    ]
    assert ran.code == 5, ran
    own = f"batcher run {folder}/m.txt --workflow transcode --endpoint {judge.url} --allow-http --bucket videos"
    assert ran.stderr.splitlines()[-2:] == [
        "batcher: Stopped as requested; rows are left. Run the same command again to continue.",
        f"batcher: next: {own}",
    ]
    assert not socket.exists()
    assert len(records(folder / "m.txt.executions.jsonl")) == len(judge.bodies) < len(KEYS)


@pytest.mark.usefixtures("folder")
async def test_a_job_drains_at_a_time_of_the_day_and_the_next_run_goes_on():
    # a zone of a person's own, where it is ten seconds to a full minute
    now = time.time()
    ahead = int(50 - now) % 60
    zone = {"TZ": f"HERE-00:00:{ahead:02}"}
    clock = time.strftime("%H:%M", time.gmtime(now + ahead + 11))
    async with judging() as judge:
        ran = await run(judge, "--max-rate", "5", "--stop-at", clock, environment=ENVIRONMENT | zone)
        assert ran.code == 5, ran
        assert "the time limit is reached: no new starts, waiting for requests on the wire" in ran.stderr
        assert len(judge.bodies) < len(KEYS)
        ran = await run(judge)
        assert ran.code == 0, ran
        assert sorted(judge.objects()) == sorted(KEYS)


@pytest.mark.usefixtures("folder")
async def test_a_job_whose_rows_are_all_rejected_is_stopped_before_they_all_are():
    async with judging() as judge:
        judge.answer_with = (404, b'{"code": "SYS.0015", "message": "no such object"}')
        ran = await run(judge, "--concurrency", "4")
        assert ran.code == 69, ran
        assert "the first 20 rows were all rejected, the last with HTTP 404 SYS.0015: no such object" in ran.stderr
        assert 20 <= len(judge.bodies) <= 24
        judge.answer_with = None
        assert (await run(judge, "--retry-rejected")).code == 0
    assert set(judge.objects()) == set(KEYS)


async def test_a_percentage_of_failures_is_counted_from_a_hundred_rows_on(folder):
    (folder / "m.txt").write_text("".join(f"o{number}\n" for number in range(400)))
    async with judging() as judge:
        serve = judge._answer

        def reject_a_third(method, path, headers, body):
            judge.answer_with = (404, b'{"code": "SYS.0015"}') if len(judge.bodies) % 3 == 2 else None
            return serve(method, path, headers, body)

        judge._answer = reject_a_third
        ran = await run(judge, "--max-failures", "30%", "--concurrency", "4")
        assert ran.code == 4, ran
        assert "rows rejected or refused, more than --max-failures allows" in ran.stderr
        assert 100 <= len(judge.bodies) < 400
        judge._answer = serve
        judge.answer_with = None
        assert (await run(judge, "--max-failures", "0", "--retry-rejected")).code == 0


@pytest.mark.usefixtures("folder")
async def test_a_limit_that_leaves_no_row_is_no_reason_to_come_again():
    async with judging() as judge:
        ran = await run(judge, "--limit", str(len(KEYS)))
        assert ran.code == 0, ran
        assert sorted(judge.objects()) == sorted(KEYS)
