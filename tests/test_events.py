"""Events as sentences."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from batcher.rules.events import Event, Kind, sentence

NOON = datetime(2026, 11, 24, 12, 3, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (Event(7.0, Kind.RATE, 340.0, 238.0, "SlowDown"), "rate 340 -> 238/s: SlowDown, 12:03:07"),
        (Event(7.0, Kind.RATE, 9.96, 1234.5, "nothing refused"), "rate 10 -> 1,234/s: nothing refused, 12:03:07"),
        (Event(7.0, Kind.RATE, 1.25, 0.5, "429"), "rate 1.2 -> 0.5/s: 429, 12:03:07"),
        (Event(7.0, Kind.HELD, 0.0, 30.0, "Retry-After"), "nothing is sent for 30 s: Retry-After, 12:03:07"),
        (Event(7.0, Kind.OUTAGE, 0, 0, "30 attempts failed"), "outage: 30 attempts failed, 12:03:07"),
        (Event(7.0, Kind.RECOVERED, 93.4, 0, "answers"), "the outage is over after 93 s: answers, 12:03:07"),
    ],
)
def test_an_event_is_a_sentence_that_a_person_can_read(event, text):
    assert sentence(event, NOON) == text


def test_the_time_is_written_as_the_caller_gives_it():
    there = NOON.astimezone(timezone(timedelta(hours=8)))
    assert sentence(Event(7.0, Kind.OUTAGE, 0, 0, "x"), there) == "outage: x, 20:03:07"
