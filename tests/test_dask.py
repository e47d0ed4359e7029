"""`run --engine dask`: the real command on clusters of real processes. The emulator's ledger is the judge."""

import asyncio
import pickle
import sys
from collections import Counter

import psutil
import pytest
from dask_cluster import DEATHS, TICKETS_OFF, cluster
from distributed import Client
from test_after import started
from test_bad_hours import until
from test_command import ENVIRONMENT, batcher
from test_processes import begun, parsed
from test_shard_runs import folder, words, write  # noqa: F401 - the folder is a fixture

from batcher.app.engines.dask import task_of
from batcher.app.engines.dask_worker import run_shard
from batcher.app.processes import run_shards
from batcher.app.world import World
from batcher.errors import UsageError
from batcher.rules.shards.assignment import Shard
from batcher.rules.shards.cluster import need_cluster, need_private, need_protected, need_same_versions

ROWS = [f"in/{number}" for number in range(1200)]


def refused(service):
    return [answer for answer in service.ledger.answers if answer.startswith(("429", "503"))]


async def sent(service, count):
    async def enough():
        await asyncio.sleep(0.02)
        return len(service.ledger.starts) >= count

    await until(enough)


def listening_addresses(pid):
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    found = [each for process in family for each in process.net_connections("inet")]
    return {each.laddr.ip for each in found if each.status == psutil.CONN_LISTEN}


async def test_a_cluster_on_this_machine_starts_each_row_once_within_one_rate_and_listens_on_loopback_only(
    folder,  # noqa: F811
    emulator,
):
    service = await emulator(rate=44, burst=100)
    write(folder / "m.txt", ROWS[:300])
    process = await begun(service, "--engine", "dask", "--processes", "2", "--max-rate", "40")
    await sent(service, 5)
    assert listening_addresses(process.pid) == {"127.0.0.1"}
    answer = await batcher("rate", "m.txt.run", "39")
    assert answer.stdout == "all shards: at most 39 starts per second\n"
    _, said = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, said
    assert b"300 rows in 2 shards: 300 started" in said
    assert (started(service), refused(service)) == (Counter(ROWS[:300]), [])


@pytest.mark.long(small=0, ci=1 / 2)
@pytest.mark.parametrize("death", DEATHS)
async def test_however_a_worker_ends_each_row_is_started_once_within_the_rate(folder, emulator, death):  # noqa: F811
    service = await emulator(rate=330, burst=400)
    write(folder / "m.txt", ROWS)
    async with cluster(folder) as made:
        more = ("--engine", "dask", "--scheduler", made.address, "--max-rate", "300", "--concurrency", "8")
        process = await begun(service, *more)
        await sent(service, 200)
        await asyncio.to_thread(DEATHS[death], made)
        _, said = await asyncio.wait_for(process.communicate(), 60)
        code = process.returncode
        assert code in {0, 3}, said
        if code == 3:
            assert (await batcher(*words(service, "m.txt", *more))).code == 0
    assert b"in 4 shards" in said or b"in 8 shards" in said
    assert (started(service), refused(service)) == (Counter(ROWS), [])


@pytest.mark.long(small=0, ci=1 / 2)
async def test_when_the_scheduler_dies_the_workers_stop_within_the_lease_and_the_command_says_so(folder, emulator):  # noqa: F811
    service = await emulator()
    write(folder / "m.txt", ROWS)
    async with cluster(folder) as made:
        process = await begun(service, "--engine", "dask", "--scheduler", made.address, "--max-rate", "60")
        await sent(service, 40)
        made.scheduler.kill()
        _, said = await asyncio.wait_for(process.communicate(), 60)
        assert (process.returncode, b"scheduler does not answer" in said) == (69, True), said
        # The command has waited for twice the lease.
        count = len(service.ledger.starts)
        await asyncio.sleep(1)
        assert (len(service.ledger.starts), count < 40 + 60 * 5) == (count, True)
    assert (await batcher(*words(service, "m.txt", "--processes", "2"))).code in {0, 3}
    assert set(started(service).values()) == {1}


@pytest.mark.long(small=1 / 4, ci=1 / 2)
@pytest.mark.parametrize("is_running", [False, True], ids=["ungathered", "running"])
@pytest.mark.parametrize("tickets", ["tickets", "no tickets"])
async def test_what_dask_runs_again_by_itself_starts_nothing_and_without_tickets_it_would_be_run(
    folder,  # noqa: F811
    emulator,
    tickets,
    is_running,
):
    service = await emulator()
    write(folder / "m.txt", ROWS[:300])
    options = parsed(*words(service, "m.txt", "--concurrency", "4")[1:])
    async with cluster(folder, preload="" if tickets == "tickets" else TICKETS_OFF) as made:
        async with Client(made.address, asynchronous=True, set_as_default=False) as client:
            again = await _run_again(client, made, options, service, is_running=is_running)
        log = (folder / "m.txt.run/shard-00000.log").read_text()
    runs = log.count("batcher: workflow:")
    if tickets == "tickets":
        assert (again, runs) == (None, 1)
    else:
        # The control: the shard is begun once more, and only its checkpoint knows what has been started.
        assert again is not None
        assert (runs, again[0]) in {(2, 0), (1, 75)}, log


async def _run_again(client, made, options, service, *, is_running):
    """Dispatch a shard that may run anywhere, and end its worker. Give what the run that Dask makes of it returns."""
    from batcher.app.engines.dask_desk import Desk  # noqa: PLC0415 - as the engine does

    await client.register_plugin(Desk(), name="batcher")
    options.run_dir.mkdir()
    told = (60.0 if is_running else 1e6, False, False)
    task = task_of(options, Shard(0, 1), None, "run")
    await client.scheduler.batcher_beat(run="run", client=client.id, told=told)
    await client.scheduler.batcher_issue(run="run", shard=0, ticket=task.ticket)
    future = client.submit(run_shard, task)
    if is_running:
        await sent(service, 40)
    else:
        await future._state.wait()
    places = await client.who_has([future]) if not is_running else await client.processing()
    known = await client.scheduler.identity(n_workers=-1)
    names = {address: info["name"] for address, info in known["workers"].items()}
    (place,) = [each for found in places.values() for each in found] if not is_running else [
        each for each, keys in places.items() if keys
    ]  # fmt: skip
    if is_running:
        await client.retire_workers([place])
    else:
        made.workers[int(names[place][1:])].kill()
        # The result is lost with its worker, and nobody has gathered it.
        await made.workers[int(names[place][1:])].wait()
    return await asyncio.wait_for(future, 60)


def test_a_task_carries_no_secret(folder):  # noqa: F811
    options = parsed("m.txt", "-w", "w", "-b", "b", "-e", "http://127.0.0.1:1", "--ca-bundle", "a.pem")
    packed = pickle.dumps(task_of(options, Shard(1, 4), 7, "run"))
    for name in ("OBS_ACCESS_KEY_ID", "OBS_SECRET_ACCESS_KEY"):
        assert ENVIRONMENT[name].encode() not in packed
    task = pickle.loads(packed)
    assert task.ticket != task_of(options, Shard(1, 4), 7, "run").ticket
    # Workers have other working directories.
    assert (task.values["manifest"], task.values["ca_bundle"]) == (folder / "m.txt", folder / "a.pem")
    assert task.values["run_dir"] == folder / "m.txt.run"
    assert (task.values["limit"], task.is_counted) == (7, False)


def test_only_a_cluster_that_is_private_and_runs_nothing_again_is_used():
    for address in ("tcp://10.0.0.1:8786", "tls://10.0.0.1:8786", "ws://127.0.0.1:1", "127.0.0.1:8786", "tcp://"):
        with pytest.raises(UsageError, match="--scheduler"):
            need_private(address, has_certificates=False)
    need_private("tcp://127.0.0.1:8786", has_certificates=False)
    need_private("tls://10.0.0.1:8786", has_certificates=True)
    here, all_ = ("127.0.0.1", 8786), [("0.0.0.0", 8786), ("::", 8786)]
    for listens in (all_, [here, ("10.0.0.1", 8786)]):
        with pytest.raises(UsageError, match="everyone who reaches port 8786"):
            need_protected("w", "tcp://127.0.0.1:8786", listens)
    assert need_protected("w", "tls://10.0.0.1:8786", all_) == ""
    assert need_protected("w", "tcp://127.0.0.1:8786", [here, ("::1", 8787)]) == ""
    assert "port 8787" in need_protected("w", "tls://10.0.0.1:8786", [*all_, ("0.0.0.0", 8787), here])
    need_cluster(0, 30.0)
    for failures, ttl in ((3, 30.0), (0, 300.0), (0, None)):
        with pytest.raises(UsageError, match=r"allowed-failures|worker-ttl"):
            need_cluster(failures, ttl)
    with pytest.raises(UsageError, match=r"w has Python 3\.12, and this process 3\.11"):
        need_same_versions("w", {"Python": "3.11"}, {"Python": "3.12"})


async def test_an_engine_that_cannot_be_used_is_refused_before_anything_is_started(folder, monkeypatch):  # noqa: F811
    write(folder / "m.txt")
    job = ("m.txt", "-w", "w", "-b", "b", "-e", "http://127.0.0.1:1")
    for more, said in (
        (("--scheduler", "tcp://127.0.0.1:1"), "--engine dask"),
        (("--engine", "processes"), "--processes"),
        (("--engine", "dask", "--scheduler", "tcp://192.0.2.1:8786"), "without TLS"),
    ):
        with pytest.raises(UsageError, match=said):
            await run_shards(parsed(*job, *more), World())
    monkeypatch.delitem(sys.modules, "batcher.app.engines.dask")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match="distributed is not installed") as caught:
        await run_shards(parsed(*job, "--engine", "dask"), World())
    assert "obs-batcher[dask]" in caught.value.advice
