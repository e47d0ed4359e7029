"""The table of lies is complete, each leaves as many rows in doubt as it says, and the ledger judges the command."""

import pytest
from lies import LIES, ROWS, SHARE, STRUCK, Doubt, Found, Kind, found, judged

from batcher.emulator.faults import lot
from batcher.emulator.quirks import Group, Quirk

ROW_1, ROW_2 = {"object": "a", "inputs": {}}, {"object": "b", "inputs": {"n": 1}}
START_1, START_2 = ("a", "{}"), ("b", '{"n":1}')


def _record(row, status, name=None):
    return {"row": row, "status": status, "execution_name": name}


STARTED = [_record(1, "started", "x"), _record(2, "started", "y")]


def test_every_quirk_of_the_emulator_is_in_a_lie():
    # What is shown of a bucket's objects, and of restores, says nothing about starts: test_object_lists.py and
    # test_redrive.py have those.
    about_executions = {quirk for quirk in Quirk if quirk.group not in {Group.BUCKETS, Group.RESTORES}}
    assert {quirk for lie in LIES.values() for quirk in lie.emulator().quirks} == about_executions


def test_no_two_lies_are_the_same():
    assert len({(lie.quirks, lie.doubt, lie.is_odd, tuple(lie.settings.items())) for lie in LIES.values()}) == len(LIES)


@pytest.mark.long(small=1 / 8, ci=1 / 2)
@pytest.mark.parametrize("name", LIES)
def test_a_lie_leaves_a_third_of_the_rows_in_doubt(name):
    lie = LIES[name]
    settings = lie.emulator()
    purpose = "late-share" if lie.doubt is Doubt.LATE else "fault"
    struck = [row for row in lie.rows() if lot(settings.seed, purpose, "videos", row["object"]) < SHARE]
    assert (len(lie.rows()), len(struck)) == (ROWS, STRUCK)


@pytest.mark.long(small=1 / 60, ci=1 / 8)
@pytest.mark.parametrize("name", LIES)
async def test_no_lie_starts_a_row_twice_and_what_it_hides_is_held(name, tmp_path):
    seen = await found(LIES[name], tmp_path)
    assert seen.twice == 0, seen
    assert seen.exit_code == (3 if seen.held else 0), seen
    # The first of two starts with one answer may be that of the other row.
    if LIES[name].quirks != ("stale-answer=50%",):
        assert (seen.false, seen.shared, seen.lost) == (0, 0, 0), seen
    if LIES[name].kind is Kind.NONE:
        assert seen.held == 0, seen


@pytest.mark.parametrize(
    ("starts", "records", "expected"),
    [
        ([START_1, START_2], STARTED, Found(0, 0, 0, 0, 0, 1, 0)),
        ([START_1, START_2, START_1], STARTED, Found(1, 0, 0, 0, 0, 1, 0)),
        ([START_1, ("b", "{}")], STARTED, Found(0, 1, 0, 1, 0, 1, 0)),
        ([START_1, START_2], [_record(1, "started", "x"), _record(2, "started", "x")], Found(0, 0, 2, 0, 0, 1, 0)),
        ([START_1], [*STARTED[:1], _record(2, "in_doubt")], Found(0, 0, 0, 0, 1, 1, 0)),
        ([START_1, START_2], [_record(1, "in_doubt"), *STARTED], Found(0, 0, 0, 0, 0, 1, 0)),
        ([], [], Found(0, 0, 0, 2, 0, 1, 0)),
    ],
)
def test_rows_and_records_are_compared_with_the_ledger(starts, records, expected):
    assert judged([ROW_1, ROW_2], starts, records, [0]) == expected


async def test_the_command_starts_every_row_once_against_an_honest_service(tmp_path):
    assert await found(LIES["honest"], tmp_path) == Found(0, 0, 0, 0, 0, 1, 0)


async def test_the_command_holds_what_a_list_without_a_date_cannot_settle(tmp_path):
    assert await found(LIES["no Date on the list"], tmp_path) == Found(0, 0, 0, 0, STRUCK, 2, 3)


async def test_the_command_holds_no_row_for_a_form_that_the_controls_show(tmp_path):
    assert await found(LIES["bucket key and inputs changed"], tmp_path) == Found(0, 0, 0, 0, 0, 1, 0)
