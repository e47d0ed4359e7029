"""How rows stand by the records of an output, and which rows may have been sent without a record."""

import pytest

from batcher.model import Record, Status
from batcher.rules.doubts.recovery import LEEWAY, Reach, decided, nameless, sighting, whereabouts
from batcher.rules.rows.identity import content_key


def record(status, number=1, name=None):
    return Record(number, "b", "o", Status(status), name)


def stands(known, own=(), strays=(), **more):
    known = None if known is None else Status(known)
    found = decided(known, [record(each) for each in own], [record(each, 9) for each in strays], **more)
    return None if found.status is None else found.status.value


@pytest.mark.parametrize(
    ("known", "own", "expected"),
    [
        (None, [], None),
        (None, ["started"], "started"),
        (None, ["refused"], "in_doubt"),
        (None, ["refused", "started"], "started"),
        (None, ["in_doubt", "started"], "started"),
        (None, ["started", "refused"], "in_doubt"),
        (None, ["in_doubt", "refused"], "in_doubt"),
        (None, ["rejected"], "rejected"),
        (None, ["duplicate"], "duplicate"),
        (None, ["invalid"], "invalid"),
        ("started", ["refused"], "started"),
        ("dismissed", ["rejected"], "dismissed"),
        ("sending", [], "in_doubt"),
        ("sending", ["started"], "started"),
        ("in_doubt", [], "in_doubt"),
        ("pending", [], "in_doubt"),
        ("refused", [], "in_doubt"),
        ("refused", ["rejected"], "rejected"),
        ("rejected", [], "rejected"),
        ("rejected", ["started"], "started"),
        ("invalid", [], "invalid"),
    ],
)
def test_a_row_stands_as_its_last_record_says_and_what_may_have_been_sent_is_in_doubt(known, own, expected):
    for is_plain in (True, False):
        assert stands(known, own, is_plain=is_plain) == expected


@pytest.mark.parametrize("own", [[], ["rejected"], ["refused"]])
def test_a_stray_start_is_that_of_a_row_without_inputs_and_otherwise_the_list_decides(own):
    assert stands(None, own, ["started"], is_plain=True) == "started"
    assert stands(None, own, ["started"], is_plain=False) == "in_doubt"
    assert stands(None, own, ["in_doubt"], is_plain=True) == "in_doubt"
    # With stray records about, the row's own ones may be those of another row as well.
    assert stands(None, ["started"], ["started"], is_plain=False) == "in_doubt"
    assert stands(None, ["started"], is_plain=False, is_ambiguous=True) == "in_doubt"
    assert stands(None, ["started"], ["started"], is_plain=True) == "started"


def test_the_rows_before_the_last_recorded_one_and_twice_the_concurrency_after_it_may_have_been_sent():
    reach = Reach(10, 2, since=50.0, first_start=None)
    sent = [number for number in (3, 7, 11, 12, 15, 16, 17, 18) if reach.sent_since(number) is not None]
    assert sent == [3, 7, 11, 12, 15, 16]
    assert reach.sent_since(4) == reach.since == 50.0


def test_without_a_former_checkpoint_a_row_was_sent_after_all_but_a_few_of_those_before_it():
    reach = Reach(100, 2, since=None, first_start=10_000.0)
    assert reach.since == 10_000.0 - LEEWAY
    for at in (10_000.0, 10_003.0, 10_001.0):
        reach.note_started(at)
    assert reach.sent_since(4) == reach.since
    for at in (10_005.0, 10_002.0, 10_004.0):
        reach.note_started(at)
    # Of six rows, at most three had no verdict yet, so at least three had been started.
    assert reach.sent_since(7) == 10_002.0
    assert Reach(1, 2, since=None, first_start=None).since == 0.0


def test_the_names_of_a_place_differ_from_each_other_and_from_a_content():
    names = {
        sighting(1, "b", "o"),
        sighting(2, "b", "o"),
        whereabouts("b", "o"),
        nameless("o"),
        content_key("b", "o", b""),
    }
    assert len(names) == 5
