"""The service's clock by the dates of its answers: never later than it is, whatever the clocks of this machine do."""

from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.rules.service.clock import Lead, lead

BOOT = 1_795_509_000.0
"""The service's time when the steady clock began, as long as that has not stood still."""


class Exchange:
    """A request that left `sent` seconds after the boot; its answer was made `out` seconds later and took `back`."""

    def __init__(self, sent, out, back, stood=0.0):
        self.sent, self.received = sent, sent + out + back
        self.served = float(floor(BOOT + stood + sent + out))

    def after(self, known):
        return lead(known, self.served, self.sent, self.received)


def test_the_first_answer_is_as_if_it_had_just_been_made():
    assert lead(None, 1000.0, 20.0, 20.5) == Lead(979.5, 20.5)


def test_a_quicker_answer_tells_more():
    assert lead(Lead(950.0, 3.0), 1000.0, 20.0, 20.5) == Lead(979.5, 20.5)


@pytest.mark.parametrize("seconds", [979.5, 980.0, 981.0])
def test_an_answer_that_agrees_changes_nothing(seconds):
    assert lead(Lead(seconds, 3.0), 1000.0, 20.0, 20.5) == Lead(seconds, 3.0)


def test_a_service_that_was_set_back_is_believed():
    assert lead(Lead(1600.0, 3.0), 1000.0, 20.0, 20.5) == Lead(979.5, 20.5)


def test_an_answer_that_may_come_from_a_cache_sets_the_clock_forward_and_never_back():
    assert lead(Lead(1600.0, 3.0), 1000.0, 20.0, 20.5, may_be_old=True) == Lead(1600.0, 3.0)
    assert lead(Lead(950.0, 3.0), 1000.0, 20.0, 20.5, may_be_old=True) == Lead(979.5, 20.5)


def test_an_answer_to_a_request_that_left_before_the_lead_was_known_does_not_contradict_it():
    # made before the machine stood still, and read after an answer that was made later
    assert lead(Lead(8179.0, 20.25), 1000.0, 20.0, 20.5) == Lead(8179.0, 20.25)


LAGS = st.sampled_from([0.0, 0.01, 0.4, 1.0, 29.0]) | st.floats(0, 30)
EXCHANGES = st.lists(st.tuples(st.floats(0, 1e4), LAGS, LAGS, st.sampled_from([0, 0, 0, 10, 7200])), min_size=1)


@given(EXCHANGES)
def test_the_time_is_never_told_later_than_it_is_even_of_a_machine_that_stands_still(drawn):
    stood, known = 0.0, None
    for sent, out, back, pause in sorted(drawn):
        stood += pause
        exchange = Exchange(sent, out, back, stood)
        known = exchange.after(known)
        assert known.seconds <= BOOT + stood + 1e-6
        # and no earlier than an answer that came at once would leave open
        assert known.seconds >= BOOT + stood - 1 - out - back - 1e-6


@given(EXCHANGES, st.floats(2, 7200))
def test_once_the_service_was_set_back_one_quick_answer_is_enough(drawn, back):
    known = None
    for sent, out, late, _ in sorted(drawn):
        known = Exchange(sent, out, late).after(known)
    known = Exchange(1e5, 0.01, 0.01, -back).after(known)
    assert BOOT - back - 1.1 <= known.seconds <= BOOT - back + 1.1
