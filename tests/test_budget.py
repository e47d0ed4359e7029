"""The retry budget."""

from hypothesis import given, settings
from hypothesis import strategies as st

from batcher.rules.rate.budget import RetryBudget


def spend(budget, now, most=10_000):
    """Take retries until there are none; give how many there were."""
    taken = 0
    while taken < most and budget.take(now):
        taken += 1
    return taken


def test_a_small_job_may_retry_and_a_hundred_retries_are_there_at_the_beginning():
    assert spend(RetryBudget(), 10.0) == 100


def test_a_retry_is_earned_by_ten_starts():
    budget = RetryBudget()
    spend(budget, 10.0)
    for _ in range(105):
        budget.started()
    assert spend(budget, 10.0) == 10


def test_a_start_pays_for_the_refusals_that_come_at_any_rate():
    budget = RetryBudget()
    spend(budget, 10.0)
    for _ in range(95):
        budget.started(0.1)
    # nine in ten attempts start their row: 10.6 retries for 95 rows, and a tenth of the rows
    assert spend(budget, 10.0) == 20


def test_five_retries_a_second_need_no_start():
    budget = RetryBudget()
    spend(budget, 10.0)
    assert [spend(budget, now) for now in (11.0, 11.1, 12.0, 14.0)] == [5, 0, 5, 10]


def test_what_was_earned_long_ago_is_not_saved_up():
    budget = RetryBudget()
    for _ in range(1_000_000):
        budget.started()
    assert spend(budget, 10.0) == 100


@settings(deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.floats(0, 20), st.integers(0, 500), st.integers(0, 300)), min_size=1, max_size=30))
def test_never_more_retries_than_saved_earned_and_trickled(steps):
    budget, now, starts, retries = RetryBudget(), 10.0, 0, 0
    for pause, more_starts, wanted in steps:
        now += pause
        for _ in range(more_starts):
            budget.started()
        starts += more_starts
        retries += spend(budget, now, wanted)
        assert retries <= 100 + starts / 10 + 5 * (now - 10.0) + 1e-6
