"""The metrics, read back by Prometheus' own parser, and held against the emulator's ledger."""

import asyncio
import os
import re
import socket
import sys
import time
import urllib.request
from functools import partial

import pytest
from answered import answered
from conftest import KEYS
from prometheus_client.parser import text_string_to_metric_families

from batcher.edges.metrics import LAST_SUCCESS, Metrics, exposed, keeping
from batcher.edges.web import METRICS, Site, serving
from batcher.emulator.faults import FaultKind
from batcher.errors import DiskError, UsageError
from batcher.model import Answer, Verdict
from batcher.rules.progress.answered import Answered
from batcher.rules.progress.figures import Figures
from batcher.rules.rate.bottleneck import Cause

FIGURED = Figures(
    rows=10, total=40, left=30, started=4, refused=8, rejected=3, invalid=2, duplicate=1, in_doubt=5,
    requests=12, retries=6, on_wire=7, oldest=0.5, rate=8.5, pace=9.5, limit=None, chance=0.0, state="", cause=None,
    slowed=((Cause.OUTAGE, 3.5),), fraction=0.5, eta=None, seconds=9.0,
)  # fmt: skip


def read(text):
    """Parse the exposition: the value of each sample by its name and labels (verdict before code), not the job's."""
    samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            assert (sample.labels.pop("workflow"), sample.labels.pop("checkpoint")) == ("transcode", "m.txt.checkpoint")
            samples[sample.name, *(value for _, value in sorted(sample.labels.items(), reverse=True))] = sample.value
    return samples


def scrape(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read().decode()


def job(answered=None):
    return Metrics("transcode", "m.txt.checkpoint", answered or Answered())


async def test_every_figure_can_be_scraped(tmp_path):
    counts = Answered()
    metrics = job(counts)
    metrics.look(FIGURED)
    counts.add(Verdict.STARTED, Answer(status=200), 0.02)
    counts.add(Verdict.REFUSED, answered(status=503, code="SlowDown"), 0.3)
    async with serving(Site(partial(exposed, metrics.registry)), "127.0.0.1", 0) as (url, _):
        samples = read(await asyncio.to_thread(scrape, url + METRICS))
    buckets = {key[1]: samples.pop(key) for key in list(samples) if key[0] == "batcher_attempt_seconds_bucket"}
    assert (buckets["0.01"], buckets["0.025"], buckets["0.25"], buckets["0.5"], buckets["+Inf"]) == (0, 1, 1, 2, 2)
    assert samples == {
        ("batcher_attempts_total", "started", "200"): 1,
        ("batcher_attempts_total", "refused", "SlowDown"): 1,
        ("batcher_retries_total",): 6,
        ("batcher_attempt_seconds_count",): 2,
        ("batcher_attempt_seconds_sum",): 0.32,
        ("batcher_rows", "started"): 4,
        ("batcher_rows", "refused"): 8,
        ("batcher_rows", "rejected"): 3,
        ("batcher_rows", "invalid"): 2,
        ("batcher_rows", "duplicate"): 1,
        ("batcher_rows", "in_doubt"): 5,
        ("batcher_total_rows",): 40,
        ("batcher_left_rows",): 30,
        ("batcher_on_wire",): 7,
        ("batcher_oldest_seconds",): 0.5,
        ("batcher_rate_starts_per_second",): 8.5,
        ("batcher_pace_starts_per_second",): 9.5,
        ("batcher_chance_ratio",): 0.0,
        **{("batcher_slowed_seconds_total", cause.value): 3.5 * (cause is Cause.OUTAGE) for cause in Cause},
    }
    # what is not known yet has no series at all
    metrics.succeeded(1_795_509_000.0)
    path = tmp_path / "m.prom"
    async with keeping(metrics, lambda: FIGURED._replace(limit=40.0), path, print):
        pass
    samples = read(path.read_text())
    assert (samples["batcher_limit_starts_per_second",], samples[LAST_SUCCESS,]) == (40.0, 1_795_509_000.0)


async def test_a_scraper_that_hangs_holds_up_neither_the_loop_nor_the_end_nor_another():
    async with serving(Site(partial(exposed, job().registry)), "127.0.0.1", 0) as (url, _):
        port = int(re.search(r":(\d+)$", url)[1])
        hung = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
        for each in hung[:10]:
            each.sendall(b"GET /metrics HTTP/1.1\r\n")
        assert "batcher_attempts_total" in await asyncio.to_thread(scrape, url + METRICS)
    for each in hung:
        each.close()


async def test_a_port_that_is_taken_is_told():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        expected = f"127.0.0.1 port {port}: the metrics cannot be served: Address already in use"
        with pytest.raises(UsageError, match=expected):
            async with serving(Site(partial(exposed, job().registry)), "127.0.0.1", port):
                pass


async def test_a_file_that_cannot_be_written_ends_the_job_before_it_begins_but_not_later(tmp_path):
    folder = tmp_path / "folder"
    with pytest.raises(DiskError, match="cannot be written: No such file or directory"):
        async with keeping(job(), lambda: FIGURED, folder / "m.prom", print):
            pass
    folder.mkdir()
    warnings = []
    async with keeping(job(), lambda: FIGURED, folder / "m.prom", warnings.append):
        (folder / "m.prom").unlink()
        folder.rmdir()
    assert warnings == [f"{folder}/m.prom: the metrics cannot be written: No such file or directory"]


@pytest.mark.parametrize(
    ("former", "remembered"),
    [
        (f'{LAST_SUCCESS}{{workflow="transcode",checkpoint="m.txt.checkpoint"}} 5\n', True),
        (f'{LAST_SUCCESS}{{workflow="other",checkpoint="m.txt.checkpoint"}} 5\n', False),
        ("no exposition {", False),
        ("\ud800", False),
    ],
    ids=["its own", "another job's", "something else", "not even text"],
)
async def test_a_run_remembers_when_its_job_last_succeeded(tmp_path, former, remembered):
    path = tmp_path / "m.prom"
    path.write_bytes(former.encode("utf-8", "surrogatepass"))
    async with keeping(job(), lambda: FIGURED, path, print):
        assert read(path.read_text()).get((LAST_SUCCESS,)) == (5.0 if remembered else None)


async def test_the_file_is_replaced_as_a_whole_and_readable_by_the_exporter(tmp_path):
    path = tmp_path / "m.prom"
    async with keeping(job(), lambda: FIGURED, path, print):
        first = path.stat()
        assert first.st_mode & 0o044 == 0o044 & ~_umask()
    assert path.stat().st_ino != first.st_ino
    assert list(tmp_path.iterdir()) == [path]


def _umask():
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


async def begin(folder, *words):
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("BATCHER_", "OBS_"))}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "batcher", "run", "m.txt", *map(str, words), "-w", "transcode", "-b", "videos",
        cwd=folder, env=bare | KEYS, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def test_the_file_of_a_run_says_what_the_ledger_does(emulator, tmp_path):
    service = await emulator(
        rate=80, reject_share=0.1, faults={FaultKind("reset-after"): 0.05, FaultKind("slowdown"): 0.05}, seed=2
    )
    (tmp_path / "m.txt").write_text("".join(f"o{number}\n" for number in [*range(100), 0]))
    words = ("-e", service.url, "--settle-time", "1", "--metrics-file", "m.prom")
    process = await begin(tmp_path, *words)
    _, said = await process.communicate()
    assert process.returncode == 1, said
    samples = read((tmp_path / "m.prom").read_text())
    ledger = service.ledger
    attempts = {key[1:]: value for key, value in samples.items() if key[0] == "batcher_attempts_total"}
    assert attempts == {
        ("started", "200"): len(ledger.starts) - ledger.answers["reset-after"],
        ("refused", "SlowDown"): ledger.answers["503 SlowDown"],
        ("rejected", "SYS.0015"): ledger.answers["404 SYS.0015"],
        ("in_doubt", "lost"): ledger.answers["reset-after"],
    }
    assert min(attempts.values()) > 0
    assert samples["batcher_attempt_seconds_count",] == ledger.requests["start"]
    assert samples["batcher_retries_total",] == ledger.requests["start"] - 100
    rows = {key[1]: value for key, value in samples.items() if key[0] == "batcher_rows"}
    assert rows == {
        "started": len(ledger.starts),
        "refused": 0,
        "rejected": ledger.answers["404 SYS.0015"],
        "invalid": 0,
        "duplicate": 1,
        "in_doubt": 0,
    }
    assert samples["batcher_on_wire",] == 0
    # a hundred rows need not show a limit beside refusals that are chance
    assert 0.0 < samples.get(("batcher_limit_starts_per_second",), 80.0) < 200.0
    assert {cause for name, *labels in samples if name == "batcher_slowed_seconds_total" for cause in labels} == set(
        Cause
    )
    assert (LAST_SUCCESS,) not in samples


async def test_only_a_run_that_starts_every_row_is_a_success(emulator, tmp_path):
    service = await emulator()
    (tmp_path / "m.txt").write_text("a\nb\nc\n")
    words = ("-e", service.url, "--metrics-file", "m.prom")
    process = await begin(tmp_path, *words, "--limit", "1")
    assert (await process.communicate(), process.returncode)[1] == 5
    assert (LAST_SUCCESS,) not in read((tmp_path / "m.prom").read_text())
    before = time.time()
    process = await begin(tmp_path, *words)
    assert (await process.communicate(), process.returncode)[1] == 0
    succeeded = read((tmp_path / "m.prom").read_text())[LAST_SUCCESS,]
    assert before <= succeeded <= time.time()
    with (tmp_path / "m.txt").open("a") as manifest:
        manifest.write("d\ne\n")
    process = await begin(tmp_path, *words, "--limit", "1")
    assert (await process.communicate(), process.returncode)[1] == 5
    assert read((tmp_path / "m.prom").read_text())[LAST_SUCCESS,] == succeeded


async def test_a_run_can_be_scraped_while_it_goes_on(emulator, tmp_path):
    service = await emulator()
    (tmp_path / "m.txt").write_text("".join(f"o{number}\n" for number in range(10_000)))
    process = await begin(tmp_path, "-e", service.url, "--max-rate", "200", "--metrics-port", "0")
    line = (await process.stderr.readline()).decode()
    url = re.fullmatch(r"batcher: metrics on (http://127\.0\.0\.1:\d+/metrics)\n", line)[1]
    samples = {}
    while samples.get(("batcher_rows", "started"), 0) < 100:
        samples = read(await asyncio.to_thread(scrape, url))
    attempts = samples["batcher_attempts_total", "started", "200"]
    assert 100 <= samples["batcher_rows", "started"] <= attempts <= len(service.ledger.starts)
    process.terminate()
    _, said = await process.communicate()
    assert process.returncode == 143, said
    with pytest.raises(OSError, match="refused"):
        await asyncio.to_thread(scrape, url)
