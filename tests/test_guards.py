"""The guards against a job whose rows are all rejected."""

import pytest

from batcher.errors import UsageError
from batcher.model import Verdict
from batcher.rules.rate.stop import MaxFailures, Streak, count, is_broken, is_exceeded, max_failures


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("0", MaxFailures(rows=0)),
        ("100", MaxFailures(rows=100)),
        (" 7 ", MaxFailures(rows=7)),
        ("5%", MaxFailures(percentage=5.0)),
        ("2.5%", MaxFailures(percentage=2.5)),
        ("0%", MaxFailures(percentage=0.0)),
        ("100%", MaxFailures(percentage=100.0)),
    ],
)
def test_a_limit_is_a_number_of_rows_or_a_percentage(text, limit):
    assert max_failures(text) == limit


@pytest.mark.parametrize(
    "text", ["", "%", "-1", "1.5", "101%", "100.1%", "5 %", "5%%", "five", "1e3", "nan%", "\u0665"]
)
def test_anything_else_is_refused_with_an_example(text):
    with pytest.raises(UsageError) as refused:
        max_failures(text)
    assert str(refused.value) == "neither a number of rows nor a percentage"
    assert refused.value.advice == "Give a number of rows, or a percentage up to 100%, such as 5%."


@pytest.mark.parametrize(
    ("text", "failed", "ended", "is_over"),
    [
        ("0", 0, 10, False),
        ("0", 1, 1, True),
        ("3", 3, 3, False),
        ("3", 4, 1_000_000, True),
        ("5%", 99, 99, False),  # too few rows have ended
        ("5%", 5, 100, False),
        ("5%", 6, 100, True),
        ("5%", 50, 1000, False),
        ("5%", 51, 1000, True),
        ("0%", 1, 99, False),
        ("0%", 1, 100, True),
        ("100%", 1000, 1000, False),
        ("0.1%", 1, 1000, False),
        ("0.1%", 2, 1000, True),
    ],
)
def test_more_failures_than_allowed_stop_the_job_and_a_percentage_waits_for_a_hundred_rows(
    text, failed, ended, is_over
):
    assert is_exceeded(max_failures(text), failed, ended) is is_over


def test_no_limit_is_never_exceeded():
    assert not is_exceeded(MaxFailures(), 10**9, 10**9)


def after(*verdicts):
    streak = Streak()
    for verdict in verdicts:
        streak = count(streak, verdict)
    return streak


def test_twenty_rejections_without_a_start_break_the_job():
    assert [is_broken(after(*[Verdict.REJECTED] * times)) for times in (0, 19, 20, 21)] == [False, False, True, True]


def test_one_start_proves_the_job_for_good():
    assert not is_broken(after(Verdict.STARTED, *[Verdict.REJECTED] * 1000))
    assert not is_broken(after(*[Verdict.REJECTED] * 19, Verdict.STARTED, *[Verdict.REJECTED] * 1000))


@pytest.mark.parametrize("verdict", [Verdict.REFUSED, Verdict.UNSENT, Verdict.IN_DOUBT])
def test_a_verdict_that_says_nothing_of_the_row_neither_counts_nor_ends_the_streak(verdict):
    between = after(*[Verdict.REJECTED] * 10, verdict, *[Verdict.REJECTED] * 9)
    assert not is_broken(between)
    assert is_broken(count(between, Verdict.REJECTED))
