"""What a workflow declares, held against inputs, case by case."""

import orjson
import pytest

from batcher.model import Parameter
from batcher.rules.rows.declared import Judgement, judge_of, unknown_fault


def declared(type_, *, has_value=True, blank=False, **constraints):
    return {"p": Parameter("p", type_, has_value=has_value, constraints=constraints, has_blank_default=blank)}


def judge(parameters, inputs):
    return judge_of(parameters)(orjson.dumps(inputs, option=orjson.OPT_SORT_KEYS) if inputs else b"")


@pytest.mark.parametrize(
    ("type_", "good", "bad"),
    [
        ("string", ["", "x", "7"], [7, 1.5, True, None, [], {}]),
        ("integer", [0, -7, 2**63], [1.0, True, None, "x", "1.5", "", [], {}]),
        ("float", [0, 1.5, -2e300], [True, None, "x", "inf", [], {}]),
        ("boolean", [True, False], [0, 1, "yes", None, [], {}]),
        ("list", [[], [1, "x"]], [{}, "[]", 7, None]),
        ("map", [{}, {"a": 1}], [[], "{}", 7, None]),
        ("a type of tomorrow", ["x", 7, None, [], {}], []),
    ],
)
def test_a_value_is_of_the_declared_type_or_at_fault(type_, good, bad):
    assert {judge(declared(type_), {"p": value}) for value in good} == {Judgement(None)}
    for value in bad:
        fault = judge(declared(type_), {"p": value}).fault
        assert fault is not None, value
        assert fault.startswith("inputs.p: ")
        assert fault.endswith(f" is not {'an' if type_ == 'integer' else 'a'} {type_}")


@pytest.mark.parametrize(("type_", "text"), [("integer", "7000524"), ("float", "1.5"), ("boolean", "TRUE")])
def test_text_that_reads_as_a_value_of_the_type_is_only_warned_of(type_, text):
    article = "an" if type_ == "integer" else "a"
    warning = f"inputs.p: text where {article} {type_} is declared"
    assert judge(declared(type_), {"p": text}) == Judgement(None, (warning,))


def test_a_name_that_is_not_declared_is_at_fault_and_a_near_one_is_named():
    parameters = declared("string") | {
        "template-id": Parameter("template-id", "integer", has_value=True, constraints={})
    }
    assert judge(parameters, {"templete-id": 1}).fault == (
        "inputs.templete-id: the workflow declares no such parameter; it has template-id"
    )
    assert judge(parameters, {"zzz": 1}).fault == "inputs.zzz: the workflow declares no such parameter"
    assert unknown_fault(["p", "template-id"], parameters) is None


def test_a_parameter_without_a_default_must_be_given():
    assert judge(declared("string", has_value=False), {}).fault == (
        "inputs.p: missing, and the workflow has no default for it"
    )
    assert judge(declared("string", has_value=False), {"p": "x"}) == Judgement(None)
    assert judge(declared("string"), {}) == Judgement(None)


def test_a_default_of_empty_text_is_warned_of_only_where_nothing_is_given():
    parameters = declared("integer", blank=True)
    assert judge(parameters, {}) == Judgement(None, ("inputs.p: not given, and its default is empty text",))
    assert judge(parameters, {"p": 1}) == Judgement(None)


@pytest.mark.parametrize(
    ("constraints", "good", "bad", "told"),
    [
        ({"valid_values": [7, 8]}, [7, "8"], [9, "9"], "9 is not among the allowed values: [7,8]"),
        ({"valid_values": ["7", "8"]}, [7, "8"], [9], '9 is not among the allowed values: ["7","8"]'),
        ({"invalid_values": [7]}, [8], [7, "7"], "7 is among the forbidden values"),
        ({"equal": 7}, [7, "7"], [8], "8 is not 7, the only value allowed"),
        ({"equal": 7, "invalid_values": [7]}, [], [7], "7 is among the forbidden values"),
    ],
)
def test_a_value_outside_what_is_allowed_is_at_fault(constraints, good, bad, told):
    parameters = declared("integer", **constraints)
    assert [judge(parameters, {"p": value}).fault for value in good] == [None] * len(good)
    assert {judge(parameters, {"p": value}).fault for value in bad} == {f"inputs.p: {told}"}


def test_text_outside_what_is_allowed_is_quoted():
    fault = judge(declared("string", valid_values=["hd", "sd"]), {"p": "4k"}).fault
    assert fault == 'inputs.p: "4k" is not among the allowed values: ["hd","sd"]'


def test_true_is_not_one():
    assert judge(declared("boolean", valid_values=[1]), {"p": True}).fault is not None
    assert judge(declared("integer", valid_values=[True]), {"p": 1}).fault is not None


def test_a_list_may_be_allowed_as_a_whole_or_by_its_elements():
    parameters = declared("list", valid_values=["a", "b", ["c"]])
    assert [judge(parameters, {"p": value}).fault for value in (["a", "b"], ["c"], [])] == [None] * 3
    assert judge(parameters, {"p": ["a", "x"]}).fault is not None


@pytest.mark.parametrize("constraint", [{"valid_values": "odd"}, {"invalid_values": 7}, {"regex": 7}, {"regex": "("}])
def test_a_constraint_that_cannot_be_read_forbids_nothing(constraint):
    assert judge(declared("string", **constraint), {"p": "x"}) == Judgement(None)


def test_a_regex_only_warns():
    parameters = declared("string", regex="^[a-z]+$")
    assert judge(parameters, {"p": "abc"}) == Judgement(None)
    warning = "inputs.p: its regex does not seem to match every value given"
    assert judge(parameters, {"p": "ABC"}) == Judgement(None, (warning,))
    assert judge(parameters, {"p": "A" * 257}) == Judgement(None)


def test_a_long_value_is_cut_in_the_sentence():
    fault = judge(declared("integer"), {"p": "x" * 100}).fault
    assert fault == f'inputs.p: "{"x" * 40}..." is not an integer'
