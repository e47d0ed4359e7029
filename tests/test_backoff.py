"""How long a row waits."""

from email.utils import formatdate

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batcher.rules.rate.backoff import full_jitter, prompt, retry_after, wait

NOW = 784111777.0
"""Sun, 06 Nov 1994 08:49:37 GMT."""

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine fails no test."""


@pytest.mark.parametrize(
    ("attempt", "draw", "seconds"),
    [(1, 1.0, 0.5), (2, 1.0, 1.0), (3, 1.0, 2.0), (3, 0.25, 0.5), (7, 1.0, 32.0), (8, 1.0, 60.0), (9, 0.5, 30.0)],
)
def test_the_interval_doubles_with_each_attempt_up_to_the_cap(attempt, draw, seconds):
    assert full_jitter(attempt, draw) == seconds


def test_base_and_cap_can_be_chosen():
    assert [full_jitter(n, 1.0, base=2.0, cap=5.0) for n in (1, 2, 3)] == [2.0, 4.0, 5.0]


def test_after_a_refusal_by_chance_the_interval_is_short_at_first_and_quadruples():
    assert [prompt(n, 1.0) for n in (1, 2, 3, 6, 7, 10**9)] == pytest.approx([0.05, 0.2, 0.8, 51.2, 60.0, 60.0])
    assert [wait(1, 1.0, after, NOW, is_prompt=True) for after in ("", "7")] == [0.05, 7.0]


@unhurried
@given(st.integers(1, 10**9), st.floats(0, 1))
def test_jitter_stays_between_nothing_and_the_cap(attempt, draw):
    assert 0.0 <= full_jitter(attempt, draw) <= 60.0


@unhurried
@given(st.integers(1, 5000), st.floats(0, 1))
def test_a_later_attempt_never_waits_less_for_the_same_draw(attempt, draw):
    assert full_jitter(attempt + 1, draw) >= full_jitter(attempt, draw)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0.0), ("7", 7.0), (" 7 ", 7.0), ("007", 7.0), ("60", 60.0), ("61", 60.0), ("9" * 5000, 60.0)],
)
def test_whole_seconds_are_believed_up_to_the_cap(text, seconds):
    assert retry_after(text, NOW) == seconds


@pytest.mark.parametrize(
    "text", ["Sun, 06 Nov 1994 08:49:47 GMT", "Sunday, 06-Nov-94 08:49:47 GMT", "Sun Nov  6 08:49:47 1994"]
)
def test_each_form_of_a_date_counts_from_now(text):
    assert retry_after(text, NOW) == 10.0


def test_a_date_in_the_past_asks_for_no_wait_and_one_far_ahead_for_the_cap():
    assert retry_after("Sun, 06 Nov 1994 08:49:36 GMT", NOW) == 0.0
    assert retry_after("Sun, 06 Nov 2094 08:49:36 GMT", NOW) == 60.0


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "soon",
            "-1",
            "-0",
            "+5",
            "1.5",
            "1e3",
            "nan",
            "inf",
            "-inf",
            "0x10",
            "1_000",
            "5 s",
            "5,6",
            "\u0665",
        ),
        *("Sun, 99 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 99:49:37 GMT", "1994-11-06T08:49:37Z"),
        *("Mon, 01 Jan 2020 00:00:00 +9999", "Mon, 01 Jan 2020 00:00:00 +99999999999999999999"),
    ],
)
def test_garbage_asks_for_nothing(text):
    assert retry_after(text, NOW) is None


@unhurried
@given(st.text() | st.text("0123456789 :+-,JanGMTSu"))
def test_any_text_gives_nothing_or_seconds_up_to_the_cap(text):
    seconds = retry_after(text, NOW)
    assert seconds is None or 0.0 <= seconds <= 60.0


@unhurried
@given(st.integers(0, 60))
def test_a_date_that_was_written_by_the_standard_library_is_read_back(ahead):
    assert retry_after(formatdate(NOW + ahead, usegmt=True), NOW) == ahead


@pytest.mark.parametrize(
    ("attempt", "draw", "after", "seconds"),
    [
        (1, 1.0, "", 0.5),
        (1, 1.0, "garbage", 0.5),
        (1, 1.0, "0", 0.5),
        (1, 1.0, "7", 7.0),
        (8, 1.0, "7", 60.0),
        (1, 0.0, "Sun, 06 Nov 1994 08:49:47 GMT", 10.0),
        (1, 0.0, "3600", 60.0),
    ],
)
def test_a_row_waits_for_the_longer_of_jitter_and_what_the_service_asks_for(attempt, draw, after, seconds):
    assert wait(attempt, draw, after, NOW) == seconds
