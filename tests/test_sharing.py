"""What the ledger has of a row, and what a job does with what it finds there: each cell of the tables."""

import pytest

from batcher.model import BadRow, Found, Row, Status, Unsettled
from batcher.rules.records.codec import record_of_duplicate
from batcher.rules.rows.admission import Policy, admission, left_alone
from batcher.rules.rows.sharing import (
    CLAIMED_ELSEWHERE,
    HELD_ELSEWHERE,
    STARTED_ELSEWHERE,
    UNKNOWN_ROW,
    Entry,
    Fate,
    Holder,
    answer_of,
    entry_of,
    fate,
    is_held_elsewhere,
)

OTHERS_START, OTHERS_CLAIM = Holder(Entry.STARTED, "a.checkpoint", "e1"), Holder(Entry.CLAIMED, "a.checkpoint")
OWN_START, OWN_CLAIM = (
    Holder(Entry.STARTED, "b.checkpoint", "e2", is_own=True),
    Holder(Entry.CLAIMED, "b.checkpoint", is_own=True),
)
ROW = Row(1, 1, "videos", "a", b"", b"k" * 16)


@pytest.mark.parametrize(
    ("holder", "plain", "again", "duplicates"),
    [
        (UNKNOWN_ROW, Fate.SEND, Fate.SEND, Fate.SEND),
        (OTHERS_CLAIM, Fate.HOLD, Fate.SEND, Fate.HOLD),
        (OTHERS_START, Fate.DUPLICATE, Fate.SEND, Fate.DUPLICATE),
        (OWN_CLAIM, Fate.SEND, Fate.SEND, Fate.SEND),
        (OWN_START, Fate.DUPLICATE, Fate.DUPLICATE, Fate.SEND),
    ],
)
def test_a_row_is_sent_only_if_no_other_job_has_it_and_a_start_of_an_older_checkpoint_is_not_repeated(
    holder, plain, again, duplicates
):
    assert fate(holder) is plain
    assert fate(holder, again=True) is again
    assert fate(holder, allow_duplicates=True) is duplicates


@pytest.mark.parametrize(
    ("status", "entry"),
    [
        (Status.PENDING, Entry.NONE),
        (Status.SENDING, Entry.CLAIMED),
        (Status.STARTED, Entry.STARTED),
        (Status.REFUSED, Entry.NONE),
        (Status.REJECTED, Entry.NONE),
        (Status.INVALID, Entry.NONE),
        (Status.DUPLICATE, Entry.NONE),
        (Status.DISMISSED, Entry.NONE),
        (Status.IN_DOUBT, Entry.CLAIMED),
    ],
)
def test_the_ledger_has_of_a_row_what_its_status_in_its_own_job_shows(status, entry):
    assert entry_of(status) is entry
    assert entry_of(status, is_newest=False) is entry


def test_a_claim_of_a_row_that_the_checkpoint_does_not_know_is_dropped_only_if_the_checkpoint_is_the_newest():
    assert entry_of(None) is Entry.NONE
    assert entry_of(None, is_newest=False) is Entry.CLAIMED


def test_a_row_that_waits_for_another_job_is_no_claim_of_its_own():
    assert entry_of(Status.IN_DOUBT, is_held=True) is Entry.NONE
    row = Unsettled(7, Status.IN_DOUBT, 7, "videos", "a", b"", "", HELD_ELSEWHERE)
    assert is_held_elsewhere(row)
    assert not is_held_elsewhere(row._replace(intent_at=0.0))
    record = record_of_duplicate(row, OTHERS_START, 0.0)
    assert (record.status, record.execution_name, record.row) == (Status.DUPLICATE, "e1", 7)


def test_a_record_names_the_job_that_has_the_row():
    assert answer_of(OTHERS_START).code == STARTED_ELSEWHERE
    assert "job a.checkpoint has started this row as execution e1" in answer_of(OTHERS_START).message
    assert (answer_of(OTHERS_CLAIM).code, "job a.checkpoint has" in answer_of(OTHERS_CLAIM).message) == (
        CLAIMED_ELSEWHERE,
        True,
    )
    assert "an earlier run of this job" in answer_of(OWN_START).message


@pytest.mark.parametrize(
    ("policy", "first", "further"),
    [
        (Policy(), False, False),
        (Policy(allow_duplicates=True), False, True),
        (Policy(again=True), True, False),
        (Policy(allow_duplicates=True, again=True), True, True),
    ],
)
def test_a_first_copy_that_is_a_duplicate_is_another_jobs_and_only_again_sends_it(policy, first, further):
    sent = [admission(Found(copy, ROW, Status.DUPLICATE, copy), policy) is not None for copy in (1, 2)]
    assert sent == [first, further]
    assert (Status.DUPLICATE in left_alone(policy)) is not (first or further)
    assert admission(Found(1, BadRow(1, 1, "", "", "bad", b"k" * 16), Status.INVALID, 1), policy) is None
