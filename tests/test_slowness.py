"""Seconds slowed, by cause."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batcher.rules.rate import bottleneck
from batcher.rules.rate.bottleneck import Cause, Signs, Slowed, Slowness, decoded, encoded

PRESSED = Signs(is_pressed=True)


@pytest.mark.parametrize(
    ("signs", "slowed_by"),
    [
        (Signs(), None),
        (Signs(on_wire=3), None),
        (Signs(on_wire=3, is_reading=True, is_writing=True), None),
        (Signs(is_reading=True, is_writing=True), Cause.MANIFEST),
        (Signs(is_writing=True), Cause.DISK),
        (PRESSED._replace(is_capped=True, has_limit=True), Cause.CAP),
        (PRESSED._replace(has_limit=True, on_wire=3), Cause.LIMIT),
        (Signs(has_limit=True, is_capped=True, on_wire=3), None),
        # refusals that show no limit
        (PRESSED._replace(is_refused=True), Cause.CHANCE),
        (PRESSED._replace(is_refused=True, has_limit=True), Cause.LIMIT),
        (PRESSED._replace(is_refused=True, is_capped=True), Cause.CAP),
        (Signs(is_refused=True, on_wire=3), None),
        # every worker waits for an answer, or nearly
        (Signs(on_wire=13, most_on_wire=16, is_reading=True), Cause.IN_FLIGHT),
        (Signs(on_wire=12, most_on_wire=16, is_reading=True), None),
        (PRESSED._replace(on_wire=16, most_on_wire=16), None),
        # a slow start, and a climb to a limit that is not known: nothing to blame, least of all the disk
        (PRESSED._replace(is_writing=True, is_reading=True), None),
        (Signs(is_held=True), Cause.LIMIT),
        # starts wait for ends: the rate may be slower still
        (Signs(is_full=True, on_wire=3, is_reading=True, is_writing=True), Cause.ENDS),
        (PRESSED._replace(is_full=True, has_limit=True), Cause.LIMIT),
        (Signs(is_full=True, is_paused=True), Cause.PAUSE),
        (PRESSED._replace(is_paused=True, is_held=True, is_capped=True), Cause.PAUSE),
        (PRESSED._replace(is_away=True, is_paused=True, is_writing=True), Cause.OUTAGE),
    ],
)
def test_what_keeps_a_run_from_going_faster(signs, slowed_by):
    assert bottleneck.cause(signs) is slowed_by


def test_a_cause_is_one_word_for_programs_and_the_words_of_the_handbook_for_people():
    assert [(cause.value, cause.words) for cause in Cause] == [
        ("limit", "limit"),
        ("in_flight", "requests in flight"),
        ("chance", "chance"),
        ("outage", "outage"),
        ("cap", "your cap"),
        ("pause", "pause"),
        ("ends", "waiting for ends"),
        ("disk", "disk"),
        ("manifest", "manifest"),
    ]
    page = (Path(__file__).parents[1] / "docs" / "operations.md").read_text()
    explained = re.findall(r"^\| `(\w+)` \| `(?:slowed by|paused|service unavailable)", page, re.MULTILINE)
    assert explained == [cause.value for cause in Cause]


def test_what_slowed_a_run_is_kept_for_its_report():
    slowed = Slowed(0.0213, {Cause.LIMIT: 54.2, Cause.CHANCE: 0.5}, 30)
    assert decoded(encoded(slowed)) == slowed
    assert (slowed.words, slowed.refused) == (
        "limit 54 s",
        "about 30 requests in flight are accepted; about 2% of requests are refused at any rate",
    )
    assert decoded('{"chance": 0.0, "seconds": {"the moon": 3.0}}') == Slowed()
    assert (Slowed(0.004).words, Slowed(0.004).refused) == ("", "")


def test_seconds_add_up_by_cause_the_longest_first():
    slow = Slowness()
    for now, cause in ((10.0, Cause.DISK), (12.0, None), (15.0, Cause.OUTAGE), (18.5, Cause.DISK)):
        slow.turn(now, cause)
    assert list(slow.seconds(19.0).items()) == [(Cause.OUTAGE, 3.5), (Cause.DISK, 2.5)]


def test_a_cause_that_goes_on_counts_up_to_now_and_only_once():
    slow = Slowness()
    slow.turn(10.0, Cause.CAP)
    assert [slow.seconds(now) for now in (11.0, 11.0, 14.0)] == [
        {Cause.CAP: 1.0},
        {Cause.CAP: 1.0},
        {Cause.CAP: 4.0},
    ]


@settings(deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 50), st.sampled_from([None, *Cause])), max_size=30))
def test_no_second_is_counted_twice_or_forgotten(steps):
    slow, now, before, seconds = Slowness(), 0.0, None, 0.0
    for pause, cause in steps:
        now += pause
        seconds += pause * (before is not None)
        slow.turn(now, cause)
        before = cause
    assert sum(slow.seconds(now).values()) == seconds
