"""The limit that a refusal shows."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batcher.rules.rate.limit import estimate

RATES = st.floats(0.01, 1e6)


@pytest.mark.parametrize(
    ("rate", "taken", "refused", "limit"),
    [
        (100.0, 100.0, 0.0, 100.0),
        (100.0, 64.0, 0.0, 85.5),
        (100.0, 64.0, 0.15, 80.0),
        (100.0, 64.0, 0.55, 66.9),
        (100.0, 64.0, 1.0, 66.9),
        (100.0, 25.0, 1.0, 28.7),
        (100.0, 0.0, 1.0, 28.7),
        (100.0, 900.0, 0.0, 100.0),
    ],
)
def test_it_lies_between_the_refused_rate_and_what_was_taken(rate, taken, refused, limit):
    assert estimate(rate, taken, refused) == pytest.approx(limit, abs=0.05)


@settings(deadline=None, derandomize=True)
@given(RATES, st.floats(0, 1e6), st.floats(0, 1), st.floats(0, 1))
def test_it_is_never_above_the_rate_nor_deeper_than_a_quarter_and_falls_with_the_refusals(rate, taken, refused, more):
    limit = estimate(rate, taken, refused)
    assert 0.25 * rate <= limit * (1 + 1e-9)
    assert limit <= rate * (1 + 1e-9)
    assert estimate(rate, taken, min(1.0, refused + more)) <= limit * (1 + 1e-9)
