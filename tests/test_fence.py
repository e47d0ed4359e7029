"""Two processes on one shard, as on two machines: the emulator's ledger is the judge."""

import asyncio
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest
from test_after import started
from test_bad_hours import until
from test_command import ENVIRONMENT
from test_shard_runs import folder, words, write  # noqa: F401 - the folder is a fixture

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


async def test_of_two_live_processes_on_one_shard_the_first_stops_when_the_second_claims_and_settles_its_own(
    folder,  # noqa: F811
    emulator,
):
    service = await emulator()
    write(folder / "m.txt", ROWS)
    first = await begun(service, "one", "--max-rate", "200")
    await sent(service, 60)
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
    first = await begun(service, "one", "--max-rate", "200", fence=fence)
    await sent(service, 60)
    first.send_signal(signal.SIGSTOP)
    second = await begun(service, "two", "--take-over-after", "0.5")
    await sent(service, 200)
    first.send_signal(signal.SIGCONT)
    code, said = await ended(first)
    ends = await ended(second)
    if fence == "unfenced":
        assert twice(service), (said, ends)
        return
    assert code == 79, said
    while ends[0] == 3:
        assert "is not proven to have ended" in ends[1] or True
        ends = await ended(await begun(service, "two"))
    assert ends[0] == 0, ends
    assert started(service) == Counter(ROWS)
