"""Inputs for every row, as they stand on the command line."""

import pytest

from batcher.errors import UsageError
from batcher.rules.rows.values import parse_inputs


def test_text_stays_text_and_json_is_typed():
    texts = ["note=a=b", "empty=", "id:=7000524", "flag:=true", 'list:=[1, "x"]', "id2=7000524", "t:=null"]
    assert parse_inputs(texts) == {
        "note": "a=b",
        "empty": "",
        "id": 7000524,
        "flag": True,
        "list": [1, "x"],
        "id2": "7000524",
        "t": None,
    }


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["plain"], "not NAME=VALUE"),
        (["=x"], "not NAME=VALUE"),
        ([":=1"], "not NAME=VALUE"),
        (["id:=70 00"], "is followed by no JSON value"),
        (["id:=18446744073709551616"], "64-bit"),
        (["a=1", "a:=2"], "given twice"),
    ],
)
def test_what_is_neither_form_is_a_usage_error(texts, message):
    with pytest.raises(UsageError, match=message) as caught:
        parse_inputs(texts)
    assert caught.value.advice
