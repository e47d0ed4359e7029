"""The metrics of a watch and of a redrive, read by Prometheus' own parser and held against the emulator."""

import asyncio
import urllib.request
from collections import Counter

import pytest
from prometheus_client.parser import text_string_to_metric_families
from test_redrive import Redriven
from test_watch import until

from batcher.errors import ExitCode, UsageError
from batcher.rules.choices import Api


def read(text):
    """Give the value of each sample by its name and the label that is not one of the job."""
    samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            assert sample.labels.pop("workflow") == "transcode"
            assert sample.labels.pop("checkpoint") == "m.csv.checkpoint"
            samples[sample.name, *sample.labels.values()] = sample.value
    return samples


async def test_the_file_of_a_run_has_the_ends_after_a_watch_and_the_restores_after_a_redrive(emulator, tmp_path):
    job = Redriven(tmp_path, await emulator(run_time=0.0, fail_share=0.4), Api.OBS_V2)
    file = tmp_path / "m.prom"
    await job.run(rows=12, metrics_file=file)
    before = read(file.read_text())
    await job.watch(metrics_file=file)
    ends, watched = Counter(job.true_ends().values()), read(file.read_text())
    assert {end: watched["batcher_executions", end] for end in ends} == ends
    assert (watched["batcher_executions", "running"], watched["batcher_redrives_total",]) == (0, 0)
    # What the run has left is still there.
    assert {name: value for name, value in watched.items() if name in before} == before
    assert await job.redrive(metrics_file=file) is ExitCode.OK
    redriven = read(file.read_text())
    assert redriven["batcher_executions", "succeeded"] == 12
    assert redriven["batcher_redrives_total",] == ends["failed"] == len(job.restores)
    for wrong in (job.checkpoint, job.ends, tmp_path):
        with pytest.raises(UsageError, match="--metrics-file"):
            await job.watch(metrics_file=wrong)


async def test_a_watch_serves_its_metrics_while_it_lasts(emulator, tmp_path):
    job = Redriven(tmp_path, await emulator(run_time=60.0), Api.OBS_V2)
    await job.run(rows=3)
    watching = asyncio.create_task(job.watch(metrics_port=0, deadline=60.0))
    await until(lambda: any(text.startswith("metrics on ") for text in job.said))
    (url,) = [text.removeprefix("metrics on ") for text in job.said if text.startswith("metrics on ")]

    def scrape():
        with urllib.request.urlopen(url, timeout=30) as answer:
            return read(answer.read().decode())

    samples = await asyncio.to_thread(scrape)
    assert (samples["batcher_executions", "running"], samples["batcher_executions", "succeeded"]) == (3, 0)
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching
