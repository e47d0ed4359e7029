"""Durations and times of the day as people give them."""

from datetime import datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.errors import UsageError
from batcher.rules.doubts.settle_time import condition
from batcher.rules.text import duration, plain, seconds_until, time_of_day

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("1.5", 1.5), ("15m", 900), ("2h", 7200), ("1h30m", 5400), ("1d", 86400), ("0", 0)],
)
def test_a_duration_is_read_as_seconds(text, seconds):
    assert duration(text) == seconds


@given(st.floats(min_value=1e-4, max_value=1e9))
def test_seconds_with_any_number_of_digits_are_the_number_that_they_show(seconds):
    assert duration(repr(seconds)) == duration(f"{seconds!r}s") == seconds


@given(st.integers(0, 10**12), st.integers(0, 10**9), st.integers(0, 10**9))
def test_the_parts_of_a_duration_add_up(hours, minutes, seconds):
    assert duration(f"{hours}h{minutes}m{seconds}s") == 3600 * hours + 60 * minutes + seconds


@pytest.mark.parametrize(
    "text", ["", "m", "-5", "5 m", "5x", "1e3", "ten", "٣", ".", "9" * 400, "90 15", "90m15", "5m1h", "1m1m", "1.2.3"]
)
def test_what_is_no_duration_is_refused_with_an_example(text):
    with pytest.raises(UsageError, match="not a duration") as refused:
        duration(text)
    assert "1h30m" in refused.value.advice


@pytest.mark.parametrize(
    ("text", "now", "seconds"),
    [
        ("06:30", datetime(2026, 11, 24, 6, 0, tzinfo=BERLIN), 1800),
        ("6:30", datetime(2026, 11, 24, 6, 29, 59, tzinfo=BERLIN), 1),
        ("06:30", datetime(2026, 11, 24, 6, 30, tzinfo=BERLIN), 86400),
        ("00:00", datetime(2026, 12, 31, 23, 0, tzinfo=BERLIN), 3600),
        # The clock is set back by an hour in that night, and forward in the other.
        ("06:00", datetime(2026, 10, 24, 22, 0, tzinfo=BERLIN), 9 * 3600),
        ("06:00", datetime(2026, 3, 28, 22, 0, tzinfo=BERLIN), 7 * 3600),
    ],
)
def test_a_time_of_the_day_is_the_next_one(text, now, seconds):
    assert seconds_until(time_of_day(text), now) == seconds


@pytest.mark.parametrize("text", ["", "24:00", "6", "06:60", "6.30", "noon"])
def test_what_is_no_time_of_the_day_is_refused_with_an_example(text):
    with pytest.raises(UsageError, match="not a time of day") as refused:
        time_of_day(text)
    assert "06:30" in refused.value.advice


def test_a_time_of_the_day_is_hours_and_minutes():
    assert time_of_day("6:05") == time(6, 5)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.000075, "0.000075"), (1_000_000.0, "1000000"), (0.1, "0.1"), (30.0, "30"), (0.0, "0"), (1234.5, "1234.5")],
)
def test_a_number_that_a_person_gave_is_shown_with_its_digits_and_no_exponent(value, shown):
    assert plain(value) == shown


def test_a_short_settle_time_is_named_without_an_exponent():
    assert condition(0.000075, 30.0).startswith("--settle-time 0.000075s is below the default of 60s: ")
