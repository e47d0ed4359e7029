"""A row's identity is its content, and the body of a start is that content and nothing else."""

import json
from itertools import combinations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.model import Row
from batcher.rules.rows.identity import bad_key, canonical, content_key
from batcher.rules.service.obs_v2 import start_body

names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20)


def _row(bucket, key, inputs=b""):
    return Row(1, 2, bucket, key, inputs, content_key(bucket, key, inputs))


def test_no_inputs_are_no_bytes():
    assert canonical({}) == b""


def test_inputs_have_one_form_whatever_their_order():
    assert canonical({"b": 1, "a": {"z": True, "y": "é"}}) == '{"a":{"y":"é","z":true},"b":1}'.encode()


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1], ids=["too large", "too small"])
def test_an_integer_beyond_64_bits_is_refused(value):
    with pytest.raises(ValueError, match="64-bit"):
        canonical({"n": value})


def test_inputs_nested_without_end_are_refused():
    with pytest.raises(ValueError, match="inputs: cannot be written"):
        canonical({"deep": orjson.loads("[" * 500 + "]" * 500)})


def test_the_key_of_a_row_is_part_of_the_checkpoint_format_and_never_changes():
    assert content_key("my-videos", "in/clip 01.mp4", b"").hex() == "638237e2d5c446f7b31ce077c6e8a0e6"
    assert content_key("my-videos", "é", b'{"id":7}').hex() == "7a55b4bafd0444dc839433083d5b3604"
    assert bad_key("not a row").hex() == "d8ddbe8ed5e0fbc266da4c35c235005a"


def test_moving_characters_between_the_parts_changes_the_key():
    rows = [("ab", "c", b""), ("a", "bc", b""), ("abc", "", b""), ("a", "b", b"{}"), ("a", "b{}", b"")]
    assert all(content_key(*one) != content_key(*other) for one, other in combinations(rows, 2))


@given(names, names, names, names)
def test_different_content_has_different_keys(bucket, key, other_bucket, other_key):
    same = (bucket, key) == (other_bucket, other_key)
    assert (content_key(bucket, key, b"") == content_key(other_bucket, other_key, b"")) is same


def test_composed_and_decomposed_letters_are_different_keys():
    assert content_key("b", "\u00e9", b"") != content_key("b", "e\u0301", b"")


def test_half_a_surrogate_pair_has_no_key():
    with pytest.raises(UnicodeEncodeError):
        content_key("b", "\ud83d", b"")


def test_a_bad_entry_has_a_key_of_its_own_for_text_and_bytes_alike():
    assert bad_key("é") == bad_key("é".encode())
    assert bad_key("a") != bad_key("b")
    assert len(bad_key("\ud83d")) == 16


def test_a_bad_entry_is_never_taken_for_a_row_with_the_same_bytes():
    assert bad_key("bucket\0key\0") != content_key("bucket", "key", b"")


def test_the_body_of_a_row_without_inputs_names_bucket_and_object_only():
    assert start_body(_row("my-videos", "in/clip 01.mp4")) == b'{"bucket":"my-videos","object":"in/clip 01.mp4"}'


def test_the_body_holds_the_inputs_byte_for_byte():
    body = start_body(_row("my-videos", "a", canonical({"template-id": 7000524, "a": "é"})))
    assert body == '{"bucket":"my-videos","object":"a","inputs":{"a":"é","template-id":7000524}}'.encode()


@given(names, names, st.dictionaries(names, st.one_of(st.integers(-(2**63), 2**64 - 1), names, st.booleans())))
def test_any_row_comes_out_of_its_body_as_it_was(bucket, key, inputs):
    body = json.loads(start_body(_row(bucket, key, canonical(inputs))))
    assert body == {"bucket": bucket, "object": key} | ({"inputs": inputs} if inputs else {})
