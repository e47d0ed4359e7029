"""Each kind of death of workers, of a cluster and of the command: no row is started twice, and none is lost."""

import pytest
from deaths import KINDS, is_good, trial


@pytest.mark.long(small=0, ci=1 / 3)
@pytest.mark.parametrize("name", KINDS)
async def test_whatever_dies_each_row_is_started_once_unless_the_protection_is_left_out(name, tmp_path, monkeypatch):
    # The trial has a folder of its own, and leaves it.
    monkeypatch.chdir(tmp_path)
    seen, said = await trial(name, 1500)
    assert is_good(name, seen), (seen, said)
