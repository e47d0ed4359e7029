"""Two processes on one shard, as on two machines: the emulator's ledger is the judge."""

import asyncio
import json
import random
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest
from test_after import started
from test_bad_hours import until
from test_command import ENVIRONMENT, batcher
from test_shard_runs import folder, words, write  # noqa: F401 - the folder is a fixture

from batcher.emulator.faults import FaultKind

DRIVER = Path(__file__).with_name("attempt_driver.py")
ROWS = [f"in/{number}" for number in range(400)]
CONCURRENCY = 8


async def begun(service, machine, *more, fence="fenced", shard="0/1"):
    """Start a process on a machine of its own."""
    job = words(service, "m.txt", "--shard", shard, "--concurrency", str(CONCURRENCY), *more)[1:]
    environment = ENVIRONMENT | {"XDG_STATE_HOME": str(Path.cwd() / f"state-{machine}")}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, str(DRIVER), machine, fence, *job), env=environment, stderr=asyncio.subprocess.PIPE
    )


async def ended(process):
    _, said = await process.communicate()
    return process.returncode, said.decode()


async def sent(service, count):
    async def is_sent():
        await asyncio.sleep(0.01)
        return len(service.ledger.starts) >= count

    await until(is_sent)


def twice(service):
    return {key: count for key, count in started(service).items() if count > 1}


@pytest.mark.long(small=0, ci=1 / 2)
async def test_of_two_live_processes_on_one_shard_the_first_stops_when_the_second_claims_and_settles_its_own(
    folder,  # noqa: F811
    emulator,
):
    service = await emulator()
    write(folder / "m.txt", ROWS)
    # So slowly that it has rows left, however late the second begins.
    first = await begun(service, "one", "--max-rate", "20")
    await sent(service, 10)
    second = await begun(service, "two", "--take-over-after", "0")
    code, said = await ended(first)
    assert (code, "was taken over by another process (attempt 2)" in said) == (79, True), said
    code, said = await ended(second)
    while code == 3:
        code, said = await ended(await begun(service, "two"))
    assert code == 0, said
    assert started(service) == Counter(ROWS)


@pytest.mark.parametrize("fence", ["fenced", "unfenced"])
async def test_a_process_that_is_stopped_and_goes_on_after_it_was_replaced_starts_nothing_only_because_of_the_fence(
    folder,  # noqa: F811
    emulator,
    fence,
):
    service = await emulator()
    write(folder / "m.txt", ROWS)
    first = await begun(service, "one", "--max-rate", "20", fence=fence)
    await sent(service, 10)
    first.send_signal(signal.SIGSTOP)
    second = await begun(service, "two", "--take-over-after", "0.5")
    await sent(service, 200)
    first.send_signal(signal.SIGCONT)
    if fence == "unfenced":

        async def starts_some_twice():
            return twice(service)

        await until(starts_some_twice)
        first.kill()
        await asyncio.gather(ended(first), ended(second))
        return
    code, said = await ended(first)
    ends = await ended(second)
    assert code == 79, said
    while ends[0] == 3:
        ends = await ended(await begun(service, "two"))
    assert ends[0] == 0, ends
    assert started(service) == Counter(ROWS)


@pytest.mark.long(small=0, ci=1 / 2)
async def test_a_newcomer_waits_for_the_end_of_a_live_process_and_none_of_them_is_replaced_for_ever(
    folder,  # noqa: F811
    emulator,
):
    service = await emulator()
    write(folder / "m.txt", ROWS[:80])
    first = await begun(service, "one", "--max-rate", "4")
    await sent(service, 1)
    # A controller replaces whatever ends with another code than 0.
    ends = []
    while not ends or ends[-1][0] not in {0, 3}:
        ends.append(await ended(await begun(service, "two", "--take-over-after", "10")))
    assert (await ended(first))[0] == 0
    assert [code for code, _ in ends] == [0]
    assert "waiting until it ends" in ends[0][1]
    assert started(service) == Counter(ROWS[:80])
    assert sorted(path.name for path in folder.glob("m.txt.run/*.claim")) == [
        "shard-00000.a000001.claim", "shard-00000.a000002.claim",
    ]  # fmt: skip
    assert [path.name for path in folder.glob("m.txt.run/*.checkpoint")] == ["shard-00000.checkpoint"]


async def test_doubts_of_a_process_that_was_killed_elsewhere_are_adopted_or_held_until_a_person_says_that_it_is_dead(
    folder,  # noqa: F811
    emulator,
):
    service = await emulator(faults={FaultKind("reset-after"): 0.2, FaultKind("reset-before"): 0.2}, seed=3)
    write(folder / "m.txt", ROWS[:200])
    first = await begun(service, "one", "--max-rate", "40", "--on-doubt", "hold")
    await sent(service, 20)
    first.kill()
    await first.wait()
    service.settings.faults.clear()
    code, said = await ended(await begun(service, "two", "--take-over-after", "0.4"))
    assert (code, "is not proven to have ended" in said) == (3, True), said
    assert not twice(service)
    ran = await batcher("status", "m.txt.run", "--json")
    assert ran.stdout, ran
    in_doubt = json.loads(ran.stdout)["rows"]["in_doubt"]
    assert in_doubt > 0
    assert len(service.ledger.starts) + in_doubt == 200
    # Their number is that of the rows that were never started, of all that the first one had lost.
    code, said = await ended(await begun(service, "two", "--on-doubt", "resend"))
    assert (code, len(service.ledger.starts)) == (3, 200 - in_doubt), said
    ran = await batcher("reconcile", "m.txt.run", "--settle-time", "0.5")
    assert ran.code == 3, ran
    code, said = await ended(await begun(service, "two", "--predecessor-is-dead"))
    assert code == 0, said
    assert started(service) == Counter(ROWS[:200])


@pytest.mark.long(small=0, ci=1 / 2)
async def test_after_24_kills_of_processes_on_several_machines_each_row_is_started_once(
    folder,  # noqa: F811
    emulator,
    share,
):
    kills = share(range(24))
    service = await emulator()
    rows = [f"in/{number}" for number in range(125 * len(kills))]
    write(folder / "m.txt", rows)
    dice = random.Random(4)
    running = {}

    terms = ("--max-rate", "50", "--take-over-after", "0.6")
    for shard in range(4):
        running[shard] = await begun(service, f"m{shard}", *terms, shard=f"{shard}/4")
    for kill in kills:
        count = len(service.ledger.starts)
        await sent(service, min(count + 60, len(rows)))
        shard = dice.choice([each for each, process in running.items() if process.returncode is None])
        running[shard].send_signal(dice.choice((signal.SIGKILL, signal.SIGTERM)))
        await ended(running[shard])
        running[shard] = await begun(service, f"k{kill}", *terms, shard=f"{shard}/4")
    ends = [await ended(running[shard]) for shard in range(4)]
    assert {code for code, _ in ends} <= {0, 3}, ends
    assert not twice(service)
    ran = await batcher("status", "m.txt.run", "--json")
    in_doubt = json.loads(ran.stdout)["rows"]["in_doubt"]
    assert in_doubt <= 2 * CONCURRENCY * len(kills)
    assert len(rows) - in_doubt <= len(service.ledger.starts) <= len(rows)
    for shard in range(4):
        code, said = await ended(await begun(service, "last", "--predecessor-is-dead", shard=f"{shard}/4"))
        assert code == 0, said
    assert started(service) == Counter(rows)
