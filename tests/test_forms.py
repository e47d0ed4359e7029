"""How a service shows contents: which differences are named, and which forms are learned from controls and adopted."""

import html
import json
import random
import unicodedata
from urllib.parse import quote

import pytest
from lies import odd_rows

from batcher.emulator.parsing import parse_quirk
from batcher.emulator.quirks import Group, Quirk
from batcher.emulator.retelling import shown_bucket, shown_inputs, shown_key
from batcher.model import Execution, ExecutionDetail, Status, Unsettled
from batcher.rules.doubts.contents import BLURRED, Content, likeness
from batcher.rules.doubts.control import Control
from batcher.rules.doubts.differences import differences
from batcher.rules.doubts.evidence import are_comparable, shown_form
from batcher.rules.doubts.forms import Sent, learned, sent_of
from batcher.rules.doubts.matching import CONTESTED, Known, match
from batcher.rules.rows.identity import canonical
from batcher.rules.service.dialect import Window

WIDE = Window(0.0, 1000.0)
KEY, INPUTS = "/In//1/Cafe\u0301 \ufb01lm+100%25 &.MP4", {"n": 1, "note": "a & b", "sizes": [1, None]}


def row(id_=1, key=KEY, inputs=INPUTS):
    return Unsettled(id_, Status.IN_DOUBT, id_, "videos", key, canonical(inputs), "", 100.0, 101.0)


NAMED = {
    "bucket in another case": ({"bucket": "VIDEOS"}, ["the bucket in another case"]),
    "bucket with its domain": ({"bucket": "videos.obs.example.com"}, ["the bucket with its domain"]),
    "key decoded": ({"key": KEY.replace("%25", "%")}, ["the key percent-decoded"]),
    "slashes": ({"key": KEY.replace("/", "//")}, ["the key with other slashes"]),
    "case": ({"key": KEY.lower()}, ["the key in another case"]),
    "Unicode form": ({"key": unicodedata.normalize("NFC", KEY)}, ["the key in another Unicode form"]),
    "entities": ({"key": html.escape(KEY)}, ["the key with HTML entities"]),
    "Latin-1": ({"key": KEY.encode().decode("latin-1")}, ["the key with UTF-8 that was read as Latin-1"]),
    "?": ({"key": KEY.encode("ascii", "replace").decode()}, ["the key with ? for other than ASCII characters"]),
    "base name": ({"key": KEY.rpartition("/")[2]}, ["the key without its folders"]),
    "cut": ({"key": KEY[:12]}, ["only the beginning of the key"]),
    "encoded, in another case": (
        {"key": quote(KEY.lower())}, ["the key percent-encoded", "the key in another case"],
    ),
    "numbers as text": ({"inputs": {**INPUTS, "n": "1", "sizes": ["1", None]}}, ["numbers in the inputs as text"]),
    "floats": ({"inputs": {**INPUTS, "n": 1.0}}, ["numbers in the inputs in another form"]),
    "lists as text": ({"inputs": {**INPUTS, "sizes": "[1, null]"}}, ["inputs as text"]),
    "text": ({"inputs": {**INPUTS, "note": "a &amp; b"}}, ["text in the inputs in another form"]),
    "masked": ({"inputs": dict.fromkeys(INPUTS, "*")}, ["masked inputs"]),
    "more names": ({"inputs": {**INPUTS, "preset": "x"}}, ["more inputs than were sent"]),
    "no null": ({"inputs": {**INPUTS, "sizes": [1]}}, ["the inputs without null values"]),
    "no inputs": ({"inputs": None}, ["no inputs"]),
    "bucket and inputs": (
        {"bucket": "VIDEOS", "inputs": {**INPUTS, "n": 1.0}},
        ["the bucket in another case", "numbers in the inputs in another form"],
    ),
    "as it was sent": ({}, []),
}  # fmt: skip


def content(bucket="videos", key=KEY, inputs=INPUTS):
    return Content(bucket, key, inputs)


@pytest.mark.parametrize("case", NAMED)
def test_each_difference_is_named(case):
    changes, words = NAMED[case]
    assert list(differences(row(), content(**changes))) == words


# What loses a part of a content, so that two rows may look the same.
LOSING = {
    "bucket-lost", "keys-ascii", "keys-cut", "keys-basename", "keys-slashes-removed", "inputs-masked", "inputs-blank",
    "inputs-lost", "input-empty",
}  # fmt: skip
OF_CONTENT = [quirk for quirk in Quirk if quirk.group is Group.CONTENT] + [
    Quirk.KEYS_NORMALISED, Quirk.INPUTS_AS_TEXT, Quirk.INPUTS_ADDED, Quirk.INPUTS_LOST,
]  # fmt: skip
COMBINED = ["bucket-upper keys-nfkc keys-folded numbers-as-text", "keys-slashes-merged keys-encoded inputs-extra"]


def shown(sent, quirks):
    inputs = None if Quirk.INPUT_EMPTY in quirks else shown_inputs(sent.inputs, {}, quirks)
    key = "" if Quirk.INPUT_EMPTY in quirks else shown_key(sent.object, quirks)
    return Content(shown_bucket(sent.bucket, quirks), key, inputs)


def odd(number):
    told = odd_rows()[number]
    return row(number, told["object"], told["inputs"])


@pytest.mark.parametrize("text", [*map(str, OF_CONTENT), *COMBINED])
def test_a_form_that_keeps_contents_apart_is_learned_from_controls_and_no_other_is(text):
    quirks = dict(parse_quirk("keys-cut=12" if each == "keys-cut" else each) for each in text.split())
    known = [(sent_of(odd(number)), shown(sent_of(odd(number)), quirks)) for number in range(8)]
    form, ours = learned(known), sent_of(odd(20))
    if text in LOSING:
        assert form is None
    else:
        assert form.fits(ours, shown(ours, quirks))
        assert not form.fits(ours, shown(sent_of(odd(21)), quirks))


def of(key):
    return Sent("videos", key, {})


def test_a_form_is_learned_only_from_controls_that_are_all_shown_in_it():
    folded = [(of("A"), Content("videos", "a", None)), (of("B"), Content("videos", "b", None))]
    assert learned(folded).fits(of("C"), Content("videos", "c", None))
    assert learned([*folded, (of("D"), Content("videos", "D", None))]) is None
    assert learned([*folded, (of("D"), None)]) is None
    assert learned([]) is None


def test_a_difference_that_no_control_can_show_is_in_no_form():
    plain = learned([(of("a"), Content("videos", "a", None))])
    assert plain.is_exact
    assert not plain.fits(of("A"), Content("videos", "a", None))


def test_forms_that_explain_the_controls_equally_must_agree_about_a_row():
    trimmed_or_merged = learned([(of("//"), Content("videos", "", None)), (of("a/"), Content("videos", "a", None))])
    assert trimmed_or_merged.fits(of("b/"), Content("videos", "b", None))
    # removed at the end, or at both ends
    assert not trimmed_or_merged.fits(of("/b/"), Content("videos", "b", None))
    assert not trimmed_or_merged.fits(of("/b/"), Content("videos", "/b", None))


def execution(name, key, bucket="videos", at=100.5):
    text = json.dumps({"bucket": bucket, "object": key})
    return ExecutionDetail(Execution(name, f"urn:{name}", "", at), text)


FOLDED = learned([(of("A"), Content("videos", "a", None))])


def outcome(rows, executions, proven=(1, 2, 3)):
    found = match(rows, executions, [WIDE] * len(rows), Known(FOLDED, proven))
    started = {each.id: detail.execution.name for each, detail in found.started}
    return started, [each.id for each in found.absent], sorted(each.id for each in found.unclear), found.why


def plain(id_, key):
    return row(id_, key, {})


def test_a_row_is_adopted_in_the_form_of_the_controls_if_the_list_shows_these():
    assert outcome([plain(1, "Clip.mp4")], [execution("e", "clip.mp4")])[0] == {1: "e"}
    started, absent, unclear, why = outcome([plain(1, "Clip.mp4")], [execution("e", "clip.mp4")], proven=())
    assert (started, absent, unclear, why) == ({}, [], [1], {1: "has the key in another case"})


def test_rows_that_the_form_shows_alike_are_held_and_not_adopted():
    both = [plain(1, "Clip.mp4"), plain(2, "clip.mp4")]
    for executions in ([execution("e", "clip.mp4")], [execution("e", "clip.mp4"), execution("f", "clip.mp4")]):
        assert outcome(both, executions) == ({}, [], [1, 2], {1: CONTESTED, 2: CONTESTED})


def test_a_row_with_two_executions_in_the_form_is_held():
    started, absent, unclear, _ = outcome(
        [plain(1, "Clip.mp4")], [execution("e", "clip.mp4"), execution("f", "clip.mp4")]
    )
    assert (started, absent, unclear) == ({}, [], [1])


def test_an_execution_of_an_unknown_time_is_not_adopted_in_another_form():
    assert outcome([plain(1, "Clip.mp4")], [execution("e", "clip.mp4", at=None)])[2] == [1]


def test_equal_rows_with_an_execution_for_each_in_the_form_are_adopted():
    same = [plain(1, "Clip.mp4"), plain(2, "Clip.mp4")]
    assert set(outcome(same, [execution("e", "clip.mp4"), execution("f", "clip.mp4")])[0]) == {1, 2}


def test_a_difference_besides_the_form_holds_the_row():
    started, _, unclear, why = outcome([plain(1, "Clip.mp4")], [execution("e", "clip.mp4", "VIDEOS")])
    assert (started, unclear) == ({}, [1])
    assert why == {1: "has the bucket in another case, the key in another case"}


def test_every_difference_of_the_emulator_that_keeps_a_row_is_named():
    for quirk in OF_CONTENT:
        quirks = dict([parse_quirk("keys-cut=12" if quirk is Quirk.KEYS_CUT else str(quirk))])
        sent = odd(3)
        told = shown(sent_of(sent), quirks)
        if likeness(sent, told) == BLURRED:
            words = differences(sent, told)
            assert words, quirk
            assert "the key in another form" not in words, quirk


def listed(sent, quirks):
    told = shown(sent_of(sent), quirks)
    text = json.dumps({"bucket": told.bucket, "object": told.object, "inputs": told.inputs})
    return ExecutionDetail(Execution(f"e{sent.id}", "", "", 100.5), text)


def control(row):
    return Control(row.id, f"e{row.id}", "", 100.5, 100.0, 101.0, row.bucket, row.object, row.inputs)


@pytest.mark.parametrize("seed", range(100))
def test_whatever_a_service_does_to_contents_no_started_row_is_taken_for_absent_and_no_other_for_started(seed):
    chance = random.Random(seed)
    chosen = chance.sample([each for each in OF_CONTENT if each is not Quirk.INPUT_EMPTY], chance.randint(1, 3))
    quirks = dict(parse_quirk("keys-cut=14" if each is Quirk.KEYS_CUT else str(each)) for each in chosen)
    rows = [odd(number) for number in range(20, 26)]
    began = {each.id for each in rows if chance.random() < 0.6}
    controls = [control(each) for each in map(odd, range(chance.randint(1, 4)))]
    details = {each.name: listed(odd(each.id), quirks).input for each in controls}
    executions = [listed(each, quirks) for each in rows if each.id in began]
    found = match(
        rows, executions, [WIDE] * len(rows), Known(shown_form(controls, details), [each.id for each in rows])
    )
    assert {row.id: detail.execution.name for row, detail in found.started}.items() <= {
        number: f"e{number}" for number in began
    }.items()
    if are_comparable(controls, details):
        assert not {row.id for row in found.absent} & began


@pytest.mark.parametrize(
    ("known", "is_adopted"),
    [
        # numbers are shown as numbers: the text is another client's
        ([{"n": 7}], False),
        ([{"note": "x"}, {"sizes": [1, "2"]}], False),
        # nothing shows how numbers are shown
        ([{"note": "x"}], True),
        ([], True),
    ],
)
def test_a_number_that_is_shown_as_text_is_adopted_unless_numbers_are_shown_as_numbers(known, is_adopted):
    ours = row(inputs={"n": 1})
    found = ExecutionDetail(
        Execution("e", "", "", 100.5), json.dumps({"bucket": "videos", "object": KEY, "inputs": {"n": "1"}})
    )
    shown = learned([(Sent("videos", "k", inputs), Content("videos", "k", inputs)) for inputs in known])
    matched = match([ours], [found], [WIDE], Known(shown, {ours.id}))
    assert (bool(matched.started), bool(matched.unclear)) == (is_adopted, not is_adopted)
    if not is_adopted:
        assert matched.why == {ours.id: "has numbers in the inputs as text"}
    exact = found._replace(input=json.dumps({"bucket": "videos", "object": KEY, "inputs": {"n": 1}}))
    assert match([ours], [exact], [WIDE], Known(shown, {ours.id})).started
