"""The settled prefix: a run that passes over it does what a run that reads every row does, whatever lies between."""

import asyncio
import json
import random
import shutil
import sqlite3
from collections import Counter
from contextlib import asynccontextmanager, closing, nullcontext
from hashlib import md5
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest
from conftest import KEYS
from peek import kept_rows
from simulation import scratch

from batcher.app import run
from batcher.app.voice import Voice
from batcher.app.world import World
from batcher.edges.checkpoint.facts import HIGHEST
from batcher.edges.checkpoint.schema import write_facts
from batcher.edges.checkpoint.store import Store
from batcher.edges.manifest import open_manifest
from batcher.errors import OtherJobError
from batcher.flow.drain import Drain
from batcher.model import BEGINNING, Mark, Reply, Settlement, Status
from batcher.options.verbs import RunOptions
from batcher.rules.choices import Mode, OnDoubt
from batcher.rules.progress.counts import Tally
from batcher.rules.rows import settled_prefix as rules
from batcher.rules.rows.admission import Policy, left_alone
from batcher.rules.rows.settled_prefix import Frontier, Prefix, decoded, encoded, is_passable
from batcher.rules.shards.assignment import Shard

MARKS = [Mark(rows, rows + 1, 10 * rows, f"{rows:064x}") for rows in range(40)]
EMPTY = Prefix(BEGINNING, {}, "rules")


def settle(*ids, status=Status.STARTED):
    return [Settlement(id_, status) for id_ in ids]


def test_a_prefix_moves_on_to_the_last_mark_before_the_first_row_that_has_not_ended():
    frontier = Frontier(EMPTY)
    for last in (10, 20, 30):
        frontier.sifted(last, 8, {Status.STARTED: 1, Status.DUPLICATE: 1}, is_in_order=True)
        frontier.reached(MARKS[last])
    assert not frontier.settled(settle(*range(11, 19)))
    assert frontier.prefix == EMPTY
    assert not frontier.settled(settle(*range(1, 8)))
    assert frontier.settled(settle(8, status=Status.REJECTED))
    counts = {Status.STARTED: 17, Status.REJECTED: 1, Status.DUPLICATE: 2}
    assert frontier.prefix == Prefix(MARKS[20], counts, "rules")
    assert frontier.settled(settle(*range(21, 29)))
    assert frontier.prefix.mark == MARKS[30]
    assert sum(frontier.prefix.counts.values()) == 30


@pytest.mark.parametrize("status", [Status.PENDING, Status.IN_DOUBT])
def test_a_row_that_may_change_holds_the_prefix_until_it_has_ended(status):
    frontier = Frontier(EMPTY)
    frontier.sifted(2, 2, {}, is_in_order=True)
    frontier.reached(MARKS[2])
    assert not frontier.settled([Settlement(1, Status.STARTED), Settlement(2, status)])
    assert frontier.settled(settle(2))
    assert frontier.prefix.counts == {Status.STARTED: 2}


def test_a_known_row_in_doubt_holds_the_prefix_too():
    frontier = Frontier(EMPTY)
    frontier.sifted(2, 0, {Status.STARTED: 1, Status.IN_DOUBT: 1}, is_in_order=True)
    frontier.reached(MARKS[2])
    assert not frontier.settled([])
    assert frontier.settled(settle(2))
    assert frontier.prefix.counts == {Status.STARTED: 2}


def test_rows_without_order_and_all_after_them_are_no_part_of_a_prefix():
    frontier = Frontier(EMPTY)
    frontier.sifted(2, 2, {}, is_in_order=True)
    frontier.reached(MARKS[2])
    frontier.sifted(4, 2, {}, is_in_order=False)
    frontier.reached(MARKS[4])
    frontier.sifted(6, 2, {}, is_in_order=True)
    frontier.reached(MARKS[6])
    assert frontier.settled(settle(*range(1, 7)))
    assert frontier.prefix.mark == MARKS[2]


def test_a_mark_counts_only_behind_the_last_sifted_row():
    frontier = Frontier(EMPTY)
    frontier.reached(MARKS[0])
    frontier.sifted(3, 3, {}, is_in_order=True)
    frontier.reached(MARKS[2])
    assert not frontier.settled(settle(1, 2, 3))
    frontier.sifted(4, 0, {Status.STARTED: 1}, is_in_order=True)
    frontier.reached(MARKS[4])
    assert frontier.settled([])
    assert frontier.prefix.mark == MARKS[4]


def test_where_too_many_stretches_wait_the_last_one_grows(monkeypatch):
    monkeypatch.setattr(rules, "MOST_STRETCHES", 3)
    frontier = Frontier(EMPTY)
    for last in range(1, 40):
        frontier.sifted(last, 1, {}, is_in_order=True)
        frontier.reached(MARKS[last])
    frontier.settled(settle(*range(2, 40)))
    assert frontier.prefix == EMPTY
    assert len(frontier._stretches) == 3
    assert frontier.settled(settle(1))
    assert frontier.prefix == Prefix(MARKS[39], {Status.STARTED: 39}, "rules")


def test_a_prefix_is_passed_over_only_by_a_run_that_would_leave_all_of_it_alone():
    prefix = Prefix(MARKS[5], {Status.STARTED: 3, Status.REJECTED: 1, Status.DUPLICATE: 1}, "rules")
    assert decoded(encoded(prefix)) == prefix
    of_shard = prefix._replace(mark=MARKS[5]._replace(elsewhere=31))
    assert decoded(encoded(of_shard)) == of_shard
    assert is_passable(prefix, "rules", left_alone(Policy()))
    assert not is_passable(prefix, "other rules", left_alone(Policy()))
    assert not is_passable(prefix, "rules", left_alone(Policy(retry_rejected=True)))
    assert not is_passable(prefix, "rules", left_alone(Policy(allow_duplicates=True)))


# The real job on real files, with a service that answers by what it is asked, run twice from the same files.

ANSWERS = {"r": (404, 404, 200), "p": (503, 200), "d": (500, 200)}
"""What the service says to the first and each further start of a row whose key begins so; 200 to all others."""
BODIES = {404: b'{"code": "SYS.0015"}', 503: b"<Error><Code>SlowDown</Code></Error>", 500: b"<Error/>"}
WORKFLOW = {"inputs": {"n": {"type": "integer", "default": "0", "constraints": {"valid_values": [0, 1]}}}}
"""What the service declares of the workflow, where the keys may see it."""


class KilledError(Exception):
    """The process is gone."""


class Stage(NamedTuple):
    """One run's files, and what it is given."""

    folder: Path
    sent: Counter
    options: dict
    is_shown: bool
    kill_at: int | None = None

    def run(self, *, may_pass):
        """Run the real job; give what it has sent, in order, its tally and whether it has passed over rows.

        A run with another default bucket than that of the job's first run is refused, and has no tally.
        """
        starts, tallies, entered = [], [], []

        async def send(method, _target, _headers, body):
            if method == "GET":
                document = {"name": "transcode", "definition": WORKFLOW}
                return (
                    Reply(200, {}, json.dumps(document).encode())
                    if self.is_shown
                    else Reply(403, {}, b'{"code":"SYS.0005"}')
                )
            if len(starts) == self.kill_at:
                raise KilledError
            starts.append(body)
            answers = ANSWERS.get(json.loads(body)["object"][0], (200,))
            status = answers[min(self.sent[body], len(answers) - 1)]
            self.sent[body] += 1
            name = md5(body + bytes([self.sent[body]])).hexdigest()
            found = BODIES.get(status) or json.dumps({"execution_name": name}).encode()
            return Reply(status, {}, found)

        @asynccontextmanager
        async def connect(*_, **__):
            yield SimpleNamespace(send=send)

        def tally():
            tallies.append(Tally())
            return tallies[0]

        def watched(*given):
            manifest = open_manifest(*given, chunk=64)
            real_enter = manifest.enter

            def enter(mark):
                entered.append(may_pass and real_enter(mark))
                return entered[-1]

            manifest.enter = enter
            return manifest

        world = World(
            voice=Voice(lambda _kind, _text: None),
            environment=KEYS,
            # So fast that nobody waits for a turn.
            clock=lambda: 1e9,
            monotonic=count(0.0, 60.0).__next__,
            connect=connect,
            open_manifest=watched,
            draining_on_signals=lambda _drain, _say: nullcontext(),
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(run, "Tally", tally)
            try:
                asyncio.run(run.run_job(self._options(), world, Drain()))
            except KilledError:
                assert self.kill_at is not None
            except OtherJobError:
                assert self.options["bucket"] == "other"
                assert starts == tallies == []
        return starts, tallies, any(entered)

    def _options(self):
        given = {
            "manifest": next(self.folder.glob("m.*")), "workflow": "transcode", "endpoint": "https://localhost",
            "inputs": {}, "bucket": "bucket", "output": self.folder / "records.jsonl",
            "checkpoint": self.folder / "checkpoint", "concurrency": 1, "max_attempts": 1, "timeout": 9.0,
            "on_doubt": OnDoubt.HOLD, "settle_time": 0.0, "verify_tls": True, "progress": Mode.NONE, "max_outage": 1e9,
        }  # fmt: skip
        if "shard" in self.options:
            del given["output"], given["checkpoint"]
            given["run_dir"] = self.folder
        return RunOptions(**(given | self.options))

    def forget_ascents(self):
        """Leave the checkpoint as a version does that does not know whether rows ascend."""
        checkpoint = self._options().checkpoint
        if checkpoint.exists():
            with closing(sqlite3.connect(checkpoint, isolation_level=None)) as db:
                write_facts(db, {HIGHEST: 0})

    def left(self):
        """Give what the run has left behind: its records, whatever their order, and the rows of its checkpoint."""
        options = self._options()
        return sorted(options.output.read_text().splitlines()), kept_rows(options.checkpoint)


def line(dice, suffix):
    """Draw a line of a manifest; one in thirty is no row."""
    key = f"{dice.choice('rpdxyzxyz')}{dice.randrange(60)}{dice.choice(('',) * 300 + ('/',))}"
    if dice.random() < 1 / 30:
        return {"txt": "x" * 1025, "csv": f"{key},a,b,c", "jsonl": "{"}[suffix] + "\n"
    return {
        "txt": f"{key}\n",
        "csv": dice.choice((f"{key}\n", f'"{key}\n{key}"\n', f"{key},{dice.choice((0, 0, 1, 1, 2))}\r\n")),
        "jsonl": json.dumps({"object": key} | dice.choice(({}, {"inputs": {"n": dice.choice((1, 1, 2))}}))) + "\n",
    }[suffix]


def growth(number, suffix, after=0):
    """Give lines that ascend, after all that `line` draws and after a number of lines like these."""
    keys = [f"zz{each:04}" for each in range(after, after + number)]
    return [(json.dumps({"object": key}) if suffix == "jsonl" else key) + "\n" for key in keys]


def edited(dice, lines, suffix):
    """Change a manifest in one way, or not at all, as happens most."""
    lines = list(lines)
    at = dice.randrange(len(lines))
    match dice.choice(("", "", "", "append", "append", "insert", "delete", "replace", "swap", "shuffle", "cut")):
        case "append":
            lines += [line(dice, suffix) for _ in range(dice.randint(1, 30))]
        case "insert":
            lines.insert(at, line(dice, suffix))
        case "delete":
            del lines[at]
        case "replace":
            lines[at] = line(dice, suffix)
        case "swap":
            lines[at], lines[0] = lines[0], lines[at]
        case "shuffle":
            dice.shuffle(lines)
        case "cut":
            lines[-1] = lines[-1].rstrip()
    return lines or [line(dice, suffix)]


def play(seed, parent):
    """Play the runs of one job, each one twice: with and without passing over. Give how often rows were passed over."""
    dice = random.Random(seed)
    suffix = dice.choice(("txt", "csv", "jsonl"))
    lines = [line(dice, suffix) for _ in range(dice.randint(1, 120))]
    folder, before = parent / "job", parent / "before"
    folder.mkdir()
    sent, passed, is_shown = Counter(), 0, dice.random() < 0.5
    shard = dice.choice(({}, {}, {"shard": Shard(dice.randrange(2), 2)}))
    ascends = suffix != "csv" and dice.random() < 2 / 3
    if ascends:
        lines = sorted({each for each in lines if "object" in each or len(each) < 99}) or growth(1, suffix)
    for number in range(dice.randint(2, 4)):
        head = "object,inputs.n\n" if suffix == "csv" else ""
        (folder / f"m.{suffix}").write_text(head + "".join(lines), newline="")
        options = {
            "retry_rejected": dice.random() < 0.1,
            "allow_duplicates": dice.random() < 0.1,
            "bucket": dice.choice(("bucket",) * 19 + ("other",)) if number else "bucket",
            "keep_placeholders": dice.random() < 0.05,
            "on_doubt": dice.choice((OnDoubt.HOLD, OnDoubt.RESEND)),
        }
        if shard:
            # What is pinned for all shards.
            options |= {"allow_duplicates": False, "bucket": "bucket", "keep_placeholders": False} | shard
        replace(before, folder)
        without = Stage(folder, sent.copy(), options, is_shown)
        without.forget_ascents()
        done = without.run(may_pass=False)[:2]
        left = without.left()
        replace(folder, before)
        following = Stage(folder, sent.copy(), options, is_shown)
        *done_too, has_passed = following.run(may_pass=True)
        passed += has_passed
        assert (*done_too, following.left()) == (*done, left), seed
        if dice.random() < 0.6:
            replace(folder, before)
            following = Stage(folder, sent.copy(), options, is_shown, dice.randint(0, len(lines)))
            following.run(may_pass=True)
        sent = following.sent
        lines = lines if shard else edited(dice, lines, suffix)
        if ascends and not shard and dice.random() < 2 / 3:
            lines[-1] = lines[-1].rstrip() + "\n"
            lines += growth(dice.randint(1, 30), suffix, len(lines))
    return passed


def replace(folder, by):
    """Make a folder a copy of another."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(by, folder)


@pytest.mark.long(small=1 / 32, ci=1 / 5)
def test_a_run_that_passes_over_the_prefix_does_what_a_run_that_reads_it_does(share):
    seeds, passed = share(range(220)), 0
    for seed in seeds:
        with scratch() as parent:
            passed += play(seed, parent)
    assert passed > 10 / 55 * len(seeds)


def after_commits(stage, parent):
    """Run a job. Give its files as a kill after each commit leaves them, with what was sent until then."""
    left, commit = [], Store.commit

    def watched(store):
        commit(store)
        copy = parent / f"after {len(left)}"
        shutil.copytree(stage.folder, copy, ignore=shutil.ignore_patterns("*-shm", "*.socket"))
        left.append((copy, stage.sent.copy()))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "commit", watched)
        stage.run(may_pass=True)
    return left


@pytest.mark.long(small=1 / 12, ci=1 / 4)
def test_a_list_that_ascends_and_grows_starts_no_row_twice_whichever_commit_its_run_dies_after(share, tmp_path):
    folder, sent, options = tmp_path / "job", Counter(), {"on_doubt": OnDoubt.HOLD}
    folder.mkdir()
    for length in (30, 60):
        (folder / "m.txt").write_text("".join(growth(length, "txt")))
        left = after_commits(Stage(folder, sent, options, is_shown=False), tmp_path / str(length))
    assert set(sent.values()) == {1}
    assert len(left) > 40
    seen = set()
    for copy, was_sent in share(left):
        (copy / "m.txt").write_text("".join(growth(70, "txt")))
        resumed = Stage(copy, was_sent, options, is_shown=False)
        starts, *_ = resumed.run(may_pass=True)
        assert set(resumed.sent.values()) == {1}
        assert [json.loads(each)["object"] for each in starts[-10:]] == [f"zz{each:04}" for each in range(60, 70)]
        seen.add(len(starts))
    assert len(seen) > 1
