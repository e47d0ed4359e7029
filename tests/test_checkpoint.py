"""The checkpoint on real files: what is durable when, what is known again, and what is refused."""

import asyncio
import fcntl
import multiprocessing
import os
import random
import sqlite3
import stat
import threading
from collections import Counter

import pytest
from msgspec import structs
from peek import kept_rows

from batcher.edges.checkpoint import open_checkpoint
from batcher.errors import BusyError, DiskError, OtherJobError
from batcher.model import Admitted, BadRow, Row, Settlement, Status
from batcher.rules.job.card import Card
from batcher.rules.rows.admission import Policy, admission, left_alone

CARD = Card("https://obs.example.com", "transcode")
POLICY = Policy()


def row(number, name=None):
    name = name or f"object-{number}"
    return Row(number, number + 1, "bucket", name, b"", name.encode().ljust(16, b".")[:16])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "list.csv.checkpoint"


async def take_in(checkpoint, rows, policy=POLICY):
    """Sift and admit rows as the producer does; give what was admitted."""
    sifted = await checkpoint.sift(rows, left_alone(policy))
    admitted = [a for a in (admission(found, policy) for found in sifted.found) if a is not None]
    await checkpoint.admit(admitted, 100.0)
    return admitted


async def start_all(checkpoint, rows):
    admitted = await take_in(checkpoint, rows)
    await checkpoint.settle([Settlement(a.id, Status.STARTED, f"{a.id:032x}") for a in admitted], {}, 200.0)
    return admitted


def numbers(admitted):
    return [(a.row.number, a.status.name) for a in admitted]


async def test_rows_left_between_intent_and_verdict_are_found_again(path):
    async with open_checkpoint(path, CARD) as checkpoint:
        admitted = await take_in(checkpoint, [row(1), row(2), row(3)])
        await checkpoint.settle([Settlement(admitted[1].id, Status.STARTED, "ab")], {"length": 12}, 200.0)
    async with open_checkpoint(path, CARD) as checkpoint:
        left = await checkpoint.unsettled({Status.SENDING})
        assert [(u.number, u.bucket, u.object, u.intent_at) for u in left] == [
            (1, "bucket", "object-1", 100.0),
            (3, "bucket", "object-3", 100.0),
        ]
        assert await checkpoint.recall("length") == 12


async def test_an_intent_is_on_the_disk_before_admit_returns(path):
    async with open_checkpoint(path, CARD) as checkpoint:
        await take_in(checkpoint, [row(1)])
        # another connection sees only what is committed
        other = sqlite3.connect(path)
        assert [(kept.id, kept.status) for kept in kept_rows(path)] == [(1, Status.SENDING)]
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        other.close()


async def test_an_unchanged_manifest_needs_nothing_and_an_appended_one_only_its_new_rows(path):
    rows = [row(n) for n in range(1, 101)]
    async with open_checkpoint(path, CARD) as checkpoint:
        await start_all(checkpoint, rows)
    async with open_checkpoint(path, CARD) as checkpoint:
        sifted = await checkpoint.sift(rows, left_alone(POLICY))
        assert (sifted.found, sifted.passed) == ([], {Status.STARTED: 100})
        assert numbers(await take_in(checkpoint, [row(101), row(102)])) == [(101, "SENDING"), (102, "SENDING")]


@pytest.mark.parametrize("seed", range(50))
async def test_after_any_edit_of_the_manifest_just_the_new_content_is_taken_in(path, seed):
    dice = random.Random(seed)
    names = [f"object-{dice.randrange(60)}" for _ in range(40)]
    async with open_checkpoint(path, CARD) as checkpoint:
        first = await start_all(checkpoint, [row(n, name) for n, name in enumerate(names, 1)])
    assert sum(a.status is Status.SENDING for a in first) == len(set(names))
    edited = list(names)
    for _ in range(dice.randrange(1, 8)):
        at = dice.randrange(len(edited))
        edit = dice.choice(["insert", "delete", "swap", "replace", "append", "shuffle"])
        if edit == "insert":
            edited.insert(at, f"object-{dice.randrange(90)}")
        elif edit == "delete":
            del edited[at]
        elif edit == "swap":
            other = dice.randrange(len(edited))
            edited[at], edited[other] = edited[other], edited[at]
        elif edit == "replace":
            edited[at] = f"object-{dice.randrange(90)}"
        elif edit == "append":
            edited.append(f"object-{dice.randrange(90)}")
        else:
            dice.shuffle(edited)
    async with open_checkpoint(path, CARD) as checkpoint:
        second = await take_in(checkpoint, [row(n, name) for n, name in enumerate(edited, 1)])
    sent = [a.row.object for a in second if a.status is Status.SENDING]
    assert sorted(sent) == sorted(set(edited) - set(names))


async def test_a_repeated_row_is_a_duplicate_once_and_known_afterwards(path):
    rows = [row(1, "a"), row(2, "b"), row(3, "a"), row(4, "a")]
    async with open_checkpoint(path, CARD) as checkpoint:
        admitted = await start_all(checkpoint, rows[:2])
        assert numbers(admitted) == [(1, "SENDING"), (2, "SENDING")]
        duplicates = await take_in(checkpoint, rows[2:])
        assert numbers(duplicates) == [(3, "DUPLICATE"), (4, "DUPLICATE")]
        await checkpoint.settle([Settlement(a.id, Status.DUPLICATE) for a in duplicates], {}, 200.0)
    for again in (rows, rows[::-1], [rows[1], rows[0], rows[3], rows[2]]):
        async with open_checkpoint(path, CARD) as checkpoint:
            assert await take_in(checkpoint, again) == []


async def test_a_further_copy_is_new_while_the_first_is_sent_again(path):
    async with open_checkpoint(path, CARD) as checkpoint:
        first, copy = await take_in(checkpoint, [row(1, "a"), row(2, "a")])
        await checkpoint.settle(
            [Settlement(first.id, Status.PENDING), Settlement(copy.id, Status.DUPLICATE)], {}, 200.0
        )
    async with open_checkpoint(path, CARD) as checkpoint:
        assert numbers(await take_in(checkpoint, [row(1, "a"), row(2, "a")])) == [(1, "SENDING")]
        assert numbers(await take_in(checkpoint, [row(3, "a")])) == [(3, "DUPLICATE")]


async def test_a_further_copy_is_new_while_the_first_is_in_doubt(path):
    async with open_checkpoint(path, CARD) as checkpoint:
        first, copy = await take_in(checkpoint, [row(1, "a"), row(2, "a")])
        await checkpoint.settle(
            [Settlement(first.id, Status.IN_DOUBT), Settlement(copy.id, Status.DUPLICATE)], {}, 200.0
        )
    async with open_checkpoint(path, CARD) as checkpoint:
        admitted = await take_in(checkpoint, [row(1, "a"), row(2, "a"), row(3, "a")])
        assert [(new.row.number, new.copy, new.status) for new in admitted] == [(3, 3, Status.DUPLICATE)]


async def test_duplicates_are_started_when_they_are_allowed_later(path):
    rows = [row(1, "a"), row(2, "a"), row(3, "a")]
    allow = Policy(allow_duplicates=True)
    async with open_checkpoint(path, CARD) as checkpoint:
        first = await take_in(checkpoint, rows)
        await checkpoint.settle([Settlement(first[0].id, Status.STARTED, "e")], {}, 200.0)
        await checkpoint.settle([Settlement(a.id, Status.DUPLICATE) for a in first[1:]], {}, 200.0)
    async with open_checkpoint(path, CARD) as checkpoint:
        again = await take_in(checkpoint, rows, allow)
        assert numbers(again) == [(2, "SENDING"), (3, "SENDING")]


async def test_a_row_given_back_is_sent_by_the_next_run(path):
    async with open_checkpoint(path, CARD) as checkpoint:
        (admitted,) = await take_in(checkpoint, [row(1)])
        await checkpoint.settle([Settlement(admitted.id, Status.PENDING)], {}, 200.0)
    async with open_checkpoint(path, CARD) as checkpoint:
        (again,) = await take_in(checkpoint, [row(1)])
        assert (again.id, again.status, again.new) == (admitted.id, Status.SENDING, False)


async def test_a_row_in_doubt_is_held_with_all_that_names_it(path):
    async with open_checkpoint(path, CARD) as checkpoint:
        (admitted,) = await take_in(checkpoint, [row(1)])
        await checkpoint.settle([Settlement(admitted.id, Status.IN_DOUBT)], {}, 200.0)
    async with open_checkpoint(path, CARD) as checkpoint:
        assert await take_in(checkpoint, [row(1)]) == []
        (held,) = await checkpoint.unsettled({Status.IN_DOUBT})
        assert (held.number, held.object, held.intent_at, held.doubt_at) == (1, "object-1", 100.0, 200.0)
        assert await checkpoint.count_unsettled() == {Status.IN_DOUBT: 1}


async def test_an_invalid_row_keeps_its_reason_until_its_record_is_written(path):
    bad = BadRow(5, 6, "b", "", "the key is empty", b"bad".ljust(16, b"."))
    async with open_checkpoint(path, CARD) as checkpoint:
        assert numbers(await take_in(checkpoint, [bad])) == [(5, "INVALID")]
        (left,) = await checkpoint.unsettled({Status.INVALID})
        assert (left.number, left.reason) == (5, "the key is empty")
        await checkpoint.settle([Settlement(left.id, Status.INVALID)], {}, 200.0)
    async with open_checkpoint(path, CARD) as checkpoint:
        assert await take_in(checkpoint, [bad]) == []


async def test_two_contents_that_share_eight_bytes_of_their_keys_are_told_apart(path):
    near = [Row(n, n, "b", f"o{n}", b"", b"same8888" + bytes([n]) * 8) for n in range(1, 6)]
    async with open_checkpoint(path, CARD) as checkpoint:
        assert len(await start_all(checkpoint, near[:4])) == 4
    async with open_checkpoint(path, CARD) as checkpoint:
        # from the back, so that the index and not the order has to find them
        assert numbers(await take_in(checkpoint, [*near[3::-1], near[4], near[4]])) == [
            (5, "SENDING"),
            (5, "DUPLICATE"),
        ]


async def test_a_row_that_is_sent_again_stays_the_copy_of_its_content_that_it_was(path):
    rows = [row(1, "a"), row(2, "a")]
    allow = Policy(allow_duplicates=True)
    async with open_checkpoint(path, CARD) as checkpoint:
        first, second = await take_in(checkpoint, rows, allow)
        await checkpoint.settle([Settlement(second.id, Status.PENDING)], {}, 200.0)
        # as the resend of released rows does, which knows nothing of copies
        await checkpoint.admit([Admitted(second.id, second.row, Status.SENDING, 1, new=False)], 300.0)
        await checkpoint.settle([Settlement(each.id, Status.STARTED, "ab") for each in (first, second)], {}, 400.0)
    assert [(kept.id, kept.copy, kept.status) for kept in kept_rows(path)] == [
        (1, 1, Status.STARTED),
        (2, 2, Status.STARTED),
    ]
    async with open_checkpoint(path, CARD) as checkpoint:
        assert await take_in(checkpoint, rows[::-1], allow) == []


async def test_a_row_admitted_again_beside_an_open_one_of_its_first_block_has_its_later_intent(path):
    async with open_checkpoint(path, CARD) as checkpoint:
        first, second = await take_in(checkpoint, [row(1), row(2)])
        await checkpoint.settle([Settlement(first.id, Status.PENDING)], {}, 200.0)
        await checkpoint.admit([structs.replace(first, new=False)], 300.0)
    async with open_checkpoint(path, CARD) as checkpoint:
        left = await checkpoint.unsettled({Status.SENDING})
        assert [(each.id, each.intent_at) for each in left] == [(first.id, 300.0), (second.id, 100.0)]
        await checkpoint.settle([Settlement(first.id, Status.STARTED, "ab")], {}, 400.0)
    async with open_checkpoint(path, CARD) as checkpoint:
        assert [each.id for each in await checkpoint.unsettled({Status.SENDING})] == [second.id]


STATES_OF_SETTLEMENTS = (Status.STARTED,) * 5 + (Status.REJECTED, Status.PENDING, Status.PENDING, Status.IN_DOUBT)


@pytest.mark.long(small=1 / 3, ci=1 / 2)
@pytest.mark.parametrize("seed", range(30))
async def test_whatever_happens_to_its_rows_the_checkpoint_tells_what_it_was_told(path, seed):
    dice = random.Random(seed)
    told, intents = {}, {}
    rows = [row(number) for number in range(1, 60)]
    shown = 0
    for _ in range(4):
        async with open_checkpoint(path, CARD) as checkpoint:
            assert {kept.id: kept.status for kept in kept_rows(path)} == told
            left = await checkpoint.unsettled(set(Status))
            assert {each.id: (each.status, each.intent_at) for each in left} == intents
            assert await checkpoint.count_unsettled() == Counter(state for state, _ in intents.values())
            for now in range(dice.randint(1, 30)):
                free = [id_ for id_, state in told.items() if state is Status.PENDING]
                again = [
                    Admitted(id_, rows[id_ - 1], Status.SENDING, new=False) for id_ in dice.sample(free, len(free) // 2)
                ]
                new = [Admitted(each.number, each, Status.SENDING) for each in rows[shown : shown + dice.randint(0, 3)]]
                shown += len(new)
                await checkpoint.admit(new + again, float(now))
                told |= {each.id: Status.SENDING for each in new + again}
                intents |= {each.id: (Status.SENDING, float(now)) for each in new + again}
                open_ids = dice.sample(sorted(intents), dice.randint(0, len(intents)))
                settlements = [Settlement(id_, dice.choice(STATES_OF_SETTLEMENTS), "ab") for id_ in open_ids]
                await checkpoint.settle(settlements, {}, 999.0)
                for each in settlements:
                    told[each.id] = each.status
                    _, at = intents.pop(each.id)
                    if each.status is Status.IN_DOUBT:
                        intents[each.id] = (each.status, at)
    async with open_checkpoint(path, CARD) as checkpoint:
        sifted = await checkpoint.sift(dice.sample(rows, len(rows)), {Status.STARTED})
        found = {each.row.number: each.status for each in sifted.found}
    assert sifted.passed == Counter(state for state in told.values() if state is Status.STARTED)
    assert found == {each.number: told.get(each.number) for each in rows if told.get(each.number) is not Status.STARTED}


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (structs.replace(CARD, endpoint="https://obs.other.com"), "endpoint"),
        (structs.replace(CARD, workflow="remux"), "workflow"),
        (structs.replace(CARD, static_inputs='{"a":1}'), "static inputs"),
        (structs.replace(CARD, dialect="other"), "dialect"),
        (structs.replace(CARD, project="p"), "project"),
    ],
)
async def test_another_jobs_checkpoint_is_refused_by_name(path, other, named):
    async with open_checkpoint(path, CARD):
        pass
    with pytest.raises(OtherJobError, match=named) as caught:
        async with open_checkpoint(path, other):
            pass
    assert caught.value.exit_code == 78


async def test_a_checkpoint_of_another_version_is_refused(path):
    async with open_checkpoint(path, CARD):
        pass
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(OtherJobError, match="format 99") as caught:
        async with open_checkpoint(path, CARD):
            pass
    assert caught.value.advice == "Use the version of batcher that last worked on this job, or a newer one."


async def test_a_foreign_database_is_refused_and_left_as_it_is(path):
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE theirs (x)")
    db.close()
    before = path.read_bytes()
    with pytest.raises(OtherJobError, match="not a checkpoint of batcher"):
        async with open_checkpoint(path, CARD):
            pass
    assert path.read_bytes() == before


async def test_a_file_that_is_no_database_is_a_disk_error(path):
    path.write_bytes(b"not a database at all, but long enough to look at" * 100)
    with pytest.raises(DiskError, match="damaged") as caught:
        async with open_checkpoint(path, CARD):
            pass
    assert caught.value.exit_code == 74


async def test_a_file_left_by_a_run_that_ended_before_its_first_commit_is_as_good_as_new(path):
    for start in (b"", None):
        path.unlink(missing_ok=True)
        if start is None:
            sqlite3.connect(path).execute("PRAGMA journal_mode=WAL").connection.close()
            assert path.stat().st_size > 0
        else:
            path.write_bytes(start)
        async with open_checkpoint(path, CARD) as checkpoint:
            assert len(await start_all(checkpoint, [row(1)])) == 1


async def test_a_folder_that_does_not_exist_is_named(tmp_path):
    missing = tmp_path / "nowhere" / "x.checkpoint"
    with pytest.raises(DiskError, match="nowhere"):
        async with open_checkpoint(missing, CARD):
            pass


async def test_the_checkpoint_is_readable_by_its_owner_only(path):
    async with open_checkpoint(path, CARD) as checkpoint:
        await take_in(checkpoint, [row(1)])
        files = sorted(path.parent.iterdir())
        assert [file.name for file in files] == [path.name + end for end in ("", "-shm", "-wal", ".lock")]
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert list(path.parent.iterdir()) == [path]


def _hold(path, held, done):
    async def hold():
        async with open_checkpoint(path, CARD):
            held.set()
            done.wait(60)

    asyncio.run(hold())


async def test_a_second_run_is_refused_until_the_first_is_gone_even_by_a_kill(path):
    spawn = multiprocessing.get_context("spawn")
    held, done = spawn.Event(), spawn.Event()
    first = spawn.Process(target=_hold, args=(path, held, done))
    first.start()
    await asyncio.to_thread(held.wait, 60)
    with pytest.raises(BusyError) as caught:
        async with open_checkpoint(path, CARD):
            pass
    assert caught.value.exit_code == 75
    os.kill(first.pid, 9)
    first.join()
    async with open_checkpoint(path, CARD) as checkpoint:
        assert len(await take_in(checkpoint, [row(1)])) == 1


async def test_a_look_at_the_checkpoint_does_not_keep_a_run_from_it(path):
    with path.open("w") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        threading.Timer(0.06, fcntl.flock, (looking, fcntl.LOCK_UN)).start()
        async with open_checkpoint(path, CARD) as checkpoint:
            assert len(await take_in(checkpoint, [row(1)])) == 1


async def test_when_a_commit_fails_everybody_who_waited_for_it_gets_the_error_and_so_do_all_later(path):
    async with open_checkpoint(path, CARD) as checkpoint:
        await take_in(checkpoint, [row(1)])
        blocker = sqlite3.connect(path)
        page_limit = blocker.execute("PRAGMA page_count").fetchone()[0]
        blocker.close()
        await checkpoint._do(lambda store: store._db.execute(f"PRAGMA max_page_count = {page_limit}").close())
        big = [
            [Admitted(n * 100 + k, row(n * 100 + k, "x" * 900), Status.SENDING) for k in range(99)] for n in range(1, 4)
        ]
        results = await asyncio.gather(*(checkpoint.admit(rows, 1.0) for rows in big), return_exceptions=True)
        assert [type(result) for result in results] == [DiskError] * 3
        with pytest.raises(DiskError, match="full"):
            await checkpoint.settle([], {}, 200.0)
    async with open_checkpoint(path, CARD) as checkpoint:
        assert [u.number for u in await checkpoint.unsettled({Status.SENDING})] == [1]


async def test_what_verdicts_rely_on_is_done_before_they_are_committed(path):
    states = []
    async with open_checkpoint(path, CARD) as checkpoint:
        (admitted,) = await take_in(checkpoint, [row(1)])
        settlements = [Settlement(admitted.id, Status.STARTED, "ab")]
        await checkpoint.settle(settlements, {}, before=lambda: states.extend(kept_rows(path)))
        states += kept_rows(path)
    assert [(kept.id, kept.status) for kept in states] == [(1, Status.SENDING), (1, Status.STARTED)]


async def test_where_records_cannot_be_written_no_verdict_is_noted_and_nothing_later(path):
    def fail():
        raise DiskError("the disk is full")

    async with open_checkpoint(path, CARD) as checkpoint:
        (admitted,) = await take_in(checkpoint, [row(1)])
        settlements = [Settlement(admitted.id, Status.STARTED, "ab")]
        waiting = [checkpoint.settle(settlements, {}, before=fail), take_in(checkpoint, [row(2)])]
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [str(result) for result in results] == ["the disk is full"] * 2
        with pytest.raises(DiskError, match="the disk is full"):
            await checkpoint.remember({"length": 1})
    assert [(kept.id, kept.status) for kept in kept_rows(path)] == [(1, Status.SENDING)]


@pytest.mark.parametrize("count", [1, 1024, 1025, 3000])
async def test_many_rows_are_noted_as_few_are(path, count):
    async with open_checkpoint(path, CARD) as checkpoint:
        await start_all(checkpoint, [row(number) for number in range(1, count + 1)])
    assert [(kept.id, kept.status) for kept in kept_rows(path)] == [
        (number, Status.STARTED) for number in range(1, count + 1)
    ]


@pytest.mark.parametrize("name", ["84a3dd2bd67f43aa9b98cdd74604ca68", "ABCDEF", "e-1", "0", "ab cd", "\u7247"])
async def test_an_execution_name_comes_back_as_it_was(path, name):
    async with open_checkpoint(path, CARD) as checkpoint:
        (admitted,) = await take_in(checkpoint, [row(1)])
        await checkpoint.settle([Settlement(admitted.id, Status.STARTED, name)], {}, 200.0)
    assert [kept.execution for kept in kept_rows(path)] == [name]
