"""`run --processes`: the real command against the emulator, whose ledger is the judge."""

import asyncio
import os
import signal
import sys
from collections import Counter
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from test_after import started
from test_bad_hours import until
from test_command import ENVIRONMENT, batcher
from test_shard_runs import folder, words, write  # noqa: F401 - the folder is a fixture

from batcher.cli.flags import options_of, verb_command
from batcher.edges.worker import environment_of
from batcher.emulator.faults import FaultKind
from batcher.model import Status
from batcher.options.words import words_of
from batcher.rules.progress.eta import Range
from batcher.rules.progress.extent import Length, extent
from batcher.rules.rate.bottleneck import Cause
from batcher.rules.shards.figures import ended, summed
from batcher.rules.shards.ownership import owner

ROWS = [f"in/{number}" for number in range(160)]


def run(service, *more):
    return batcher(*words(service, "m.txt", *more))


def total_of(name, text):
    """Sum the samples of a metric, whatever their labels."""
    families = text_string_to_metric_families(text)
    return sum(sample.value for each in families for sample in each.samples if sample.name == f"batcher_{name}")


async def begun(service, *more):
    """Start the command in a process group of its own."""
    command = words(service, "m.txt", *more)
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "batcher", *command), env=ENVIRONMENT, start_new_session=True,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


def worker_of(shard):
    """Give the process id of a shard's worker, None if it has none."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().split(b"\0")
            if f"--shard={shard}".encode() in line and path.with_name("cwd").readlink() == Path.cwd():
                return int(path.parent.name)
        except OSError:
            continue
    return None


async def test_the_processes_of_one_command_start_each_row_once_within_one_rate_and_end_as_one(folder, emulator):  # noqa: F811
    service = await emulator(rate=120, burst=24)
    write(folder / "m.txt", [*ROWS, "\x00", "in/7"])
    pace = ("--max-rate", "96", "--progress", "json")
    ran = await run(service, "--processes", "3", "--limit", "100", "--metrics-file", "m.prom", *pace)
    assert (ran.code, len(service.ledger.starts)) == (5, 100), ran
    own = [[key for key in ROWS if owner(key, 3) == shard] for shard in range(3)]
    # Each has sent its share of the limit: the first of its rows.
    assert started(service) == Counter([*own[0][:34], *own[1][:33], *own[2][:33]])
    assert ran.stderr.count("next: batcher run") == ran.stderr.count("--processes 3") == 1
    measured = (folder / "m.prom").read_text()
    assert (total_of("attempts_total", measured), total_of("attempt_seconds_count", measured)) == (100, 100)
    # The plan has the number of shards: fewer processes take one after the other.
    ran = await run(service, "--processes", "2", "--report", "report.html", *pace)
    assert ran.code == 1, ran
    assert started(service) == Counter(ROWS)
    # Each of them by itself would have been refused.
    assert [answer for answer in service.ledger.answers if answer.startswith(("429", "503"))] == []
    assert "162 rows in 3 shards: 160 started, 1 invalid, 1 duplicate" in ran.stderr
    assert '"rows": 162, "total": 162, "left": 0, "started": 160' in ran.stderr
    page = (folder / "report.html").read_text()
    assert "160 of 162 rows started (98.8%), 1 failed (0.6%), 1 duplicate (0.6%)." in page


async def test_workers_that_are_killed_are_replaced_and_the_others_go_on(folder, emulator):  # noqa: F811
    service = await emulator(faults={FaultKind("reset-after"): 0.1}, seed=6, rate=66, burst=12)
    rows = [f"in/{number}" for number in range(400)]
    write(folder / "m.txt", rows)
    process = await begun(service, "--processes", "2", "--max-rate", "60", "--concurrency", "4")

    async def has_sent(shard, more):
        await asyncio.sleep(0.02)
        own = sum(owner(start.object, 2) == shard for start in service.ledger.starts)
        return own >= more and worker_of(f"{shard}/2") is not None

    for shard, more in ((1, 10), (0, 20), (1, 30)):
        await until(lambda shard=shard, more=more: has_sent(shard, more))
        os.kill(worker_of(f"{shard}/2"), signal.SIGKILL)
    _, said = await process.communicate()
    assert said.count(b"killed by SIGKILL, started again") == 3, said
    code = process.returncode
    while code == 3:
        code = (await run(service, "--processes", "2")).code
    assert code == 0, said
    assert started(service) == Counter(rows)
    # All together have kept to the rate, the dead included.
    assert [answer for answer in service.ledger.answers if answer.startswith(("429", "503"))] == []


async def test_one_signal_ends_all_workers_in_good_order_and_the_same_command_goes_on(folder, emulator):  # noqa: F811
    service = await emulator()
    write(folder / "m.txt", ROWS)
    process = await begun(service, "--processes", "2", "--max-rate", "20")

    async def both_run():
        await asyncio.sleep(0.05)
        return len([*folder.glob("m.txt.run/*.socket")]) == 2 and bool(service.ledger.starts)

    await until(both_run)
    process.send_signal(signal.SIGINT)
    _, said = await process.communicate()
    assert process.returncode == 130, said
    assert [worker_of(f"{number}/2") for number in range(2)] == [None, None]
    assert 0 < len(service.ledger.starts) < 160
    assert said.count(b"next: batcher run") == said.count(b"--processes 2") == 1
    assert (await run(service, "--processes", "2")).code == 0
    assert started(service) == Counter(ROWS)


async def test_workers_whose_command_is_killed_end_gracefully_and_the_same_command_goes_on(folder, emulator):  # noqa: F811
    service = await emulator()
    write(folder / "m.txt", ROWS)
    process = await begun(service, "--processes", "2", "--max-rate", "20")

    async def both_send():
        await asyncio.sleep(0.05)
        return len({owner(start.object, 2) for start in service.ledger.starts}) == 2

    await until(both_send)
    process.kill()
    await process.communicate()

    async def none_runs():
        await asyncio.sleep(0.05)
        return [worker_of(f"{number}/2") for number in range(2)] == [None, None]

    await until(none_runs)
    logs = [path.read_text() for path in folder.glob("m.txt.run/*.log")]
    assert ["is gone: no new starts" in log for log in logs] == [True, True], logs
    assert 0 < len(service.ledger.starts) < 160
    assert (await run(service, "--processes", "2")).code == 0
    assert started(service) == Counter(ROWS)


async def test_a_person_steers_all_processes_by_the_run_folder_and_a_second_command_is_refused(folder, emulator):  # noqa: F811
    service = await emulator()
    write(folder / "m.txt", ROWS)
    process = await begun(service, "--processes", "2", "--max-rate", "30")

    async def both_run():
        await asyncio.sleep(0.05)
        return len([*folder.glob("m.txt.run/shard*.socket")]) == 2

    await until(both_run)
    answers = [await batcher(*words_) for words_ in (
        ("pause", "m.txt.run"), ("rate", "m.txt.run", "50"), ("rate", "m.txt.run", "20"), ("resume", "m.txt.run"),
    )]  # fmt: skip
    assert [each.stdout for each in answers] == [
        "all shards: nothing new is sent until batcher resume; requests on the wire are finished\n",
        "all shards: at most 30 starts per second (--max-rate)\n",
        "all shards: at most 20 starts per second\n",
        "all shards: sending continues\n",
    ]
    assert (await run(service, "--processes", "2")).code == 75
    await batcher("drain", "m.txt.run")
    _, said = await process.communicate()
    assert (process.returncode, len(service.ledger.starts) < 160) == (5, True), said
    assert (await run(service, "--processes", "2")).code == 0
    assert started(service) == Counter(ROWS)


async def test_what_several_processes_cannot_share_is_refused_and_what_is_wrong_with_the_job_is_said_once(
    folder,  # noqa: F811
    emulator,
):
    service = await emulator()
    write(folder / "m.txt", ROWS)
    for more in (
        ("--shard", "0/2"), ("-c", "c"), ("-o", "o.jsonl"), ("--metrics-file", "m.txt"),
        ("--dry-run", "--shard", "0/2"),
    ):  # fmt: skip
        ran = await run(service, "--processes", "2", *more)
        assert (ran.code, more[-2] in ran.stderr or "shard" in ran.stderr) == (2, True), (more, ran)
    alone = ENVIRONMENT | {"JOB_COMPLETION_INDEX": "1"}
    for environment in (alone, alone | {"BATCHER_SHARDS": "2"}):
        assert (await batcher(*words(service, "m.txt", "--processes", "2"), environment=environment)).code == 2
    assert (await batcher(*words(service, "-", "--processes", "2", "--format", "txt"))).code == 2
    ran = await run(service, "--processes", "2", "-w", "absent")
    assert (ran.code, ran.stderr.count("there is no workflow absent")) == (69, 1), ran
    assert not (folder / "m.txt.run/plan.json").exists()
    assert service.ledger.starts == []


def parsed(*words_):
    return options_of(verb_command("run").make_context("run", [*words_]))


def test_the_words_of_options_are_read_as_the_same_options():
    given = (
        *("m.csv", "-w", "a b", "-e", "https://x.example", "--timeout", "1m", "-b", "-dash", "-i", "a=b c", "-i"),
        *("n:=[1]", "--storage-class", "warm", "--no-verify-tls", "--keep-placeholders", "--max-failures", "5%"),
        *(
            "--stop-at",
            "23:30",
            "--on-doubt",
            "hold",
            "--log-level",
            "debug",
            "--concurrency",
            "7",
            "--settle-time",
            "0.5",
        ),
    )
    options = parsed(*given)
    words_ = [*words_of(options, without={"timeout"})]
    again = parsed(*words_, "m.csv")
    assert vars(again) == {name: value for name, value in vars(options).items() if name != "timeout"}
    assert words_[-1] == "--"


def test_a_worker_has_no_options_but_those_of_its_command_line():
    environment = {"BATCHER_REPORT": "r.html", "BATCHER_CONFIG": "x", "OBS_ACCESS_KEY_ID": "A", "PATH": "/bin"}
    assert environment_of(environment) == {"BATCHER_CONFIG": os.devnull, "OBS_ACCESS_KEY_ID": "A", "PATH": "/bin"}


def test_the_figures_of_shards_are_those_of_one_run_and_unknown_until_all_of_them_have_begun():
    counts = Counter({Status.STARTED: 7, Status.REJECTED: 1, Status.REFUSED: 2})
    over = ended({"requests": 9, "retries": 1}, counts, extent(counts, Length(10, is_exact=True), read_whole=True))
    live = over | {"rate": 4.0, "on_wire": 3, "limit": 50.0, "oldest": 0.5, "state": "slowed", "eta": [1.0, 2.0]}
    live |= {"chance": 0.02, "cause": "limit", "slowed": {"limit": 2.5, "disk": 1.0}}
    both = summed([over | {"slowed": {"limit": 0.5}}, live], 2, 9.0)
    assert (both.chance, both.cause, dict(both.slowed)) == (0.02, Cause.LIMIT, {Cause.LIMIT: 3.0, Cause.DISK: 1.0})
    assert (both.rows, both.total, both.left, both.started, both.requests, both.on_wire) == (20, 20, 4, 14, 18, 3)
    assert (both.rate, both.limit, both.oldest, both.state, both.seconds) == (4.0, None, 0.5, "slowed", 9.0)
    assert (both.fraction, both.eta) == (0.8, Range(1.0, 2.0))
    some = summed([over, live], 3, 9.0)
    assert (some.total, some.left, some.fraction, some.eta, some.rows) == (None, None, None, None, 20)
    assert summed([], 2, 0.0).rows == 0
