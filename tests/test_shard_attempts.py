"""The fence in small: every order of the steps of two processes, their files, and what is made of them."""

import itertools
import os
import shutil
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from batcher.app.attempt import need_shareable
from batcher.app.world import World
from batcher.edges import probe
from batcher.edges.attempts import Claims, this_machine
from batcher.edges.checkpoint import reading
from batcher.edges.checkpoint.snapshot import inherit
from batcher.edges.checkpoint.store import Store
from batcher.errors import DiskError, UsageError
from batcher.model import Admitted, Row, Settlement, Status
from batcher.rules.job.card import Card
from batcher.rules.shards.attempts import (
    Claim,
    Machine,
    Patience,
    Step,
    all_files,
    decoded,
    encoded,
    files_in,
    latest,
    named,
    step,
    unproven,
)
from batcher.rules.shards.merging import Settled, merged
from batcher.rules.shards.mounts import Trust, mount_of, verdict

CARD = Card("https://obs.example.com", "transcode", bucket="videos", shard="0/1")
HERE = this_machine()


def claim(number, files=1, machine=HERE):
    return Claim(number, files, *machine, 7)


class Owner:
    """A process that works on one row after another: intent durable, fence read, then sent, each a step of its own."""

    def __init__(self, claims, intents, sent, rows, *, is_fence_read=True):
        self._rows = rows
        self._claimed = claims.claim(claim(1))
        self._intents, self._sent, self._is_fence_read = intents, sent, is_fence_read

    def steps(self):
        for row in range(self._rows):
            self._intents.append(row)
            yield
            may_send = not (self._is_fence_read and self._claimed.is_fenced())
            yield
            if not may_send:
                return
            self._sent.append(row)
            yield


def successor(claims, intents, sent, rows, claims_first):
    """Claim, read the intents, and send each row that has none. In the wrong order for a control."""
    if claims_first:
        assert claims.claim(claim(2, 2)) is not None
        yield
        known = list(intents)
        yield
    else:
        known = list(intents)
        yield
        assert claims.claim(claim(2, 2)) is not None
        yield
    for row in range(rows):
        if row not in known:
            sent.append(row)
            yield


def orders(steps, others):
    """Yield each order of two sequences of steps, as 0 and 1."""
    for places in itertools.combinations(range(steps + others), others):
        yield [int(place in places) for place in range(steps + others)]


def twice(folder, rows, **broken):
    """Play all orders of the steps of two processes. Count those in which a row was sent twice or by no process."""
    found = Counter()
    for number, order in enumerate(orders(3 * rows, 2 + rows)):
        path = folder / str(number)
        path.mkdir()
        claims, intents, sent = Claims(path, "shard-00000"), [], []
        claims_first = broken.get("claims_first", True)
        owner = Owner(claims, intents, sent, rows, is_fence_read=broken.get("is_fence_read", True))
        both = [owner.steps(), successor(claims, intents, sent, rows, claims_first)]
        for turn in order:
            next(both[turn], None)
        counts = Counter(sent)
        found["twice"] += any(count > 1 for count in counts.values())
        # What was neither sent nor known to the successor would be lost.
        found["lost"] += bool({*range(rows)} - {*sent} - {*intents})
        shutil.rmtree(path)
    return found


def test_in_no_order_of_the_steps_of_two_processes_a_row_is_sent_twice_or_lost(tmp_path):
    found = twice(tmp_path, 2)
    assert (found["twice"], found["lost"]) == (0, 0)


@pytest.mark.parametrize("broken", [{"is_fence_read": False}, {"claims_first": False}])
def test_without_the_look_at_the_fence_or_with_the_claim_after_the_reading_rows_are_sent_twice(tmp_path, broken):
    assert twice(tmp_path, 1, **broken)["twice"] > 0


def test_a_number_is_claimed_once_and_its_owner_sees_the_next_one(tmp_path):
    claims = Claims(tmp_path, "shard-00003")
    first = claims.claim(claim(1))
    assert claims.claim(claim(1)) is None
    assert not first.is_fenced()
    assert claims.all() == [claim(1)]
    # A process that has its claim locked has not ended, and one of another boot may not have.
    assert claims.ended(claims.all(), HERE) == set()
    second = claims.claim(claim(2))
    assert first.is_fenced()
    assert not second.is_fenced()
    first.release()
    assert claims.ended(claims.all(), HERE) == {1}
    assert claims.ended(claims.all(), Machine(HERE.host, "another boot")) == set()
    second.note_ended()
    assert claims.ended(claims.all(), Machine("another", "boot")) == {2}
    second.release()
    beats = claims.beat()
    first._claims, second._claims = claims, claims
    second.beat()
    assert claims.beat() not in {b"", beats}
    assert {path.name[0] for path in tmp_path.iterdir()} == {"s"}
    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}


def test_a_claim_that_cannot_be_read_or_looked_for_stops_a_process(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    claims = Claims(folder, "shard-00003")
    claimed = claims.claim(claim(1))
    (folder / "shard-00003.a000001.claim").write_text("{")
    with pytest.raises(DiskError, match="not a claim"):
        claims.all()
    shutil.rmtree(folder)
    folder.write_text("no folder")
    with pytest.raises(DiskError, match="cannot be looked for"):
        claimed.is_fenced()
    claimed.release()


def test_a_claim_is_read_back_and_one_of_a_later_version_is_not():
    assert decoded(encoded(claim(3))) == claim(3)
    assert decoded(b'{"number": 1}') is None
    assert decoded(encoded(Claim(1, 1, "h", "b", 7, version=2))) is None


def test_the_names_of_files_show_their_shards_and_attempts():
    names = [
        "plan.json", "shard-00002.checkpoint", "shard-00002.a000004.checkpoint", "shard-00002.a000004.claim",
        "shard-00010.executions.jsonl", "shard-00002.checkpoint-wal", ".shard-00002.a000009.claim.x", "shard-2.claim",
    ]  # fmt: skip
    assert latest(names, ".checkpoint") == {"shard-00002": "shard-00002.a000004.checkpoint"}
    assert (files_in(names, "shard-00002"), files_in(names, "shard-00010"), files_in([], "shard-00000")) == (4, 1, 1)
    assert all_files(names, "shard-00002", ".checkpoint") == names[1:3]
    assert [named(name) for name in names].count(None) == 4


OLD = Machine("old", "boot")


@pytest.mark.parametrize(
    ("claims", "ended", "files", "still", "decided"),
    [
        ([], set(), 1, False, Step.CONTINUE),
        ([claim(1)], set(), 1, False, Step.WAIT),
        ([claim(1)], set(), 1, True, Step.SUCCEED),
        ([claim(1)], {1}, 1, False, Step.CONTINUE),
        ([claim(1), claim(2)], {2}, 1, False, Step.SUCCEED),
        ([claim(1), claim(2, 2)], {2}, 2, False, Step.CONTINUE),
        # The second one ended before it had files: the first one may still write its own.
        ([claim(1), claim(2, 2)], {2}, 1, False, Step.SUCCEED),
        ([claim(1), claim(2, 2)], {1}, 2, False, Step.WAIT),
    ],
)
def test_files_are_continued_only_if_all_that_write_them_have_ended(claims, ended, files, still, decided):
    assert step(claims, ended, files, has_stood_still=still) is decided


def test_a_doubt_is_shared_with_each_earlier_process_that_is_not_proven_to_have_ended():
    assert [each.number for each in unproven([claim(1), claim(2), claim(3), claim(4)], {2}, 4)] == [1, 3]


def test_a_value_stands_still_from_its_last_change_by_the_clock_of_who_looks():
    patience = Patience()
    assert [patience.seconds(*each) for each in (("a", 5.0), ("a", 7.0), ("b", 8.0), ("b", 8.5))] == [0, 2, 0, 0.5]


INFO = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /mnt/a\\040b rw,relatime - nfs4 server:/x rw,vers=4.2,hard
31 22 0:41 / /mnt/fresh rw - nfs4 server:/y rw,lookupcache=none
32 22 0:42 / /mnt/noac rw - nfs server:/y rw,noac
33 22 0:43 / /mnt/obs rw - fuse.obsfs obsfs rw
34 22 0:44 / /mnt/win rw - cifs //s/x rw
35 22 0:45 / /mnt/ceph rw - ceph x rw
36 35 0:46 / /mnt/ceph/local rw - xfs /dev/b rw
37 22 0:47 / /mnt/ceph rw - lustre x rw
broken line
"""


@pytest.mark.parametrize(
    ("path", "type_", "trust"),
    [
        ("/home/x.run", "ext4", Trust.LOCAL),
        ("/mnt/a b/x.run", "nfs4", Trust.UNSAFE),
        ("/mnt/a", "ext4", Trust.LOCAL),
        ("/mnt/fresh/x.run", "nfs4", Trust.UNPROVEN),
        ("/mnt/noac", "nfs", Trust.UNPROVEN),
        ("/mnt/obs/x", "fuse.obsfs", Trust.UNSAFE),
        ("/mnt/win/x", "cifs", Trust.UNSAFE),
        ("/mnt/ceph/x", "lustre", Trust.UNPROVEN),
        ("/mnt/ceph/local/x", "xfs", Trust.LOCAL),
    ],
)
def test_the_type_of_the_filesystem_and_its_options_say_whether_a_claim_is_seen(path, type_, trust):
    found = verdict(mount_of(path, INFO))
    assert (found.type, found.trust, bool(found.advice)) == (type_, trust, trust is Trust.UNSAFE)
    assert verdict(mount_of(path, "")).trust is Trust.UNPROVEN


def test_a_run_folder_on_an_unsafe_filesystem_is_refused_and_an_unproven_one_is_named(tmp_path):
    warned = []
    for type_, options in (("ext4", "rw"), ("nfs4", "rw,noac"), ("ceph", "rw")):
        world = World(mounts=lambda text=f"1 0 8:1 / / rw - {type_} x {options}\n": text)
        need_shareable(tmp_path / "new", world, warned.append)
    assert [word for each in warned for word in ("nfs4", "ceph") if word in each] == ["nfs4", "ceph"]
    for type_ in ("nfs4", "cifs", "fuse.obsfs"):
        with pytest.raises(UsageError, match=f"is on {type_}") as refused:
            need_shareable(tmp_path, World(mounts=lambda text=f"1 0 8:1 / / rw - {type_} x rw\n": text), warned.append)
        assert "--run-dir" in refused.value.advice


def test_machines_that_do_not_write_to_the_same_folder_are_found_by_the_probe(tmp_path):
    one, two = probe.new_name(), probe.new_name()
    probe.leave(tmp_path / "a", one)
    probe.leave(tmp_path / "a", two)
    assert probe.unseen(tmp_path / "a", [one, two]) == []
    assert probe.unseen(tmp_path, [one, two]) == [one, two]
    with pytest.raises(FileExistsError):
        probe.leave(tmp_path / "a", one)
    probe.remove(tmp_path / "a", one)
    assert probe.unseen(tmp_path / "a", [one, two]) == [one]


def _row(number):
    return Row(number, number, "videos", f"in/{number}", b"{}", number.to_bytes(16, "big"))


def _write(store, work):
    store.begin()
    work(store)
    store.commit()


def _admit(store, *numbers):
    _write(store, lambda each: each.admit([Admitted(n, _row(n), Status.SENDING) for n in numbers], 1.0))


def _settle(store, status, *numbers, name="e{}"):
    names = [name.format(n) if status is Status.STARTED else "" for n in numbers]
    _write(
        store,
        lambda each: each.settle([Settlement(n, status, e) for n, e in zip(numbers, names, strict=True)], {}, None),
    )


def test_a_successor_begins_with_all_that_is_durable_and_later_outcomes_of_the_former_attempt_are_merged(tmp_path):
    path, next_ = tmp_path / "shard-00000.checkpoint", tmp_path / "shard-00000.a000002.checkpoint"
    with closing(Store.open(path, CARD)) as former:
        # Never merged into the file: all of it is in the log.
        _admit(former, 1, 2, 3, 4, 5)
        _settle(former, Status.STARTED, 1)
        _settle(former, Status.IN_DOUBT, 5)
        with reading(path) as seen:
            assert seen.count() == {Status.STARTED: 1, Status.SENDING: 3, Status.IN_DOUBT: 1}
        inherit(path, next_)
        with closing(Store.open(next_, CARD)) as own:
            _settle(own, Status.IN_DOUBT, 2, 3, 4)
            _admit(own, 6)
            _settle(own, Status.STARTED, 6, name="own{}")
            _admit(own, 7)
            _settle(own, Status.IN_DOUBT, 7)
            with reading(next_) as seen:
                assert seen.count() == {Status.STARTED: 2, Status.IN_DOUBT: 5}
            # The former one settles what is on the wire, and gives back what it did not send.
            _admit(former, 6, 7)
            _settle(former, Status.STARTED, 2)
            _settle(former, Status.PENDING, 3, 6, 7)
            for _ in range(2):
                with reading(next_) as seen:
                    assert +seen.count() == {Status.STARTED: 3, Status.PENDING: 1, Status.IN_DOUBT: 3}
                    assert [row.number for row in seen.unsettled({Status.IN_DOUBT})] == [4, 5, 7]
                    assert {row.number: row.execution for row in seen.standings() if row.execution} == {
                        1: "e1", 2: "e2", 6: "own6",
                    }  # fmt: skip
                    assert seen.glance().alarms == []
            # What the fence prevents.
            _admit(former, 8)
            _settle(former, Status.STARTED, 8)
            with reading(next_) as seen:
                (alarm,) = seen.glance().alarms
                assert "row 8 was started by attempt 1 as execution e8" in alarm
    assert sorted(path.name for path in tmp_path.iterdir()) == [next_.name, path.name]


def test_a_copy_has_all_that_was_committed_before_it_began_also_while_the_log_is_begun_anew(tmp_path):
    path = tmp_path / "shard-00000.checkpoint"
    committed, over = [0], threading.Event()

    def write():
        with closing(Store.open(path, CARD)) as store:
            while not over.is_set():
                number = committed[0] + 1
                _admit(store, number)
                _settle(store, Status.STARTED, number)
                if number % 3 == 0:
                    # What is written next begins the log anew.
                    store.merge()
                committed[0] = number

    with ThreadPoolExecutor(1) as thread:
        writer = thread.submit(write)
        try:
            while committed[0] < 5:
                assert not writer.done()
            for _ in range(20):
                before = committed[0]
                with reading(path) as seen:
                    assert seen.count()[Status.STARTED] >= before
        finally:
            over.set()
        writer.result()


def _settled(id_, status, name=""):
    return Settled(id_, id_.to_bytes(16, "big"), 1, id_, status, name)


def test_an_outcome_wins_over_a_row_that_was_given_back_in_any_order_and_two_outcomes_are_an_alarm():
    facts = [(1, _settled(1, Status.PENDING)), (2, _settled(1, Status.STARTED, "a")), (1, _settled(2, Status.PENDING))]
    inherited = {1: {1, 2, 4}, 2: {1}}
    for order in itertools.permutations([*facts, *facts[:1]]):
        found = merged(order, {}, {1, 2, 3}, inherited)
        assert {id_: (row.status, row.name) for id_, row in found.late.items()} == {
            1: (Status.STARTED, "a"),
            2: (Status.PENDING, ""),
        }
        assert found.alarms == []
    both = [(1, _settled(1, Status.STARTED, "b")), (2, _settled(1, Status.STARTED, "a"))]
    for order in itertools.permutations(both):
        assert merged(order, {}, {1}, inherited).alarms == [
            "row 1 was started by two attempts, as execution a and as b"
        ]
    twice_ = merged([(1, _settled(4, Status.STARTED, "b"))], {4: _settled(4, Status.STARTED, "a")}, (), inherited)
    assert twice_.alarms == ["row 4 was started by two attempts, as execution a and as b"]
    known = merged([(1, _settled(4, Status.STARTED, "a"))], {4: _settled(4, Status.STARTED, "a")}, (), inherited)
    assert known.alarms == []


def test_a_name_that_is_taken_by_the_same_file_is_ours(tmp_path):
    written, path = tmp_path / "w", tmp_path / "p"
    written.touch()
    os.link(written, path)
    from batcher.edges.attempts import _linked  # noqa: PLC0415 - the answer of a server that asks twice

    assert _linked(str(written), path)
