"""The settings file's text: our own lines get in and out of it, and nothing else changes."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.errors import UsageError
from batcher.rules.settings_file import Setting, edited

SETTINGS = {"on-doubt": Setting("hold", "of this"), "settle-time": Setting(30.0, "of that")}
OURS = 'on-doubt = "hold"  # batcher doctor: of this\nsettle-time = 30.0  # batcher doctor: of that\n'


@pytest.mark.parametrize("theirs", ["", "# mine\n", "a = 1", "[run]\non-doubt = 'resend'\n", "a = '''\n[run]\n'''\r\n"])
def test_our_lines_stand_before_theirs_and_theirs_are_byte_for_byte_as_they_were(theirs):
    assert edited(theirs, SETTINGS) == (OURS + theirs, {})
    assert edited(OURS + theirs, SETTINGS) == (OURS + theirs, {})
    assert edited(OURS + theirs, {}).text == theirs


def test_a_key_that_a_person_has_set_is_left_alone():
    theirs = "settle-time = 120\n"
    assert edited(theirs, SETTINGS) == (OURS.splitlines(keepends=True)[0] + theirs, {"settle-time": 120})


def test_a_line_that_looks_like_ours_within_a_text_of_theirs_is_not_taken_out():
    theirs = "a = '''\non-doubt = \"x\"  # batcher doctor: y\n'''\n"
    with pytest.raises(UsageError, match="would change other settings"):
        edited(theirs, {})


def test_what_is_not_toml_is_told_with_its_place():
    with pytest.raises(UsageError, match=r"not TOML: .*line 2"):
        edited("a = 1\nb = \n", SETTINGS)


PLAIN = st.text(st.characters(codec="utf-8", exclude_characters="'\r\n", exclude_categories=["Cc", "Cs"]), max_size=20)


@given(st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), PLAIN | st.integers(0, 99) | st.booleans()))
def test_every_other_key_has_the_value_that_it_had(theirs):
    written = {str: "'{}'".format, int: str, bool: lambda value: str(value).lower()}
    text = "".join(f"{key} = {written[type(value)](value)}\n" for key, value in theirs.items())
    once = edited(text, SETTINGS).text
    assert tomllib.loads(once) == theirs | {"on-doubt": "hold", "settle-time": 30.0}
    assert edited(once, {}).text == text
