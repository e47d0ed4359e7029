"""A new job finds each repeated row of its manifest, wherever the rows stop to ascend and however they are cut."""

import sqlite3
from collections import Counter
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from batcher.edges.checkpoint.index import ScratchIndex
from batcher.edges.checkpoint.store import Store
from batcher.model import Admitted, BadRow, Row, Status
from batcher.rules.job.card import Card
from batcher.rules.rows.identity import bad_key, content_key
from batcher.rules.rows.plain_rows import PlainRows

BUCKETS, OBJECTS = st.sampled_from("ab"), st.sampled_from([f"o{number}" for number in range(6)])
SPLIT = st.lists(st.lists(st.tuples(BUCKETS, OBJECTS), min_size=1, max_size=8), max_size=5)


def blocks_of(split, bad, *, ascend):
    """Make blocks of rows. The first `ascend` of them are sorted; rows with a number in `bad` are bad."""
    number = count(1)
    head = sorted({name for block in split[:ascend] for name in block})
    for names in ([head] if head else []) + split[ascend:]:
        numbers = [next(number) for _ in names]
        if bad.isdisjoint(numbers):
            buckets, objects = zip(*names, strict=True)
            yield PlainRows(numbers[0], numbers[0], list(buckets), list(objects), [b""] * len(names))
        else:
            yield [
                BadRow(at, at, bucket, key, "reason", bad_key(key))
                if at in bad
                else Row(at, at, bucket, key, b"", content_key(bucket, key, b""))
                for at, (bucket, key) in zip(numbers, names, strict=True)
            ]


@settings(max_examples=60)
@given(SPLIT, st.sets(st.integers(1, 40), max_size=2), st.integers(0, 5), st.booleans())
def test_every_copy_of_a_content_is_numbered_where_rows_ascend_and_where_they_do_not(
    tmp_path_factory, split, bad, ascend, admits
):
    path = tmp_path_factory.mktemp("job") / "checkpoint"
    path.touch()
    store = Store.open(path, Card("https://e", "w"))
    seen = Counter()
    for block in blocks_of(split, bad, ascend=ascend):
        store.begin()
        found = store.sift(block, frozenset()).found
        for row, each in zip(block, found, strict=True):
            seen[row.key] += 1
            assert (each.row, each.id, each.status, each.copy) == (row, row.number, None, seen[row.key])
        if admits:
            store.admit([Admitted(each.id, each.row, Status.PENDING, each.copy) for each in found], 0.0)
        store.commit()
    store.close()


def test_keys_that_are_only_noted_have_a_small_cache_and_the_index_its_whole_one():
    db = sqlite3.connect(":memory:", isolation_level=None)
    index = ScratchIndex(db)

    def cache():
        return -db.execute("PRAGMA scratch.cache_size").fetchone()[0]

    for block in range(200):
        index.note([b"%016d" % (block * 640 + each) for each in range(640)], 1 + block * 640)
    sizes = [cache()]
    index.load_noted(200 * 640)
    assert [*sizes, cache()] == [256, 8192]
    assert index.find(b"%016d" % 99_999, 1).id == 100_000
