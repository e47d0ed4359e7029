"""What becomes of a row on its first and on its next look at the manifest."""

import pytest

from batcher.model import Admitted, BadRow, Found, Row, Status
from batcher.rules.rows.admission import Policy, admission, left_alone

ROW = Row(1, 2, "b", "o", b"", b"k" * 16)
BAD = BadRow(1, 2, "b", "", "empty key", b"x" * 16)
PLAIN, RETRY, COPIES = Policy(), Policy(retry_rejected=True), Policy(allow_duplicates=True)


@pytest.mark.parametrize(
    ("row", "state", "copy", "policy", "expected"),
    [
        (ROW, None, 1, PLAIN, Status.SENDING),
        (ROW, None, 2, PLAIN, Status.DUPLICATE),
        (ROW, None, 2, COPIES, Status.SENDING),
        (ROW, Status.PENDING, 1, PLAIN, Status.SENDING),
        (ROW, Status.PENDING, 2, PLAIN, Status.DUPLICATE),
        (ROW, Status.SENDING, 1, PLAIN, None),
        (ROW, Status.STARTED, 1, PLAIN, None),
        (ROW, Status.STARTED, 1, COPIES, None),
        (ROW, Status.STARTED, 1, RETRY, None),
        (ROW, Status.REJECTED, 1, PLAIN, None),
        (ROW, Status.REJECTED, 1, RETRY, Status.SENDING),
        (ROW, Status.DUPLICATE, 2, PLAIN, None),
        (ROW, Status.DUPLICATE, 2, COPIES, Status.SENDING),
        (ROW, Status.IN_DOUBT, 1, PLAIN, None),
        (ROW, Status.IN_DOUBT, 1, RETRY, None),
        (ROW, Status.IN_DOUBT, 1, COPIES, None),
        (BAD, None, 1, PLAIN, Status.INVALID),
        (BAD, None, 2, COPIES, Status.INVALID),
        (BAD, Status.INVALID, 1, PLAIN, None),
        (BAD, Status.INVALID, 1, RETRY, None),
        (ROW, Status.INVALID, 1, PLAIN, None),
        (ROW, Status.INVALID, 1, RETRY, Status.SENDING),
    ],
)
def test_a_row_is_sent_only_if_it_is_surely_not_started(row, state, copy, policy, expected):
    decided = admission(Found(7, row, state, copy), policy)
    wanted = None if expected is None else Admitted(7, row, expected, copy, new=state is None)
    assert decided == wanted


@pytest.mark.parametrize("row", [ROW, BAD])
@pytest.mark.parametrize("policy", [PLAIN, RETRY, COPIES])
def test_a_dismissed_row_is_never_sent_again(row, policy):
    assert admission(Found(7, row, Status.DISMISSED, 1), policy) is None


@pytest.mark.parametrize("policy", [PLAIN, RETRY, COPIES, Policy(retry_rejected=True, allow_duplicates=True)])
def test_the_states_left_alone_are_those_for_which_nothing_is_decided(policy):
    # A first copy that is a duplicate is one of another job.
    alone = {s for s in Status if admission(Found(1, ROW, s, 2 if s is Status.DUPLICATE else 1), policy) is None}
    assert alone == set(left_alone(policy))
