"""What becomes of a row on its first and on its next look at the manifest."""

import pytest

from batcher.model import Admitted, BadRow, Found, Row, State
from batcher.rules.rows.admission import Policy, admission, left_alone

ROW = Row(1, 2, "b", "o", b"", b"k" * 16)
BAD = BadRow(1, 2, "b", "", "empty key", b"x" * 16)
PLAIN, RETRY, COPIES = Policy(), Policy(retry_rejected=True), Policy(allow_duplicates=True)


@pytest.mark.parametrize(
    ("row", "state", "copy", "policy", "expected"),
    [
        (ROW, None, 1, PLAIN, State.INTENT),
        (ROW, None, 2, PLAIN, State.DUPLICATE),
        (ROW, None, 2, COPIES, State.INTENT),
        (ROW, State.PENDING, 1, PLAIN, State.INTENT),
        (ROW, State.PENDING, 2, PLAIN, State.DUPLICATE),
        (ROW, State.INTENT, 1, PLAIN, None),
        (ROW, State.STARTED, 1, PLAIN, None),
        (ROW, State.STARTED, 1, COPIES, None),
        (ROW, State.STARTED, 1, RETRY, None),
        (ROW, State.REJECTED, 1, PLAIN, None),
        (ROW, State.REJECTED, 1, RETRY, State.INTENT),
        (ROW, State.DUPLICATE, 2, PLAIN, None),
        (ROW, State.DUPLICATE, 2, COPIES, State.INTENT),
        (ROW, State.IN_DOUBT, 1, PLAIN, None),
        (ROW, State.IN_DOUBT, 1, RETRY, None),
        (ROW, State.IN_DOUBT, 1, COPIES, None),
        (BAD, None, 1, PLAIN, State.INVALID),
        (BAD, None, 2, COPIES, State.INVALID),
        (BAD, State.INVALID, 1, PLAIN, None),
        (BAD, State.INVALID, 1, RETRY, None),
        (ROW, State.INVALID, 1, PLAIN, None),
        (ROW, State.INVALID, 1, RETRY, State.INTENT),
    ],
)
def test_a_row_is_sent_only_if_it_is_surely_not_started(row, state, copy, policy, expected):
    decided = admission(Found(7, row, state, copy), policy)
    wanted = None if expected is None else Admitted(7, row, expected, copy, new=state is None)
    assert decided == wanted


@pytest.mark.parametrize("row", [ROW, BAD])
@pytest.mark.parametrize("policy", [PLAIN, RETRY, COPIES])
def test_a_dismissed_row_is_never_sent_again(row, policy):
    assert admission(Found(7, row, State.DISMISSED, 1), policy) is None


@pytest.mark.parametrize("policy", [PLAIN, RETRY, COPIES, Policy(retry_rejected=True, allow_duplicates=True)])
def test_the_states_left_alone_are_those_for_which_nothing_is_decided(policy):
    alone = {s for s in State if admission(Found(1, ROW, s, 1), policy) is None}
    assert alone == set(left_alone(policy))
