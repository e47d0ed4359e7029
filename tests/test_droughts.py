"""The end of a drought, by hand. What it brings against services is in `test_overload.py`."""

import pytest

from batcher.rules.rate.drought import Droughts


def test_a_start_after_six_refusals_and_two_seconds_ends_a_drought_and_gives_the_average():
    droughts = Droughts()
    assert [droughts.started(100.0 + second) for second in range(10)] == [None] * 10
    for _ in range(6):
        droughts.refused()
    assert droughts.started(120.0) == (pytest.approx(10 / 20), 20.0)


@pytest.mark.parametrize(("refusals", "seconds"), [(5, 60.0), (60, 2.0), (0, 3600.0)])
def test_few_refusals_a_short_time_or_an_idle_one_are_no_drought(refusals, seconds):
    droughts = Droughts()
    droughts.started(100.0)
    for _ in range(refusals):
        droughts.refused()
    assert droughts.started(100.0 + seconds) is None


def test_the_next_average_is_that_of_the_time_since_the_last_drought():
    droughts = Droughts()
    eras = []
    for begin, starts in ((100.0, 200), (120.0, 100), (140.0, 1)):
        eras += [era for number in range(starts) if (era := droughts.started(begin + number / 1000))]
        for _ in range(6):
            droughts.refused()
    assert [era.rate for era in eras] == [pytest.approx(10.0), pytest.approx(5.0)]
