"""--limit over shards: exactly as many rows as it says if they are left, however workers end."""

from hypothesis import given
from hypothesis import strategies as st

from batcher.rules.shards.quota import Quota, parts


def send(quota, shards, left, dice):
    """Let each shard send what it may, in one or more workers. Return what they have sent."""
    sent = dict.fromkeys(left, 0)
    while shards:
        for shard in shards:
            while (allowed := quota.left(shard)) and left[shard]:
                now = min(allowed, left[shard], dice(allowed))
                sent[shard] += now
                left[shard] -= now
                # Killed, and replaced: what was sent counts.
                quota.note(shard, sent[shard], can_go_on=True)
            quota.note(shard, sent[shard], can_go_on=quota.left(shard) == 0)
        shards = quota.divide()
    return sent


@given(st.integers(1, 60), st.lists(st.integers(0, 30), min_size=1, max_size=9), st.data())
def test_the_shards_send_as_many_rows_as_the_limit_or_all_that_are_left(most, rows, data):
    quota, left = Quota(most, len(rows)), dict(enumerate(rows))
    first = [shard for shard in left if quota.left(shard) != 0]
    sent = send(quota, first, left, lambda allowed: data.draw(st.integers(1, allowed)))
    assert sum(sent.values()) == min(most, sum(rows))
    assert all(count <= rows[shard] for shard, count in sent.items())


def test_without_workers_that_die_the_division_depends_on_the_rows_only():
    assert parts(8, [0, 1, 2]) == {0: 3, 1: 3, 2: 2}
    quota = Quota(8, 3)
    quota.note(0, 3, can_go_on=True)
    quota.note(1, 3, can_go_on=True)
    # It had one row left.
    quota.note(2, 1, can_go_on=False)
    assert (quota.divide(), quota.left(0), quota.left(1)) == ([0], 1, 0)
    quota.note(0, 4, can_go_on=True)
    assert quota.divide() == []


def test_a_shard_that_has_ended_for_another_reason_is_not_run_again_and_without_a_limit_none_is():
    quota = Quota(4, 2)
    quota.note(0, 1, can_go_on=True)
    quota.note(1, 2, can_go_on=True)
    # The first was asked to end: it could have sent another row.
    assert (quota.divide(), quota.left(0), quota.left(1)) == ([1], 1, 1)
    assert (Quota(None, 2).left(1), Quota(None, 2).divide()) == (None, [])
