"""Keys that are cut into parts, in memory and in a file."""

import tempfile
from contextlib import closing
from hashlib import blake2b

import pytest

from batcher.edges.parts import Partition, partition
from batcher.errors import DiskError


def entries(count):
    return [(blake2b(str(n).encode(), digest_size=16).digest(), n) for n in range(count)]


@pytest.mark.parametrize("most_kept", [1, 100, 999, 10_000])
def test_every_key_comes_back_in_the_part_of_its_first_byte_and_in_order(monkeypatch, most_kept):
    monkeypatch.setattr(partition, "MOST_KEPT", most_kept)
    monkeypatch.setattr(partition, "MOST_AT_ONCE", 50)
    added = entries(3000)
    with closing(Partition()) as kept:
        for first in range(0, len(added), 70):
            kept.add(added[first : first + 70])
        parts = list(kept.parts())
    assert [{key[0] for key in part.keys} for part in parts] == [{n} for n in range(256)]
    for part in parts:
        assert list(part.numbers) == sorted(part.numbers)
    assert sorted((key, n) for part in parts for key, n in zip(part.keys, part.numbers, strict=True)) == sorted(added)


def test_a_partition_without_keys_has_empty_parts():
    with closing(Partition()) as kept:
        assert [(list(part.keys), list(part.numbers)) for part in kept.parts()] == [([], [])] * 256


def test_a_folder_that_cannot_be_written_ends_the_job_with_advice(monkeypatch, tmp_path):
    monkeypatch.setattr(partition, "MOST_KEPT", 1)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with (
        closing(Partition()) as kept,
        pytest.raises(DiskError, match="nowhere: the temporary file cannot be used") as caught,
    ):
        kept.add(entries(2))
    assert "TMPDIR" in caught.value.advice


def test_a_long_stream_is_put_away_while_it_comes(monkeypatch):
    monkeypatch.setattr(partition, "MOST_KEPT", 100)
    monkeypatch.setattr(partition, "MOST_AT_ONCE", 50)
    in_memory = []
    with closing(Partition()) as kept:

        def watched():
            for entry in entries(2000):
                in_memory.append(sum(map(len, kept._numbers)))
                yield entry

        kept.add(watched())
        # All but the last of those that are added at once.
        assert max(in_memory) == 99
        assert sum(len(part.keys) for part in kept.parts()) == 2000
