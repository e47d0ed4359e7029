"""The label of an answer: always one of a set that is known beforehand."""

import pytest
from answered import answered
from hypothesis import given
from hypothesis import strategies as some

from batcher.model import Execution, Fault
from batcher.rules.service.labels import OTHER, label


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (answered(status=200, execution=Execution("e")), "200"),
        (answered(status=503, code="SlowDown"), "SlowDown"),
        (answered(status=503, code="slowdown"), "SlowDown"),
        (answered(status=404, code="SYS.0015"), "SYS.0015"),
        (answered(status=502), "502"),
        (answered(status=500, code="Made.up"), "500"),
        (answered(status=599), OTHER),
        (answered(fault=Fault.LOST, message="reset"), "lost"),
        (answered(fault=Fault.UNREACHED), "unreached"),
    ],
)
def test_an_answer_has_the_word_that_the_table_knows_it_by(answer, expected):
    assert label(answer) == expected


KNOWN = {label(answered(status=status)) for status in range(1000)}


@given(status=some.integers(100, 999), code=some.text().filter(lambda text: not text.isascii()))
def test_no_code_that_the_service_makes_up_is_a_label(status, code):
    assert label(answered(status=status, code=code)) in KNOWN
    assert len(KNOWN) < 70
