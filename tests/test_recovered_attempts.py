"""`batcher recover` of a shard that several processes have worked on, each with files of its own."""

from collections import Counter

import pytest
from test_after import started
from test_command import batcher
from test_fence import begun, ended, sent
from test_shard_runs import folder, write  # noqa: F401 - the folder is a fixture

from batcher.emulator.faults import FaultKind

ROWS = [f"in/{number}" for number in range(160)]
TERMS = ("--max-rate", "200", "--take-over-after", "0.3")


async def two_attempts(service):
    """Kill two processes on two machines one after the other. The second one has files of its own."""
    for machine, count in (("one", 40), ("two", 90)):
        process = await begun(service, machine, *TERMS)
        await sent(service, count)
        process.kill()
        await process.wait()


def latest(run_folder):
    return max(run_folder.glob("*.checkpoint"), key=lambda path: (len(path.name), path.name))


def lose(path):
    for each in path.parent.glob(f"{path.name}*"):
        each.unlink()


def spoil(path):
    for each in path.parent.glob(f"{path.name}-*"):
        each.unlink()
    path.write_bytes(b"SQLite format 3\0" + b"x" * 9000)


def spoil_all(path):
    for each in path.parent.glob("*.checkpoint"):
        spoil(each)


@pytest.mark.long(small=0, ci=1 / 2)
@pytest.mark.parametrize("loss", [lose, spoil, spoil_all])
async def test_a_shard_of_several_attempts_is_rebuilt_from_all_of_them_and_starts_each_row_once(
    folder,  # noqa: F811
    emulator,
    loss,
):
    service = await emulator(faults={FaultKind("reset-after"): 0.1}, seed=5)
    write(folder / "m.txt", ROWS)
    await two_attempts(service)
    service.settings.faults.clear()
    loss(latest(folder / "m.txt.run"))
    code, said = await ended(await begun(service, "three", *TERMS))
    assert (code in {74, 78}, "batcher recover" in said) == (True, True), (code, said)
    words_ = ("m.txt", "-w", "transcode", "-e", service.url, "-b", "videos", "--shard", "0/1", "--concurrency", "8")
    ran = await batcher("recover", *words_, "--take-over-after", "0.3")
    assert ran.code == 0, ran
    code, said = await ended(await begun(service, "three", *TERMS))
    assert code in {0, 3}, said
    assert set(started(service).values()) == {1}
    code = 3
    while code == 3:
        code, said = await ended(await begun(service, "four", *TERMS, "--predecessor-is-dead"))
    assert code == 0, said
    assert started(service) == Counter(ROWS)
