"""A table's cell becomes a value of its parameter's type, or is refused: never another value."""

import pytest

from batcher.rules.rows.values import to_type


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        ("string", "007", "007"),
        ("string", " a ", " a "),
        ("integer", "7000524", 7000524),
        ("integer", "-7", -7),
        ("integer", "+7", 7),
        ("integer", "007", 7),
        ("integer", "18446744073709551615", 2**64 - 1),
        ("integer", "-9223372036854775808", -(2**63)),
        ("float", "1", 1.0),
        ("float", "-1.5e-3", -0.0015),
        ("float", ".5", 0.5),
        ("boolean", "true", True),
        ("boolean", "FALSE", False),
        ("list", '[1, "a", [2.5]]', [1, "a", [2.5]]),
        ("map", '{"a": {"b": null}}', {"a": {"b": None}}),
        ("map", '{"n": 1e20}', {"n": 1e20}),
        ("date", "1", "1"),
    ],
)
def test_a_cell_becomes_a_value_of_its_type(type_, text, value):
    assert to_type(text, type_) == value
    assert type(to_type(text, type_)) is type(value)


@pytest.mark.parametrize(
    ("type_", "text", "said"),
    [
        ("integer", "7.0", "is not a 64-bit integer"),
        ("integer", "1_000", "is not a 64-bit integer"),
        ("integer", " 7", "is not a 64-bit integer"),
        ("integer", "\u0667", "is not a 64-bit integer"),
        ("integer", "18446744073709551616", "64-bit"),
        ("integer", "-9223372036854775809", "64-bit"),
        ("integer", "1" * 5000, "64-bit"),
        ("float", "nan", "is not a finite number"),
        ("float", "inf", "is not a finite number"),
        ("float", "1e999", "is not a finite number"),
        ("float", "1,5", "is not a finite number"),
        ("float", "0x10", "is not a finite number"),
        ("boolean", "yes", "neither true nor false"),
        ("boolean", "1", "neither true nor false"),
        ("list", "a,b", "not JSON: "),
        ("list", "{}", "not a JSON array"),
        ("list", "[18446744073709551616]", "64-bit"),
        ("map", "[]", "not a JSON object"),
        ("map", '{"a": ', "not JSON: "),
        ("map", '{"a": [[18446744073709551616]]}', "64-bit"),
        ("map", '{"a": "\\ud83d"}', "not JSON: "),
    ],
)
def test_a_cell_that_is_no_value_of_its_type_is_refused(type_, text, said):
    with pytest.raises(ValueError, match=said) as caught:
        to_type(text, type_)
    assert len(str(caught.value)) < 100
