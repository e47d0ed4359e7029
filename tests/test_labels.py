"""The label of an answer: always one of a set that is known beforehand."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from batcher.model import Answer, Fault
from batcher.rules.service.labels import OTHER, label


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(status=200, body={"execution_name": "e"}), "200"),
        (Answer(status=503, code="SlowDown"), "SlowDown"),
        (Answer(status=503, code="slowdown"), "SlowDown"),
        (Answer(status=404, code="SYS.0015"), "SYS.0015"),
        (Answer(status=502), "502"),
        (Answer(status=500, code="Made.up"), "500"),
        (Answer(status=599), OTHER),
        (Answer(fault=Fault.LOST, message="reset"), "lost"),
        (Answer(fault=Fault.UNREACHED), "unreached"),
    ],
)
def test_an_answer_has_the_word_that_the_table_knows_it_by(answer, expected):
    assert label(answer) == expected


KNOWN = {label(Answer(status=status)) for status in range(1000)}


@given(status=some.integers(100, 999), code=some.text().filter(lambda text: not text.isascii()))
def test_no_code_that_the_service_makes_up_is_a_label(status, code):
    assert label(Answer(status=status, code=code)) in KNOWN
    assert len(KNOWN) < 70
