"""A checkpoint of format 2, which a former version wrote, is read as it is, resumed and converted.

The job in `data/` was killed after five of its eleven rows were started, with four in doubt.
"""

from collections import Counter

from shell import suggested
from test_after import started
from test_command import batcher, records
from test_format_1 import formats, lay_out

from batcher.edges.checkpoint import glance
from batcher.model import Status


async def test_it_is_read_as_it_is_and_its_next_run_finishes_it_and_converts_it(tmp_path, monkeypatch, emulator):
    monkeypatch.chdir(tmp_path)
    service = await emulator()
    lay_out(tmp_path, service.url, data="format_2")
    checkpoint = tmp_path / "m.csv.checkpoint"
    counts = {Status.STARTED: 5, Status.SENDING: 4}
    assert {status: count for status, count in glance(checkpoint).counts.items() if count} == counts
    ran = await batcher("status", "m.csv.checkpoint")
    assert [command.split()[1] for command in suggested(ran.stderr)] == ["run", "reconcile"]
    assert formats(checkpoint)[0] == 2
    words = ("run", "m.csv", "-w", "transcode", "-e", service.url, "-b", "videos", "--on-doubt", "resend")
    ran = await batcher(*words)
    assert ran.code == 0, ran
    assert started(service) == Counter(f"clip {number}" for number in range(6, 12))
    assert formats(checkpoint)[0] == 4
    assert {"job id", "generation", "number of controls"} <= formats(checkpoint)[1]
    lines = records(tmp_path / "m.csv.executions.jsonl")
    assert {line["object"] for line in lines if line["status"] == "started"} == {f"clip {n}" for n in range(1, 12)}
    assert (await batcher(*words)).code == 0
    assert sum(started(service).values()) == 6
