"""The scratch, and files that are there whole or not at all."""

import stat

import pytest

from batcher.edges.scratch import scratch
from batcher.edges.whole_file import whole_file
from batcher.errors import DiskError, UsageError


def test_values_come_back_by_key_in_their_order_until_they_are_removed():
    with scratch() as kept:
        kept.add([(1, 10), (2, 20), (b"k", b"v")])
        kept.add((1, value) for value in (5, 10))
        assert [value for _, value in kept.find(1)] == [10, 5, 10]
        assert [value for _, value in kept.find(b"k")] == [b"v"]
        assert kept.find(3) == []
        (first, _), *_ = kept.find(1)
        kept.remove(1, first)
        assert [value for _, value in kept.find(1)] == [5, 10]
        assert len(kept) == 4


def test_a_whole_file_takes_its_place_when_it_is_complete(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    (tmp_path / "link").symlink_to(path)
    with whole_file(tmp_path / "link") as file:
        file.write(b"new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert (tmp_path / "link").is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), whole_file(path) as file:
        file.write(b"%d" % (1 // 0))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_no_place_for_a_file(tmp_path):
    with pytest.raises(UsageError, match="not a regular file"), whole_file(tmp_path):
        pass
    with (
        pytest.raises(DiskError, match="cannot be written: No such file or directory"),
        whole_file(tmp_path / "a" / "b"),
    ):
        pass
