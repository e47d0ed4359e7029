"""The real command in bad hours and under a person's hands. The emulator's ledger is the judge."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from independent import judging
from test_command import batcher
from test_command import run as run_against
from test_reconcile import folder, once, run, started, write  # noqa: F401 - a fixture is asked for by its name

from batcher.emulator.faults import FaultKind

CHECKPOINT = "m.jsonl.checkpoint"
KEYS = [f"o{n}" for n in range(120)]


@asynccontextmanager
async def running(service, *words):
    """Run the job beside the test. Gives its end to be awaited."""
    task = asyncio.create_task(run(service, *words))
    try:
        yield task
    finally:
        await asyncio.gather(task, return_exceptions=True)


async def until(holds):
    """Look again and again, each look being a process or a turn of the loop of its own, until it holds."""
    async with asyncio.timeout(60):
        while not await holds():  # noqa: ASYNC110 - it looks at other processes, which set no event
            await asyncio.sleep(0.05)


async def live():
    """Give the live figures of the job, {} while it has none."""
    ran = await batcher("status", CHECKPOINT, "--json")
    return (json.loads(ran.stdout).get("live") or {}) if ran.code == 0 else {}


def requests(service):
    return service.ledger.requests["start"]


async def test_an_outage_of_the_service_uses_no_row_up(folder, emulator):  # noqa: F811
    write(folder, KEYS)
    service = await emulator(faults={FaultKind("500"): 1.0})
    async with running(service, "--max-attempts", "1", "--concurrency", "8") as job:

        async def is_away():
            return "unavailable" in (await live()).get("state", "")

        await until(is_away)
        assert requests(service) < len(KEYS)
        service.settings.faults.clear()
        ran = await job
    assert ran.code == 0, ran
    assert started(service) == once(KEYS)
    assert "outage" in ran.stderr
    assert "outage ended" in ran.stderr


async def test_an_outage_without_end_ends_the_run_and_a_later_one_finishes(folder, emulator):  # noqa: F811
    write(folder, KEYS)
    service = await emulator(faults={FaultKind("500"): 1.0})
    ran = await run(service, "--max-outage", "1s", "--concurrency", "8")
    assert ran.code == 69, ran
    assert started(service) == {}
    service.settings.faults.clear()
    ran = await run(service)
    assert ran.code == 0, ran
    assert started(service) == once(KEYS)


async def test_a_brown_out_of_half_of_the_answers_is_worked_through(folder, emulator):  # noqa: F811
    write(folder, KEYS[:40])
    service = await emulator(faults={FaultKind("500"): 0.5}, seed=3)
    ran = await run(service, "--concurrency", "8")
    if ran.code == 3:
        ran = await run(service)
    assert ran.code == 0, ran
    assert started(service) == once(KEYS[:40])


async def test_no_more_rows_than_the_limit_are_sent_and_the_next_run_goes_on(folder, emulator):  # noqa: F811
    write(folder, KEYS)
    service = await emulator()
    ran = await run(service, "--limit", "10")
    assert (ran.code, requests(service)) == (5, 10), ran
    assert "rows are left" in ran.stderr
    ran = await run(service, "--limit", "110")
    assert (ran.code, started(service)) == (0, once(KEYS)), ran


async def test_a_run_ends_at_its_time_and_the_next_goes_on(folder, emulator):  # noqa: F811
    write(folder, KEYS)
    service = await emulator()
    ran = await run(service, "--max-duration", "1s", "--max-rate", "10")
    assert ran.code == 5, ran
    assert requests(service) < len(KEYS)
    ran = await run(service)
    assert (ran.code, started(service)) == (0, once(KEYS)), ran


async def test_more_rejected_rows_than_allowed_stop_the_job(folder):  # noqa: F811
    (folder / "m.txt").write_text("".join(f"{key}\n" for key in KEYS))
    async with judging() as judge:
        judge.answer_with = (404, b'{"code": "SYS.0015", "message": "no such object"}')
        ran = await run_against(judge, "m.txt", "--max-failures", "3", "--concurrency", "1")
        assert ran.code == 4, ran
        assert "4 rows rejected or refused, more than --max-failures allows" in ran.stderr


async def test_a_paused_job_sends_nothing_until_it_is_resumed(folder, emulator):  # noqa: F811
    write(folder, KEYS)
    service = await emulator()
    # So slowly that it has rows left, however late the commands come.
    async with running(service, "--max-rate", "4") as job:

        async def has_begun():
            return requests(service) > 1

        async def is_still():
            return (await live()).get("on_wire") == 0

        await until(has_begun)
        paused = await batcher("pause", CHECKPOINT)
        assert (paused.code, "nothing new is sent" in paused.stdout) == (0, True), paused
        await until(is_still)
        before = requests(service)
        assert before < len(KEYS)
        for _ in range(3):
            assert (await live())["state"] == "paused"
        assert requests(service) == before
        assert (await batcher("resume", CHECKPOINT)).code == 0

        async def goes_on():
            return requests(service) > before + 1

        await until(goes_on)
        assert (await batcher("drain", CHECKPOINT)).code == 0
        assert (await job).code == 5
    ran = await run(service)
    assert (ran.code, started(service)) == (0, once(KEYS)), ran


async def test_the_rate_of_a_running_job_is_changed_under_its_cap(folder, emulator):  # noqa: F811
    write(folder, KEYS)
    service = await emulator()
    async with running(service, "--max-rate", "4") as job:

        async def has_begun():
            return requests(service) > 1

        await until(has_begun)
        assert "at most 3 starts per second" in (await batcher("rate", CHECKPOINT, "3")).stdout
        assert (await live())["pace"] <= 3
        assert "4 starts per second" in (await batcher("rate", CHECKPOINT, "500")).stdout
        assert (await live())["pace"] <= 4
        assert (await batcher("rate", CHECKPOINT, "auto")).code == 0
        wrong = await batcher("rate", CHECKPOINT, "fast")
        assert (wrong.code, "not a rate" in wrong.stderr) == (2, True), wrong
        assert (await batcher("drain", CHECKPOINT)).code == 0
        ran = await job
    assert ran.code == 5, ran
    ran = await run(service)
    assert (ran.code, started(service)) == (0, once(KEYS)), ran


@pytest.mark.parametrize("words", [("pause",), ("resume",), ("drain",), ("rate", "5")])
async def test_where_no_run_goes_on_there_is_nothing_to_steer(folder, emulator, words):  # noqa: F811
    write(folder, KEYS[:2])
    service = await emulator()
    assert (await run(service)).code == 0
    verb, *rest = words
    ran = await batcher(verb, CHECKPOINT, *rest)
    assert (ran.code, "no job is running" in ran.stderr) == (2, True), ran


async def test_the_limit_that_was_found_is_kept_for_the_next_run(folder, emulator):  # noqa: F811
    write(folder, KEYS)
    service = await emulator(rate=20.0)
    ran = await run(service, "--limit", "100")
    assert ran.code == 5, ran
    assert "limit:" in ran.stderr
    first = requests(service)
    # so few rows begin at once, and all workers may be refused before that is known
    assert first <= 100 * 1.3 + 64
    ran = await run(service)
    assert (ran.code, started(service)) == (0, once(KEYS)), ran
    assert "limit:" in ran.stderr
