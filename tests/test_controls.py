"""What a walk must show of our own executions before a row is released, and which of them are kept for that."""

import asyncio
import html
import json
from email.utils import formatdate
from functools import partial
from urllib.parse import quote, unquote

import pytest

from batcher.edges.checkpoint import Answered, open_checkpoint
from batcher.flow.reconcile import Inquiry, reconcile
from batcher.model import Described, Execution, ExecutionDetail, Page, Record, Row, Settlement, Status, Unsettled
from batcher.rules.doubts.control import Control
from batcher.rules.doubts.evidence import NEAREST, NO_CONTROL, NOT_AS_SENT, Evidence, Nearest, families_of, is_foreign
from batcher.rules.doubts.likeness import is_key_alike, is_value_alike
from batcher.rules.doubts.matching import is_within
from batcher.rules.doubts.sample import MOST, PER_GROUP
from batcher.rules.doubts.times import RETENTION
from batcher.rules.job.card import Card
from batcher.rules.rows.admission import Policy, admission
from batcher.rules.rows.identity import content_key
from batcher.rules.service.repeated import LATELY, Names

NOW = 1_795_509_000.0
SETTLE = 30.0


def doubt(id_=1, at=NOW - 100):
    return Unsettled(id_, Status.IN_DOUBT, id_, "b", "o", b"", "", at, at + 1)


def control(number, at=NOW - 100):
    return Control(100 + number, f"e{number}", f"urn:w:e{number}", at + 0.5, at, at + 1, "b", f"c{number}", b"")


def listed(control, **changes):
    told = {"name": control.name, "urn": control.urn, "started_at": "", "at": control.at} | changes
    return Execution(**told)


def proof(controls, executions, row=None, before=NOW):
    shown = {each.name: each for each in executions}
    return Evidence(controls, shown, before, SETTLE).proof(row or doubt())


def test_a_list_that_shows_every_control_as_it_is_proves_that_a_row_is_absent():
    controls = [control(number) for number in range(3)]
    assert proof(controls, map(listed, controls)).fault == ""


def test_without_a_control_nothing_is_proved():
    assert proof([], []).fault == NO_CONTROL


def test_a_control_that_is_missing_is_counted_and_waited_for_until_its_settle_time_has_passed():
    controls = [control(number) for number in range(3)]
    found = proof(controls, [listed(controls[0])])
    assert found.fault == "the list does not show 2 of 3 executions that this job started"
    assert found.ripe_at == controls[0].answered_at + SETTLE


HOURS = 3600.0
DIFFERENT = {
    "an hour later": ({"at": NOW - 100 + HOURS}, "at another time"),
    "an hour earlier": ({"at": NOW - 100 - HOURS}, "at another time"),
    "six seconds later": ({"at": NOW - 100 + 6.5}, "at another time"),
    "of an event": ({"is_event": True}, "as those of an event"),
    "of another workflow": ({"urn": "urn:v:e0"}, "as those of another workflow"),
}


@pytest.mark.parametrize("case", DIFFERENT)
def test_a_control_that_is_shown_as_something_else_proves_nothing(case):
    changes, phrase = DIFFERENT[case]
    controls = [control(0), control(1)]
    found = proof(controls, [listed(controls[0], **changes), listed(controls[1])])
    assert found.fault == f"the list shows 1 of 2 executions that this job started {phrase}"


def test_times_that_are_wrong_in_answers_as_well_are_compared_with_the_services_clock():
    wrong = control(0)._replace(at=NOW - 100 + 8 * HOURS)
    assert "at another time" in proof([wrong], [listed(wrong)]).fault


def test_a_time_that_cannot_be_read_is_no_other_time():
    assert proof([control(0)], [listed(control(0), at=None)]).fault == ""


def test_only_the_nearest_controls_are_asked_of_the_list():
    controls = [control(number, NOW - 5000 + number) for number in range(100)]
    found = proof(controls, map(listed, controls), doubt(at=NOW - 4950))
    assert [each.id for each in found.controls] == [each.id for each in controls[35 : 35 + NEAREST]]


def test_a_control_that_the_list_need_not_keep_any_more_is_not_asked_for():
    old, new = control(0, NOW - RETENTION - 10), control(1)
    assert [each.name for each in proof([old, new], [listed(new)]).controls] == ["e1"]


def test_a_walk_asks_for_the_times_of_the_controls_as_well_and_for_the_day_before_an_old_row():
    far, near, adopted = control(0, NOW - 9000), control(1, NOW - 200), control(2, NOW - 50)
    adopted = adopted._replace(answered_at=None, at=NOW + 40)
    windows = sorted(Nearest([far, near, adopted], NOW).windows([doubt(1), doubt(2)]))
    assert windows == [(NOW - 9005, NOW - 8994), (NOW - 205, NOW - 194), (NOW - 55, NOW + 45)]
    old = NOW - RETENTION - 1
    assert sorted(Nearest([near], NOW).windows([doubt(at=old)])) == [(old - RETENTION, old), near.window]


class Service:
    """A list of the controls, walked and asked by plain functions; `contents` are those of the details, by name."""

    def __init__(self, controls, *, executions=None, contents=None, names=None):
        self.controls = controls
        self.executions = list(map(listed, controls)) if executions is None else executions
        self.contents = {each.name: {"bucket": each.bucket, "object": each.object} for each in controls}
        self.contents |= contents or {}
        self.names = names or {}
        self.asked = []
        self.now = NOW

    def findings(self, rows, *, patient=False):
        return reconcile(self.inquiry(sleep=partial(asyncio.sleep, 0)), rows, patient=patient)

    def inquiry(self, sleep=None):
        self.noted = []
        return Inquiry(
            executions=self._pages, execution=self._detail, note=self._note, unowned=self._unowned,
            controls=partial(asyncio.sleep, 0, self.controls), date=None, sleep=sleep, stopped=lambda: False,
            now=lambda: self.now, settle_time=SETTLE,
        )  # fmt: skip

    async def _pages(self, windows):
        """List what began within the windows only, as a dialect may."""
        within = [each for each in self.executions if is_within(each.at, windows)]
        yield Described(200, date=formatdate(self.now, usegmt=True), noun=Page(tuple(within)))

    async def _detail(self, name):
        self.asked.append(name)
        shown = Execution(self.names.get(name, name))
        return Described(200, noun=ExecutionDetail(shown, json.dumps(self.contents[name])))

    async def _note(self, executions):
        self.noted += executions

    async def _unowned(self):
        noted, self.noted = self.noted, []
        return noted


CONTROLS = [control(number) for number in range(3)]


async def test_a_row_is_released_only_if_the_list_shows_the_controls():
    assert (await Service(CONTROLS).findings([doubt()])).released == [doubt()]
    for broken in (Service([]), Service(CONTROLS, executions=[listed(CONTROLS[0])])):
        findings = await broken.findings([doubt()])
        assert (findings.released, findings.held) == ([], [doubt()])
        assert findings.reason != ""


@pytest.mark.parametrize(
    "service",
    [
        Service(CONTROLS, contents={"e1": {"bucket": "b", "object": "another"}}),
        Service(CONTROLS, contents={"e1": {}}),
        Service(CONTROLS, names={"e1": "e2"}),
    ],
    ids=["another content", "no content", "under another name"],
)
async def test_a_row_is_held_if_the_service_does_not_report_a_control_as_it_was_sent(service):
    findings = await service.findings([doubt()])
    assert (findings.released, findings.held, findings.reason) == ([], [doubt()], NOT_AS_SENT)


async def test_a_list_that_is_asked_for_times_shows_the_controls_of_other_times_and_none_of_them_is_asked_for():
    hour_ago = [control(number, NOW - 3600 - 40 * number) for number in range(NEAREST + 5)]
    between = Execution("x", "urn:w:x", "", NOW - 3600)
    service = Service(hour_ago, executions=[*map(listed, hour_ago), between])
    assert (await service.findings([doubt()])).released == [doubt()]
    assert set(service.asked) < {each.name for each in hour_ago}
    gap = Service(hour_ago, executions=[listed(each) for each in hour_ago if each is not hour_ago[3]])
    findings = await gap.findings([doubt()])
    assert findings.held == [doubt()]
    assert findings.reason == "the list does not show 1 of 30 executions that this job started"


async def test_an_execution_of_another_workflow_is_neither_a_rows_nor_asked_for():
    other = Execution("x", "urn:v:x", "", NOW - 99.5)
    service = Service(CONTROLS, executions=[*map(listed, CONTROLS), other])
    assert (await service.findings([doubt()])).released == [doubt()]
    assert "x" not in service.asked


def test_a_urn_without_the_name_that_is_listed_tells_nothing_of_the_workflow():
    others = [control(0)._replace(urn=urn) for urn in ("urn:w:E0", "urn:w:e0-and-more", "")]
    assert families_of(others) == set()
    families = families_of([*others, control(1)])
    assert families == {"urn:w:"}
    assert not is_foreign(Execution("x", "urn:v:X"), families)
    assert is_foreign(Execution("x", "urn:v:x"), families)


async def test_a_detail_of_another_execution_is_never_adopted():
    other = Execution("x", "urn:w:x", "", NOW - 99.5)
    contents = {"x": {"bucket": "b", "object": "o"}}
    service = Service(CONTROLS, executions=[*map(listed, CONTROLS), other], contents=contents, names={"x": "y"})
    findings = await service.findings([doubt()])
    assert (findings.adopted, findings.released) == ([], [])


@pytest.mark.parametrize(("shown", "adopted"), [("another", []), ("c1", [1])])
async def test_no_row_is_adopted_if_a_control_is_reported_as_something_else(shown, adopted):
    other = Execution("x", "urn:w:x", "", NOW - 99.5)
    contents = {"x": {"bucket": "b", "object": "o"}, "e1": {"bucket": "b", "object": shown}}
    service = Service(CONTROLS, executions=[*map(listed, CONTROLS), other], contents=contents)
    findings = await service.findings([doubt()])
    assert ([row.id for row, _ in findings.adopted], findings.released) == (adopted, [])
    assert findings.held == ([] if adopted else [doubt()])


async def test_an_adopted_row_is_a_control_of_the_others():
    other = Execution("x", "urn:w:x", "", NOW - 99.5)
    service = Service([], executions=[other], contents={"x": {"bucket": "b", "object": "p"}})
    adopted = doubt(2)._replace(object="p")
    findings = await service.findings([doubt(), adopted], patient=True)
    assert ([row.id for row, _ in findings.adopted], findings.released) == ([2], [doubt()])


async def test_without_a_control_a_row_is_adopted_only_after_other_rows_had_the_time_to_be_started():
    execution = Execution("x", "urn:w:x", "", NOW - 99.5)
    service = Service([], executions=[execution], contents={"x": {"bucket": "b", "object": "o"}})
    findings = await service.findings([doubt()])
    assert (findings.adopted, findings.held, findings.reason) == ([], [doubt()], NO_CONTROL)
    findings = await service.findings([doubt()], patient=True)
    assert [row.id for row, _ in findings.adopted] == [1]


MISLEADING = {
    "none by its name": [listed(each, name=each.name.upper()) for each in CONTROLS],
    "one at another time": [listed(CONTROLS[0], at=NOW - 94), *map(listed, CONTROLS[1:])],
    "one at another time, one not at all": [listed(CONTROLS[0], at=NOW - 94), listed(CONTROLS[1])],
    "one as an event": [listed(CONTROLS[0], is_event=True), *map(listed, CONTROLS[1:])],
}


@pytest.mark.parametrize("case", MISLEADING)
async def test_no_row_is_adopted_by_a_list_that_shows_none_of_the_controls_or_one_as_something_else(case):
    other = Execution("x", "urn:w:x", "", NOW - 99.5)
    service = Service(CONTROLS, executions=[*MISLEADING[case], other], contents={"x": {"bucket": "b", "object": "o"}})
    service.contents |= {each.name: {} for each in MISLEADING[case] if each.name not in service.contents}
    findings = await service.findings([doubt()], patient=True)
    assert (findings.adopted, findings.released, findings.held) == ([], [], [doubt()])
    assert "executions that this job started" in findings.reason


async def test_a_row_is_adopted_by_a_list_that_lacks_some_of_the_controls_or_all_urns():
    contents = {"x": {"bucket": "b", "object": "o"}}
    for urn, shown in (("urn:w:x", [listed(CONTROLS[0])]), ("", [listed(each, urn="") for each in CONTROLS])):
        service = Service(CONTROLS, executions=[*shown, Execution("x", urn, "", NOW - 99.5)], contents=contents)
        assert [row.id for row, _ in (await service.findings([doubt()])).adopted] == [1]


async def test_exact_content_takes_an_execution_from_a_row_with_another_case_once_controls_come_back_as_sent():
    rows = [doubt(1)._replace(object="A.mp4"), doubt(2)._replace(object="a.mp4")]
    execution, contents = Execution("x", "urn:w:x", "", NOW - 99.5), {"x": {"bucket": "b", "object": "a.mp4"}}
    exact = Service(CONTROLS, executions=[*map(listed, CONTROLS), execution], contents=contents)
    findings = await exact.findings(rows)
    assert ([row.id for row, _ in findings.adopted], findings.released) == ([2], [rows[0]])
    encoded = {each.name: {"bucket": "b", "object": f"%63{each.object[1:]}"} for each in CONTROLS}
    other = Service(CONTROLS, executions=[*map(listed, CONTROLS), execution], contents=contents | encoded)
    assert (await other.findings(rows)).held == [rows[0]]


UPPER = {each.name: {"bucket": "B", "object": each.object} for each in CONTROLS}
STARTED = Execution("x", "urn:w:x", "", NOW - 99.5)


async def test_a_row_is_adopted_in_the_form_of_all_controls_and_is_held_with_its_difference_if_one_has_another():
    executions, ours = [*map(listed, CONTROLS), STARTED], {"x": {"bucket": "B", "object": "o"}}
    findings = await Service(CONTROLS, executions=executions, contents=UPPER | ours).findings([doubt()])
    assert [(row.id, found.execution.name) for row, found in findings.adopted] == [(1, "x")]
    for other in ({}, UPPER | {"e1": {"bucket": "b", "object": "c1"}}, UPPER | {"e1": {"bucket": "B", "object": "?"}}):
        findings = await Service(CONTROLS, executions=executions, contents=other | ours).findings([doubt()])
        assert (findings.adopted, findings.held) == ([], [doubt()])
        assert findings.reason == "1 row: an execution at its time has the bucket in another case"


async def test_a_row_is_adopted_in_another_form_only_when_the_list_shows_the_controls_which_is_waited_for():
    contents = UPPER | {"x": {"bucket": "B", "object": "o"}}
    recent = [each._replace(intent_at=NOW - 3, at=NOW - 2, answered_at=NOW - 1) for each in CONTROLS]
    service = Service(recent, executions=[STARTED, listed(recent[0])], contents=contents)
    findings = await service.findings([doubt()])
    assert (findings.adopted, findings.held) == ([], [doubt()])
    waits = []

    async def wait(seconds):
        waits.append(seconds)
        service.executions += [listed(each) for each in recent[1:]]
        service.now += seconds

    findings = await reconcile(service.inquiry(sleep=wait), [doubt()], patient=True)
    assert [row.id for row, _ in findings.adopted] == [1]
    assert waits == [SETTLE - 1]


async def test_without_a_control_no_row_is_adopted_in_another_form_and_one_start_that_is_no_row_is_enough():
    contents = UPPER | {"x": {"bucket": "B", "object": "o"}}
    findings = await Service([], executions=[STARTED], contents=contents).findings([doubt()])
    assert findings.held == [doubt()]
    assert findings.reason == f"{NO_CONTROL}; 1 row: an execution at its time has the bucket in another case"
    start = CONTROLS[0]._replace(id=-1)
    findings = await Service([start], executions=[STARTED, listed(start)], contents=contents).findings([doubt()])
    assert [row.id for row, _ in findings.adopted] == [1]


async def test_a_row_is_released_if_all_controls_are_shown_in_one_form_and_held_with_the_difference_if_it_loses_some():
    assert (await Service(CONTROLS, contents=UPPER).findings([doubt()])).released == [doubt()]
    long = [each._replace(object=f"a-long-name-{each.object}") for each in CONTROLS]
    cut = {each.name: {"bucket": "b", "object": each.object[:12]} for each in long}
    findings = await Service(long, contents=cut).findings([doubt()])
    assert findings.held == [doubt()]
    assert findings.reason == f"{NOT_AS_SENT}: one that this job started has only the beginning of the key"


@pytest.mark.parametrize(
    ("shown", "is_released"),
    [((0, "1"), True), (("0", "1"), True), ((0, 1), True), (("0", 1), False)],
    ids=["as sent", "numbers as text", "text as numbers", "both"],
)
async def test_inputs_of_which_some_become_text_and_others_numbers_are_mixed_up(shown, is_released):
    controls = [
        each._replace(inputs=inputs) for each, inputs in zip(CONTROLS, (b'{"n":0}', b'{"n":"1"}'), strict=False)
    ]
    contents = {
        each.name: {"bucket": "b", "object": each.object, "inputs": {"n": value}}
        for each, value in zip(controls, shown, strict=True)
    }
    findings = await Service(controls, contents=contents).findings([doubt()])
    assert findings.released == ([doubt()] if is_released else [])


async def test_rows_that_executions_keep_in_doubt_are_counted_by_difference():
    rows = [doubt(number)._replace(object=f"o{number}") for number in range(1, 5)]
    keys = {"x1": "O1", "x2": "O2", "x3": "O3", "x4": "o4/"}
    executions = [*map(listed, CONTROLS), *(Execution(name, f"urn:w:{name}", "", NOW - 99.5) for name in keys)]
    contents = {name: {"bucket": "b", "object": key} for name, key in keys.items()}
    findings = await Service(CONTROLS, executions=executions, contents=contents).findings(rows)
    assert findings.reason == (
        "3 rows: an execution at their time has the key in another case;"
        " 1 row: an execution at its time has the key with other slashes"
    )


async def test_a_list_that_is_older_than_the_request_for_it_shows_nothing():
    service = Service(CONTROLS)
    inquiry = service.inquiry()
    findings = await reconcile(
        Inquiry(**{name: getattr(inquiry, name) for name in inquiry.__slots__} | {"now": lambda: NOW + 10}),
        [doubt()],
        patient=False,
    )
    assert (findings.held, findings.reason) == ([doubt()], "the execution list is older than the request for it")


KEY = "/In//1/Cafe\u0301 \ufb01lm+100%25 &.MP4"
FORMS = {
    "decoded": "/In//1/Cafe\u0301 \ufb01lm+100% &.MP4",
    "plus for a space": "/In//1/Cafe\u0301 \ufb01lm 100% &.MP4",
    "slashes doubled": "//In////1//Cafe\u0301 \ufb01lm+100%25 &.MP4",
    "slashes removed": "In1Cafe\u0301 \ufb01lm+100%25 &.MP4",
    "NFKC": "/In//1/Caf\u00e9 film+100%25 &.MP4",
    "lower case": KEY.lower(),
    "entities": KEY.replace("&", "&amp;"),
    "question marks": KEY.encode("ascii", "replace").decode(),
    "Latin-1": KEY.encode().decode("latin-1"),
    "cut": KEY[:12],
    "base name": KEY.rpartition("/")[2],
    "entities, encoded": quote(html.escape(KEY)),
    "question marks, encoded": quote(KEY.encode("ascii", "replace").decode()),
    "question marks in lower case": KEY.lower().encode("ascii", "replace").decode(),
    "decoded, cut": unquote(KEY)[:18],
    "lower case without slashes, cut": KEY.lower().replace("/", "")[:14],
    "Latin-1, encoded": quote(KEY.encode().decode("latin-1")),
}


@pytest.mark.parametrize("form", FORMS)
def test_another_form_of_a_key_may_be_the_rows(form):
    assert is_key_alike(KEY, FORMS[form])


@pytest.mark.parametrize(
    "other", ["/In//1/Cafe.MP4", "film+100%25 &.MP4", "Caf", "/In//2/Cafe\u0301 \ufb01lm+100%25 &.MP4", "", "/In"]
)
def test_another_key_is_another_rows(other):
    assert not is_key_alike(KEY, other)


@pytest.mark.parametrize(
    ("value", "reported", "alike"),
    [
        (1, "1", True), (1, 1.0, True), ("a", " a ", True), ("a & b", "a &amp; b", True), ({"b": 1}, '{"b":1}', True),
        ([1, None], [1], True), ({"a": None}, {}, True), (None, None, True), ("x", "*", True), ("x", "", True),
        ("720p", "1080p", False), (1, 2, False), ([1, 2], [2, 1], False), ("x", None, False),
    ],
)  # fmt: skip
def test_a_value_in_another_form_may_be_the_rows_and_another_value_is_not(value, reported, alike):
    assert is_value_alike(value, reported) is alike


def test_a_name_that_answers_two_starts_is_noticed_and_old_names_are_forgotten():
    names = Names()
    assert [names.is_new(name) for name in ("a", "b", "a")] == [True, True, False]
    assert names.repeated == ["a"]
    for number in range(2 * LATELY):
        names.is_new(str(number))
    assert names.is_new("a")


async def test_the_checkpoint_keeps_a_bounded_sample_of_answered_starts_across_runs(tmp_path):
    path, size, card = tmp_path / "c", 20, Card("https://e", "w")
    async with open_checkpoint(path, card) as checkpoint:
        for first in range(0, 400 * size, size):
            rows = [
                Row(number, 1, "b", f"o{number}", b"", content_key("b", f"o{number}", b""))
                for number in range(first, first + size)
            ]
            sifted = await checkpoint.sift(rows, frozenset())
            policy = Policy(retry_rejected=False, allow_duplicates=False)
            admitted = [admission(found, policy) for found in sifted.found]
            await checkpoint.admit(admitted, NOW + first)
            records = [
                Record(each.row.number, "b", each.row.object, Status.STARTED, f"{each.id:032x}", f"urn:{each.id:032x}")
                for each in admitted
            ]
            settlements = [Settlement(each.id, Status.STARTED, f"{each.id:032x}") for each in admitted]
            await checkpoint.settle(settlements, {}, None, None, Answered(records, NOW + first + 1))
            if not first:
                assert len(await checkpoint.controls()) <= PER_GROUP
        kept = await checkpoint.controls()
    assert MOST / 4 < len(kept) <= MOST
    times = [each.intent_at for each in kept]
    assert (min(times), max(times) > NOW + 390 * size) == (NOW, True)
    for each in kept:
        assert (each.urn, each.object, each.answered_at) == (f"urn:{each.name}", f"o{each.id - 1}", each.intent_at + 1)
    async with open_checkpoint(path, card) as checkpoint:
        assert await checkpoint.controls() == kept
