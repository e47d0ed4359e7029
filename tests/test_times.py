"""Durations and times of the day as people give them."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from batcher.errors import UsageError
from batcher.rules.text import duration, seconds_until

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("1.5", 1.5), ("15m", 900), ("2h", 7200), ("1h30m", 5400), ("1d", 86400), ("0", 0)],
)
def test_a_duration_is_read_as_seconds(text, seconds):
    assert duration("--max-duration", text) == seconds


@pytest.mark.parametrize("text", ["", "m", "-5", "5 m", "5x", "1e3", "ten", "٣"])
def test_what_is_no_duration_is_named_with_its_option(text):
    with pytest.raises(UsageError, match=rf"--max-outage {text}.*not a duration"):
        duration("--max-outage", text)


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
    assert seconds_until("--stop-at", text, now) == seconds


@pytest.mark.parametrize("text", ["", "24:00", "6", "06:60", "6.30", "noon"])
def test_what_is_no_time_of_the_day_is_named_with_its_option(text):
    with pytest.raises(UsageError, match="--stop-at"):
        seconds_until("--stop-at", text, datetime(2026, 11, 24, 6, 0, tzinfo=BERLIN))
