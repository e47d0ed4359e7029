"""The way out for rows in doubt of a job none of whose starts was answered: one start of the doctor, kept for it.

The commands are those that the job's own messages show, word for word. The emulator's ledger is the judge.
"""

import json
import re
import time
from collections import Counter

import pytest
from shell import shell
from test_after import started
from test_command import batcher, records
from test_format_1 import formats, lay_out

from batcher.edges.checkpoint import Store, glance
from batcher.edges.checkpoint.facts import SHARED_NAME
from batcher.emulator.faults import FaultKind
from batcher.emulator.quirks import Quirk
from batcher.model import Execution, Row
from batcher.rules.doubts.control import control_of
from batcher.rules.doubts.sample import MOST, gap, thinned
from batcher.rules.job.card import Card

NO_CONTROL = "no answered start of this job shows that the list is complete"
ONE_START = re.compile(r"^batcher: one start: (batcher doctor .* KEY)$", re.MULTILINE)
KEYS = ["a", "b", "c"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(service, *words):
    job = ("run", "m.jsonl", "-w", "transcode", "-e", service.url, "-b", "videos", "--progress", "none")
    return batcher(*job, "--settle-time", "0.5", *words)


async def doubted(folder, service):
    """Run a job none of whose starts is answered, and return the command that its last message shows."""
    (folder / "m.jsonl").write_text("".join(json.dumps({"object": key}) + "\n" for key in KEYS))
    ran = await run(service)
    assert ran.code == 3, ran
    assert NO_CONTROL in ran.stderr
    service.settings.faults.clear()
    (command,) = ONE_START.findall(ran.stderr)
    return command


def accepted(command, key):
    return command.replace("KEY", f"'{key}' --patience 5 --i-accept-one-start")


async def test_one_start_of_the_doctor_lets_the_next_run_settle_rows_that_nothing_else_could(folder, emulator):
    service = await emulator(faults={FaultKind("500"): 1.0})
    command = await doubted(folder, service)
    before = glance(folder / "m.jsonl.checkpoint").counts
    lines = len(records(folder / "m.jsonl.executions.jsonl"))
    assert (await shell(command, folder)).code == 64
    ran = await shell(accepted(command, "another"), folder)
    assert ran.code == 0, ran
    assert ran.stderr.endswith("batcher: next: batcher reconcile " + str(folder / "m.jsonl.checkpoint") + "\n")
    assert started(service) == Counter(["another"])
    assert glance(folder / "m.jsonl.checkpoint").counts == before
    assert len(records(folder / "m.jsonl.executions.jsonl")) == lines
    ran = await run(service)
    assert ran.code == 0, ran
    assert "3 rows: 3 started" in ran.stderr
    assert started(service) == Counter(["another", *KEYS])
    assert (await batcher("export", "m.jsonl.checkpoint", "-o", "rows.jsonl")).code == 0
    assert [line["object"] for line in records(folder / "rows.jsonl")] == KEYS


async def test_it_makes_no_start_for_another_job_or_a_row_in_doubt_and_a_list_without_its_start_settles_nothing(
    folder, emulator
):
    workflows = {"transcode": {}, "other": {}}
    service = await emulator(faults={FaultKind("500"): 1.0}, quirks={Quirk.EMPTY_LIST: None}, workflows=workflows)
    command = await doubted(folder, service)
    ran = await shell(accepted(command.replace("transcode", "other"), "another"), folder)
    assert ran.code == 78, ran
    assert f"this job starts workflow transcode at {service.url}, not other at {service.url}" in ran.stderr
    ran = await shell(accepted(command, "B"), folder)
    assert ran.code == 2, ran
    assert "row 2 of this job may have been started for this object already" in ran.stderr
    assert started(service) == Counter()
    ran = await shell(accepted(command, "another").replace("--patience 5", "--patience 0"), folder)
    assert ran.code == 0, ran
    ran = await batcher("reconcile", "m.jsonl.checkpoint", "--settle-time", "0.5")
    assert ran.code == 3, ran
    assert "the list does not show 1 of 1 execution that this job started" in ran.stderr
    assert started(service) == Counter(["another"])


async def test_an_answer_that_names_an_execution_of_the_job_is_no_known_start_and_is_remembered(folder, emulator):
    service = await emulator()
    (folder / "m.jsonl").write_text('{"object": "a"}\n')
    assert (await run(service)).code == 0
    service.settings.quirks[Quirk.SAME_NAME] = 1.0
    job = ("--checkpoint", "m.jsonl.checkpoint", "-w", "transcode", "-e", service.url, "-b", "videos")
    ran = await batcher("doctor", *job, "--object", "another", "--patience", "0", "--i-accept-one-start")
    (name,) = {start.execution_name for start in service.ledger.starts}
    assert (
        f"warning: m.jsonl.checkpoint: the answer names execution {name}, which this job started before" in ran.stderr
    )
    store = Store.open(folder / "m.jsonl.checkpoint", None)
    assert (store.recall(SHARED_NAME), [each.id for each in store.controls()]) == (name, [1])
    store.close()


OLD = {
    # the data, when its rows came to be in doubt, the rows
    "format_1": (1_795_980_123.0, ["clip 7", "clip 8"]),
    "format_2": (1_795_987_737.0, ["clip 6", "clip 7", "clip 8", "clip 9"]),
}


@pytest.mark.parametrize("data", OLD)
async def test_rows_of_an_old_job_without_a_known_start_are_held_and_settled_by_the_way_out(folder, emulator, data):
    begun, keys = OLD[data]
    ahead = begun + 600 - time.time()
    service = await emulator(clock=lambda: time.time() + ahead)
    lay_out(folder, service.url, data=data)
    for key in keys[1:]:
        service.start_elsewhere("videos", key, {"note": "x"}, started_at=begun - 3600)
    reconcile = ("reconcile", "m.csv.checkpoint", "--settle-time", "0.1")
    ran = await batcher(*reconcile)
    assert ran.code == 3, ran
    assert f"{len(keys)} still in doubt ({NO_CONTROL})" in ran.stderr
    assert "--on-doubt resend" in ran.stderr
    assert formats(folder / "m.csv.checkpoint")[0] == 4
    (command,) = ONE_START.findall(ran.stderr)
    assert (await shell(accepted(command, "another"), folder)).code == 0
    ran = await batcher(*reconcile)
    assert ran.code == 0, ran
    assert f"rows in doubt: {len(keys)} never started, will be sent again" in ran.stderr
    assert service.ledger.requests["start"] == 1


def test_a_start_that_is_no_row_has_an_id_of_its_own_and_is_never_dropped(tmp_path):
    store = Store.open(tmp_path / "c", Card("https://e", "w"))
    for name in ("e1", "e2"):
        store.begin()
        store.keep_control(control_of(Row(1, 1, "b", name, b"", b""), Execution(name, "urn"), 5.0, 7.0))
        store.commit()
    kept = [*store.controls()]
    store.close()
    assert [(each.id, each.name, each.intent_at, each.answered_at) for each in kept] == [
        (-2, "e2", 5.0, 7.0), (-1, "e1", 5.0, 7.0),
    ]  # fmt: skip
    again = Store.open(tmp_path / "c", None)
    assert [*again.controls()] == kept
    again.close()
    rows = [kept[0]._replace(id=number, intent_at=float(number), answered_at=None) for number in range(1, MOST + 2)]
    assert thinned([*kept, *rows]) == [*kept, *rows[::2]]
    assert gap([*kept, *rows]) == gap(rows)
