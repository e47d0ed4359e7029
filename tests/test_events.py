"""Events as sentences."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from batcher.rules.rate.decisions import Event, Kind, Told, sentence
from batcher.rules.text import number

NOON = datetime(2026, 11, 24, 12, 3, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (Event(7.0, Kind.RATE, 340.0, 238.0, "SlowDown"), "rate 340 -> 238/s: SlowDown, 12:03:07"),
        (Event(7.0, Kind.RATE, 9.96, 1234.5, "nothing refused"), "rate 10 -> 1,234/s: nothing refused, 12:03:07"),
        (Event(7.0, Kind.RATE, 1.25, 0.5, "429"), "rate 1.2 -> 0.5/s: 429, 12:03:07"),
        (
            Event(7.0, Kind.HELD, 0.0, 30.0, "429"),
            "sending paused for 30 s, as requested by Retry-After: 429, 12:03:07",
        ),
        (Event(7.0, Kind.OUTAGE, 0, 0, "30 attempts failed"), "outage: 30 attempts failed, 12:03:07"),
        (Event(7.0, Kind.RECOVERED, 93.4, 0, "answers"), "outage ended after 93 s: answers, 12:03:07"),
    ],
)
def test_an_event_is_a_sentence_that_a_person_can_read(event, text):
    assert sentence(event, NOON) == text


def test_the_time_is_written_as_the_caller_gives_it():
    there = NOON.astimezone(timezone(timedelta(hours=8)))
    assert sentence(Event(7.0, Kind.OUTAGE, 0, 0, "x"), there) == "outage: x, 20:03:07"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (7.5e-05, "<0.01"),
        (0.0099, "<0.01"),
        (0.01, "0.01"),
        (0.5, "0.5"),
        (4.96, "5"),
        (9.9, "9.9"),
        (44.93, "45"),
        (1234.5, "1,234"),
        (98765.4, "98,765"),
    ],
)
def test_a_number_has_two_significant_digits_and_never_an_exponent(value, text):
    assert number(value) == text


def cut(before, after, cause="SlowDown", at=0.0):
    return Event(at, Kind.RATE, before, after, cause)


def told(*events):
    """Give what is told of events, each with the limit that was known by then."""
    before = Told()
    return [before.is_news(event, limit) for event, limit in events]


def test_the_ups_and_downs_about_a_limit_are_told_once():
    rise = cut(33.0, 49.0, "nothing refused")
    assert told((cut(120, 30), 100), *[(cut(105, 70), 100), (rise, 100)] * 50) == [True] + [False] * 100


def test_a_limit_that_has_moved_is_told_in_both_directions():
    assert told((cut(120, 70), 100), (cut(100, 56), 80), (cut(80, 49), 70), (cut(90, 90), 130)) == [
        True,
        False,
        True,
        True,
    ]


def test_a_rise_is_told_when_it_goes_well_beyond_what_was_told_last():
    rises = [cut(rate / 1.25, rate, "nothing refused") for rate in (120, 149, 151, 190, 230)]
    assert told((cut(120, 70), 100), *((rise, 100) for rise in rises)) == [True, False, False, True, False, True]


def test_a_slow_start_is_not_told():
    assert told((cut(10, 13, "nothing refused"), None), (cut(13, 1000, "nothing refused"), None)) == [False, False]


def test_a_cut_for_another_cause_is_told_and_two_causes_in_turn_are_told_once_each():
    turns = [(cut(100, 85, "HTTP 500"), 100), (cut(100, 70), 100)]
    assert told(*turns * 3) == [True, True, False, False, False, False]


def test_a_rate_that_is_eased_where_no_limit_is_known_is_told_by_steps():
    rates = [100 * 0.85**step for step in range(5)]
    assert told(*((cut(rate / 0.85, rate, "HTTP 500"), None) for rate in rates)) == [True, False, True, False, True]


def test_a_hold_is_told_once_a_minute_unless_it_is_longer():
    holds = [(0.0, 2.0), (0.001, 2.0), (5.0, 2.0), (6.0, 30.0), (7.0, 29.0), (66.0, 2.0), (67.0, 1.0)]
    events = [(Event(at, Kind.HELD, 0.0, seconds, "SlowDown"), None) for at, seconds in holds]
    assert told(*events) == [True, False, False, True, False, True, False]


@pytest.mark.parametrize("kind", [Kind.OUTAGE, Kind.RECOVERED])
def test_the_beginning_and_the_end_of_an_outage_are_always_told(kind):
    assert told(*[(Event(0.0, kind, 1.0, 0.0, "x"), None)] * 2) == [True, True]
