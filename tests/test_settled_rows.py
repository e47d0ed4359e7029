"""The table of settled rows: whatever is added, sent again, dismissed and merged, it says how each row stands last."""

import random
import sqlite3
from collections import Counter
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.edges.checkpoint.groups import Group, decoded, encoded, is_broken
from batcher.edges.checkpoint.schema import SETTLED_TABLE, sum_of
from batcher.edges.checkpoint.settled_rows import FAILED, FEW, MOST_UNMERGED, SettledRows
from batcher.model import NUMBERS, STATUSES, Settlement, Status

ENDS = (Status.STARTED,) * 6 + (Status.REJECTED, Status.INVALID, Status.REFUSED, Status.PENDING, Status.DUPLICATE)
SEGMENT = 1024


def open_table():
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.execute(SETTLED_TABLE)
    return closing(db)


def key(id_):
    return f"{id_:016d}".encode()


def settle(table, model, dice, ids):
    """Settle rows with any statuses, in the table and in the model."""
    rows = {id_: (key(id_), dice.choice([1, 1, 1, 2]), id_ + dice.choice([0, 0, 5])) for id_ in sorted(ids)}
    if dice.random() < 0.6:
        rows = {id_: (key(id_), 1, id_) for id_ in rows}
    usual = dice.random() < 0.6
    settlements = []
    for id_ in rows:
        status = Status.STARTED if usual else dice.choice(ENDS)
        name = dice.choice([dice.randbytes(16).hex(), "Odd"]) if not usual else dice.randbytes(16).hex()
        settlements.append(Settlement(id_, status, name if status is Status.STARTED else ""))
    table.add(settlements, list(rows.values()))
    model |= {each.id: (*rows[each.id], each.status, each.execution) for each in settlements}


def kept(table):
    return {id_: (key_, copy, number, STATUSES[state], name) for id_, key_, copy, number, state, name in table.rows()}


@pytest.mark.parametrize("seed", range(8))
def test_it_tells_what_it_was_told_also_of_rows_that_are_sent_again_and_after_entries_are_merged(seed):
    dice = random.Random(seed)
    segments = list(range(3 * MOST_UNMERGED))
    with open_table() as db:
        table, model, sent = SettledRows(db), {}, set()
        sizes = [0]
        for turn in range(120):
            # Most rows are near the latest ones, and some have waited for long.
            segment = dice.choice(segments[: turn // 3 + 1][-3:] + dice.choices(segments[: turn // 3 + 1], k=1))
            ids = {segment * SEGMENT + dice.randrange(1, 1500) for _ in range(dice.randrange(1, 12))}
            ids -= model.keys() - sent
            if ids:
                settle(table, model, dice, ids)
                sent -= ids
            if dice.random() < 0.3:
                free = [id_ for id_, row in model.items() if row[3] is not Status.STARTED and id_ not in sent]
                again = dice.sample(free, min(3, len(free)))
                assert table.reopen(again) == {id_: model[id_][1] for id_ in again}
                sent |= set(again)
            if turn == 80:
                failed = [id_ for id_, row in model.items() if row[3] in FAILED and id_ not in sent]
                assert table.dismiss() == len(failed)
                model |= {id_: (*model[id_][:3], Status.DISMISSED, "") for id_ in failed}
            if dice.random() < 0.3:
                after = dice.choice(list(model))
                ids = [row[0] for row in table.following(after, 5)]
                assert ids == [id_ for id_ in sorted(model.keys() - sent) if id_ > after][:5]
                some = dice.sample(sorted(model), len(model) // 3)
                assert table.settled(some) == set(some) - sent
            sizes.append(db.execute("SELECT count(*) FROM settled").fetchone()[0])
            table = table if dice.random() < 0.8 else SettledRows(db)
        assert sizes != sorted(sizes)
        expected = {id_: model[id_] for id_ in sorted(model) if id_ not in sent}
        for each in (table, SettledRows(db)):
            assert each.sum == sum_of(db, "settled")
            assert list(kept(each).items()) == list(expected.items())
            assert each.count() == Counter(row[3] for row in expected.values())
            assert each.settled(model) == expected.keys()
            assert each.last_id() >= max(expected)
            after = dice.choice(list(model))
            ids = [row[0] for row in each.following(after, 50)]
            assert ids == [id_ for id_ in expected if id_ > after][:50]
            names = {row[4] for row in expected.values()} - {""}
            assert each.owned([*names, "f" * 32, "Other"]) == names
            assert each.has_any([b"x" * 16, key(dice.choice(list(expected)))])
            assert not each.has_any([b"x" * 16, key(dice.choice(list(expected)))[:8] + b"x" * 8])


def test_a_segment_whose_rows_are_settled_in_small_groups_has_one_entry_in_the_end():
    dice = random.Random(1)
    with open_table() as db:
        table, model = SettledRows(db), {}
        for first in range(1, (MOST_UNMERGED + 3) * SEGMENT, 16):
            names = [dice.randbytes(16).hex() for _ in range(16)]
            ids = range(first, first + 16)
            table.add(
                [Settlement(id_, Status.STARTED, name) for id_, name in zip(ids, names, strict=True)],
                [(key(id_), 1, id_) for id_ in ids],
            )
            model |= dict(zip(ids, names, strict=True))
        assert {row[0]: row[-1] for row in table.rows()} == model
        of_first = db.execute("SELECT count(*) FROM settled WHERE id < 1 << 40").fetchone()[0]
        assert of_first == 1 < FEW < SEGMENT / 16


NAMES = st.one_of(
    st.just(""),
    st.text(),
    st.binary(min_size=16, max_size=16).map(bytes.hex),
    st.text("0123456789abcdefABCDEF ", min_size=32, max_size=32),
)
ROWS = st.lists(
    st.tuples(
        st.integers(0, 1023),
        st.binary(min_size=16, max_size=16),
        st.integers(1, 2**40),
        st.integers(0, 2**40),
        st.sampled_from(sorted(NUMBERS.values())),
        NAMES,
    ),
    min_size=1,
    unique_by=lambda row: row[0],
)


@given(segment=st.integers(0, 2**22), rows=ROWS)
def test_a_group_comes_back_as_it_was_and_each_change_of_its_entry_is_noticed(segment, rows):
    group = Group(*zip(*[((segment << 10) + place, *rest) for place, *rest in sorted(rows)], strict=True))
    entry = encoded(segment << 40 | 7, group)
    assert [list(column) for column in decoded(entry)] == [list(column) for column in group]
    for at, value in enumerate(entry):
        for other in (None, b"", "", 0, b"0", "0", -1):
            if type(other) is not type(value) or other != value:
                assert is_broken((*entry[:at], other, *entry[at + 1 :]))
