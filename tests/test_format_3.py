"""A checkpoint of format 3, which a former version wrote, is read as it is, resumed and converted, or left as it is.

The job in `data/` was killed on the way: rows of it are started, rejected, refused, invalid, repeated, in doubt and on
the wire, and a line was put in before the others, so that numbers are not the order of admission.
"""

import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing

import pytest
from peek import kept_rows
from shell import suggested
from test_after import started
from test_command import batcher, records
from test_format_1 import formats, lay_out

from batcher.edges.checkpoint import Store, reading
from batcher.errors import DamageError
from batcher.model import NUMBERS, Status

REFUSED = 33
"""The number of the object whose row is refused."""
COUNTS = {
    Status.STARTED: 25,
    Status.REJECTED: 7,
    Status.INVALID: 1,
    Status.DUPLICATE: 2,
    Status.REFUSED: 1,
    Status.IN_DOUBT: 3,
    Status.SENDING: 5,
}


@pytest.fixture
def checkpoint(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path / "m.csv.checkpoint"


def former_rows(checkpoint):
    """Give with SQLite alone what a checkpoint of format 3 has in its table of settled rows."""
    with closing(sqlite3.connect(checkpoint)) as db:
        found = db.execute("SELECT id, key, copy, state, number, execution FROM rows ORDER BY id")
        return [(*row, name.hex() if isinstance(name, bytes) else name or "") for *row, name in found]


def counts(found):
    return {status: count for status, count in found.items() if count}


async def test_it_is_read_as_it_is_and_its_next_run_finishes_it_and_converts_it(checkpoint, emulator):
    service = await emulator()
    lay_out(checkpoint.parent, service.url, data="format_3")
    before = former_rows(checkpoint)
    with reading(checkpoint) as found:
        assert counts(found.count()) == COUNTS
        told = {each.execution for each in found.standings()}
    ran = await batcher("status", "m.csv.checkpoint")
    assert [command.split()[1] for command in suggested(ran.stderr)] == ["run", "reconcile", "failures", "run"]
    assert (await batcher("explain", "m.csv.checkpoint", "12")).code == 0
    assert (formats(checkpoint)[0], former_rows(checkpoint)) == (3, before)
    words = ("run", "m.csv", "-w", "transcode", "-e", service.url, "-b", "videos", "--on-doubt", "resend")
    ran = await batcher(*words)
    assert ran.code == 1, ran
    assert "44 rows: 34 started, 0 refused, 7 rejected, 1 invalid, 2 duplicate, 0 in doubt" in ran.stderr
    assert started(service) == Counter(f"clip {number}" for number in (9, 17, 22, REFUSED, *range(36, 41)))
    assert formats(checkpoint)[0] == 4
    assert told <= {row.execution for row in kept_rows(checkpoint)}
    assert len(records(checkpoint.parent / "m.csv.executions.jsonl")) > len(before)
    assert (await batcher(*words)).code == 1
    assert sum(started(service).values()) == 9


def test_what_it_says_of_each_row_is_the_same_before_and_after_it_is_converted(checkpoint):
    lay_out(checkpoint.parent, "http://127.0.0.1:1", data="format_3")
    before = former_rows(checkpoint)
    with reading(checkpoint) as found:
        told, unsettled, facts = list(found.standings()), found.unsettled(set(Status)), found.facts
    with closing(Store.open(checkpoint, None)) as store:
        assert counts(store.count()) == COUNTS
        assert store.unsettled(set(Status)) == unsettled
        assert store.facts() == facts
        assert len(store.controls()) == int(facts["number of controls"])
    settled = [row for row in kept_rows(checkpoint) if row.status not in {Status.IN_DOUBT, Status.SENDING}]
    assert [(*row[:3], NUMBERS[row.status], *row[4:]) for row in settled] == before
    with reading(checkpoint) as found:
        assert list(found.standings()) == told


@pytest.mark.parametrize("change", ["SET state = 2 WHERE state = 3", "SET number = number + 1 WHERE id = 5"])
def test_a_damaged_one_is_refused_and_left_as_it_is(checkpoint, change):
    lay_out(checkpoint.parent, "http://127.0.0.1:1", data="format_3")
    with closing(sqlite3.connect(checkpoint, isolation_level=None)) as db:
        db.execute(f"UPDATE rows {change}")
    before = former_rows(checkpoint)
    with pytest.raises(DamageError, match="wrong checksums in the table rows"):
        Store.open(checkpoint, None)
    with pytest.raises(DamageError, match="wrong checksums in the table rows"), reading(checkpoint):
        pass
    assert (formats(checkpoint)[0], former_rows(checkpoint)) == (3, before)


DYING = """
import os, shutil, sqlite3, sys
from pathlib import Path
from batcher.edges.checkpoint import Store

def convert(path, last):
    done, connect = 0, sqlite3.connect

    def step(_):
        nonlocal done
        done += 1
        if done == last:
            os._exit(9)

    def traced(*given, **named):
        db = connect(*given, **named)
        db.set_trace_callback(step)
        return db

    sqlite3.connect = traced
    Store.open(path, None)
    os._exit(0)

for last in range(1, 1000):
    path = Path(shutil.copy(sys.argv[1], f"{last}.checkpoint"))
    if not os.fork():
        convert(path, last)
    if os.waitstatus_to_exitcode(os.wait()[1]) == 0:
        break
"""


def test_a_conversion_that_dies_at_any_of_its_statements_has_changed_all_or_nothing(checkpoint):
    lay_out(checkpoint.parent, "http://127.0.0.1:1", data="format_3")
    with reading(checkpoint) as found:
        told = list(found.standings())
    subprocess.run([sys.executable, "-c", DYING, checkpoint.name], check=True, timeout=120)
    copies = sorted(checkpoint.parent.glob("[0-9]*.checkpoint"), key=lambda path: int(path.stem))
    ended = [formats(copy)[0] for copy in copies]
    assert len(copies) > 30
    assert ended == sorted(ended)
    assert set(ended) == {3, 4}
    for copy in copies:
        with closing(Store.open(copy, None)), reading(copy) as found:
            assert list(found.standings()) == told
