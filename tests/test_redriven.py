"""What is decided about restores: what a state proves about one in doubt, and when a list shows the next end."""

import pytest

from batcher.model import Execution
from batcher.rules.ends.followed import Known
from batcher.rules.ends.redriven import Doubt, Shown, end_since, shown

NOW = 1_795_509_000.0  # 2026-11-24T08:30:00Z
BEFORE, AFTER = "2026-11-24T08:29:50.500Z", "2026-11-24T08:30:04Z"


def known(end="failed", ended_at=BEFORE, **since):
    return Known(1, "e1", 1, "videos", "o", NOW - 60, end, ended_at, None, None, **since)


def seen(state, made, *, stopped_at=BEFORE, renames=False, at=NOW, until=NOW + 2, ended_at=BEFORE):
    doubt = Doubt(known(ended_at=ended_at), at, until)
    return shown(doubt, Execution("e1", state=state, stopped_at=stopped_at), made, 30.0, renames=renames)


@pytest.mark.parametrize(
    ("state", "stopped_at", "expected"),
    [
        ("RUNNING", "", Shown.RESTORED),
        ("SUCCESS", AFTER, Shown.RESTORED),
        ("TIMEOUT", "", Shown.RESTORED),
        ("Paused", "", Shown.RESTORED),
        ("FAILED", AFTER, Shown.RESTORED),
        ("FAILED", BEFORE, Shown.EARLY),
        # A detail in whole seconds, without a time, and in another zone: none shows that it failed again.
        ("fail", "2026-11-24T08:29:50Z", Shown.EARLY),
        ("FAILED", "", Shown.EARLY),
        ("FAILED", "2026-11-24T00:29:50Z", Shown.EARLY),
    ],
)
def test_a_state_other_than_the_one_before_proves_a_restore(state, stopped_at, expected):
    assert seen(state, NOW + 5, stopped_at=stopped_at) is expected
    assert seen(state, NOW + 5, stopped_at=stopped_at, renames=True) is (
        Shown.RENAMED if expected is Shown.EARLY else expected
    )


def test_only_the_former_state_after_a_settle_time_proves_that_nothing_was_restored():
    assert seen("FAILED", NOW + 31.9) is Shown.EARLY
    assert seen("FAILED", NOW + 32) is Shown.NOT_RESTORED
    assert seen("FAILED", NOW + 3600, renames=True) is Shown.RENAMED
    assert seen("FAILED", NOW + 3600, until=0.0) is Shown.EARLY


def test_an_answer_without_a_time_or_from_before_the_restore_proves_nothing():
    for state in ("RUNNING", "FAILED"):
        assert seen(state, None) is Shown.UNDATED
        assert seen(state, NOW, at=0.0) is Shown.UNDATED
        assert seen(state, NOW - 2) is Shown.OLD


def since(state, stopped_at, made, *, former="failed", ended_at=BEFORE):
    redriven = known(None, ended_at, redrives=1, redriven_at=NOW, former=former)
    return end_since(redriven, Execution("e1", state=state, stopped_at=stopped_at), made, 30.0)


@pytest.mark.parametrize("made", [None, NOW + 1, NOW + 3600])
def test_an_end_that_differs_from_the_former_one_is_a_new_one_and_an_equal_fraction_shows_an_old_list(made):
    assert since("RUNNING", "", made) is None
    assert since("SUCCESS", AFTER, made) == "succeeded"
    assert since("SUCCESS", BEFORE, made) == "succeeded"
    assert since("FAILED", AFTER, made) == "failed"
    assert since("FAILED", BEFORE, made) is None


@pytest.mark.parametrize("text", ["", "2026-11-24T08:29", "2026-11-24", "1795508990500"])
def test_an_end_that_looks_like_the_former_one_counts_once_the_list_is_a_settle_time_younger(text):
    assert since("FAILED", text, None, ended_at=text) is None
    assert since("FAILED", text, NOW + 29, ended_at=text) is None
    assert since("FAILED", text, NOW + 30, ended_at=text) == "failed"


def test_the_end_of_an_execution_that_was_never_restored_is_what_the_list_shows():
    assert end_since(known(None, ""), Execution("e1", state="FAILED", stopped_at=BEFORE), None, 30.0) == "failed"
