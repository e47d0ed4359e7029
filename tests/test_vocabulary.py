"""One vocabulary: a row that stands somehow is called the same by the record, the checkpoint and every output."""

import asyncio
import csv
import dataclasses
import json
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import CREDENTIALS
from peek import kept_rows
from prometheus_client.parser import text_string_to_metric_families
from test_command import batcher, records

from batcher.emulator.faults import FaultKind
from batcher.emulator.server import serve
from batcher.emulator.settings import Settings
from batcher.model import NUMBERS, RECORDED, STATUSES, Status
from batcher.rules.progress.figures import FIGURES, Figures, Metric

ROWS = 60
IN_THE_FORMAT = {
    "pending": 0, "sending": 1, "started": 2, "rejected": 3, "invalid": 4, "duplicate": 5, "in_doubt": 6, "refused": 7,
    "dismissed": 8,
}  # fmt: skip


def test_the_numbers_of_the_checkpoints_format_stay_as_they_are():
    assert {status.value: number for status, number in NUMBERS.items()} == IN_THE_FORMAT
    assert {number: Status(name) for name, number in IN_THE_FORMAT.items()} == STATUSES


def test_the_table_of_figures_has_every_figure_once_and_in_order():
    assert tuple(FIGURES) == Figures._fields
    assert {name for name, figure in FIGURES.items() if figure.metric is Metric.ROWS} == RECORDED


def run(service, folder, *words):
    """Run a job of which each row gets one attempt."""
    return batcher(
        "run", folder / "m.jsonl", "-w", "transcode", "-e", service.url, "-b", "videos", "--max-attempts", 1,
        "--on-doubt", "hold", *words,
    )  # fmt: skip


def write(folder, rows):
    (folder / "m.jsonl").write_text("\n".join(rows))


def last_words(folder):
    """Give the status of each row by its last record."""
    return {record["row"]: record["status"] for record in records(folder / "m.jsonl.executions.jsonl")}


class Ended(NamedTuple):
    """A job after a run: its folder, what the run said, and the status of each row by its last record."""

    folder: Path
    said: str
    rows: dict[int, str]


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """Run a job whose rows end in all of the ways that a record knows."""
    folder = tmp_path_factory.mktemp("ended")
    write(folder, [*(json.dumps({"object": f"o{number}"}) for number in [*range(ROWS - 2), 0]), "[]"])
    faults = {FaultKind("slowdown"): 0.2, FaultKind("500"): 0.2}
    settings = Settings(credentials=CREDENTIALS, reject_share=0.2, faults=faults, seed=5)

    async def ran():
        async with serve(settings) as service:
            ran = await run(
                service, folder, "--progress", "json", "--report", folder / "report.html",
                "--log-file", folder / "log", "--log-format", "json", "--log-level", "debug",
                "--metrics-file", folder / "m.prom",
            )  # fmt: skip
            assert ran.code == 3, ran
            rows = last_words(folder)
            assert set(rows.values()) == RECORDED
            assert list(rows.values()).count("refused") == service.ledger.answers["503 SlowDown"]
            return Ended(folder, ran.stderr, rows)

    return asyncio.run(ran())


async def test_each_row_is_called_the_same_by_every_output_of_a_run(ended, tmp_path):
    checkpoint = ended.folder / "m.jsonl.checkpoint"
    assert in_checkpoint(checkpoint) == ended.rows
    for file in ("rows.jsonl", "rows.csv"):
        assert (await batcher("export", checkpoint, "-o", tmp_path / file)).code == 0
    assert {row["row"]: row["status"] for row in records(tmp_path / "rows.jsonl")} == ended.rows
    with (tmp_path / "rows.csv").open(newline="") as table:
        assert {int(row["row"]): row["status"] for row in csv.DictReader(table)} == ended.rows
    assert in_log(ended.folder / "log") == ended.rows
    for number in {status: number for number, status in ended.rows.items()}.values():
        explained = (await batcher("explain", checkpoint, number)).stdout
        words = ended.rows[number].replace("_", " ")
        assert re.search(rf"^  \S+Z  {words}: ", explained, re.MULTILINE)
        assert re.search(rf"^  now: {words}\b", explained, re.MULTILINE)


async def test_rows_are_counted_under_the_same_words_by_every_output_of_a_run(ended):
    checkpoint = ended.folder / "m.jsonl.checkpoint"
    counts = Counter(ended.rows.values())
    seen = json.loads((await batcher("status", checkpoint, "--json")).stdout)
    assert seen["rows"] == {status.value: counts[status] for status in Status}
    shown = (await batcher("status", checkpoint)).stdout
    assert dict(re.findall(r"^ +(\w+) +(\d+)$", shown, re.MULTILINE)) == {
        status.value: str(counts[status]) for status in Status
    }
    page = (ended.folder / "report.html").read_text()
    assert {name: int(count) for name, count in re.findall(r'id="total-(\w+)">(\d+)<', page)} == seen["rows"]
    assert in_metrics(ended.folder / "m.prom") == counts
    *_, last = [json.loads(line) for line in ended.said.splitlines() if line.startswith("{")]
    assert {name: last[name] for name in RECORDED} == counts
    assert list(last) == list(FIGURES)
    *_, run_ended = records(ended.folder / "log")
    assert {name: run_ended[name] for name in RECORDED} == counts
    summary = re.search(rf"^batcher: {ROWS} rows: (.*)$", ended.said, re.MULTILINE)[1]
    assert dict(part.split(" ", 1)[::-1] for part in summary.split(", ")) == {
        status.words: str(counts[status]) for status in RECORDED
    }


async def test_the_next_run_sends_refused_rows_again_and_no_others(emulator, tmp_path):
    service = await emulator(faults={FaultKind("slowdown"): 0.5}, seed=1)
    write(tmp_path, [f'{{"object": "o{number}"}}' for number in range(1, 9)])
    assert (await run(service, tmp_path)).code == 1
    rows = last_words(tmp_path)
    refused = {row for row, status in rows.items() if status == "refused"}
    assert {start.object for start in service.ledger.starts} == {f"o{row}" for row in rows.keys() - refused}
    assert 0 < len(refused) < len(rows)
    service.settings = dataclasses.replace(service.settings, faults={})
    assert (await run(service, tmp_path)).code == 0
    assert Counter(start.object for start in service.ledger.starts) == Counter(f"o{row}" for row in rows)
    assert set(last_words(tmp_path).values()) == {"started"}


async def test_a_run_that_leaves_only_refused_rows_ends_with_1_and_says_so(emulator, tmp_path):
    service = await emulator(faults={FaultKind("slowdown"): 1.0})
    write(tmp_path, ['{"object": "a"}'])
    ran = await run(service, tmp_path)
    assert ran.code == 1, ran
    assert "batcher: 1 row: 0 started, 1 refused, 0 rejected, 0 invalid, 0 duplicate, 0 in doubt\n" in ran.stderr
    assert "Run the same command again to send refused rows." in ran.stderr
    ran = await run(service, tmp_path, "--max-failures", "0")
    assert ran.code == 4, ran
    assert "1 row rejected or refused, more than --max-failures allows" in ran.stderr


def in_checkpoint(path):
    """Read with SQLite alone how the rows of a checkpoint stand."""
    return {row.number: str(row.status) for row in kept_rows(path)}


def in_log(path):
    """Give the last status that a log has for each row: in the event of its record, or of its attempt."""
    words = [(line["row"], line["event"].split("_", 1)[1]) for line in records(path) if "row" in line]
    return {row: word for row, word in words if word in RECORDED}


def in_metrics(path):
    """Give the rows by status that a metrics file counts."""
    families = {family.name: family for family in text_string_to_metric_families(path.read_text())}
    return {sample.labels["status"]: int(sample.value) for sample in families["batcher_rows"].samples}
