"""The climb back to a limit."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batcher.rules.rate.climb import AFTER_CUT, AFTER_OUTAGE, AFTER_START, share

CLIMBS = {"cut": AFTER_CUT, "start": AFTER_START, "outage": AFTER_OUTAGE}


@pytest.mark.parametrize(
    ("name", "age", "part"),
    [
        ("cut", 0.0, 0.7),
        ("cut", 1.0, 0.9625),
        ("cut", 2.0, 1.0),
        ("start", 0.0, 0.25),
        ("start", 5.0, 0.625),
        ("start", 10.0, 1.0),
        ("outage", 0.0, 0.1),
        ("outage", 9.0, 0.91),
        ("outage", 12.0, 1.0),
        ("cut", 12.65, 1.01),
        ("cut", 13.3, 1.03),
        ("cut", 17.2, 3.55),
    ],
)
def test_the_curve_has_these_points(name, age, part):
    assert share(age, CLIMBS[name]) == pytest.approx(part)


@settings(deadline=None, derandomize=True)
@given(st.sampled_from(sorted(CLIMBS)), st.floats(0, 1e9), st.floats(0, 100))
def test_the_curve_never_falls_and_never_overflows(name, age, more):
    climb = CLIMBS[name]
    assert climb.low <= share(age, climb) <= share(age + more, climb) < 1e18
