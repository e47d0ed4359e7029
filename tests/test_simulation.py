"""A share of the simulated seeds, the proof that the simulation sees a broken promise, and what it has found."""

import math

import pytest
from simulated_lies import LIES, told_names
from simulation import World, played, scratch, simulate

from batcher.app import job
from batcher.edges.checkpoint.unsettled_rows import UnsettledRows
from batcher.edges.records import Output
from batcher.flow import attempts, reconcile
from batcher.flow import repair as resume
from batcher.flow.service import Service
from batcher.model import Answer, Record, Status, Unsettled, Verdict
from batcher.rules.choices import Api
from batcher.rules.doubts import evidence, matching

SHARE, LYING_SHARE, V3_SHARE = 30, 20, 10
"""Seeds of a case. `make verify` plays these and more of them by `simulation.py`."""


@pytest.mark.long(small=1 / 10, ci=1 / 10)
@pytest.mark.parametrize("first", range(0, 10 * SHARE, SHARE))
def test_through_crashes_and_faults_every_row_is_started_once_or_named_in_doubt(first):
    assert {seed: world.complaints for seed, world in simulate(range(first, first + SHARE)).items()} == {}


@pytest.mark.long(small=1 / 16, ci=1 / 16)
@pytest.mark.parametrize("first", range(0, 16 * LYING_SHARE, LYING_SHARE))
def test_whatever_the_service_lies_about_no_row_is_started_twice_or_lost(first):
    broken = simulate(range(first, first + LYING_SHARE), told_names)
    assert {seed: (world.lies, world.complaints) for seed, world in broken.items()} == {}


@pytest.mark.long(small=1 / 16, ci=1 / 16)
@pytest.mark.parametrize("first", range(0, 16 * V3_SHARE, V3_SHARE))
def test_both_hold_over_dwr_v3(first):
    broken = simulate(range(first, first + V3_SHARE), lambda seed: told_names(seed) if seed % 2 else (), Api.DWR_V3)
    assert {seed: (world.lies, world.complaints) for seed, world in broken.items()} == {}


def test_each_lie_has_a_kind_and_a_seed_draws_none_to_four():
    assert all(": " in name for name in LIES)
    assert {len(told_names(seed)) for seed in range(50)} == {0, 1, 2, 3, 4}


def test_a_seed_plays_the_same_each_time():
    traces = []
    for _ in range(2):
        with scratch() as folder:
            trace = "\n".join(line for seed in range(6) for line in _played(seed, folder))
            traces.append(trace.replace(str(folder), ""))
    assert traces[0] == traces[1]
    assert "CRASH" in traces[0]


def _played(seed, parent):
    folder = parent / str(seed)
    folder.mkdir()
    world = World(seed, folder)
    world.play()
    return world.trace


def complaints(first):
    """Give what the seeds from this one on complain of: some defects show in one seed of a hundred."""
    for _, world in played(range(first, first + 375)):
        yield from world.complaints


def send_doubts_again(patch):
    patch.setattr(attempts, "RESENDABLE", attempts.RESENDABLE | {Verdict.IN_DOUBT})


def forget_intents(patch):
    admit = UnsettledRows.admit

    def admit_in_memory(unsettled, rows, now):
        admit(unsettled, rows, now)
        unsettled._db.execute("DELETE FROM intents")

    patch.setattr(UnsettledRows, "admit", admit_in_memory)


def take_interrupted_rows_for_unsent(patch):
    patch.setitem(resume._UNWRITTEN, Status.SENDING, Status.REFUSED)


def trust_the_list_too_early(patch):
    walk = reconcile._walk

    async def walked(*words):
        return (await walk(*words))._replace(begun=math.inf)

    patch.setattr(reconcile, "_walk", walked)


def look_only_after_the_intent(patch):
    patch.setattr(matching, "EARLY", -3.0)


def date_intents_by_a_clock_that_can_be_set(patch):
    patch.setattr(Service, "now", lambda service: service.clock.wall())


def date_doubts_by_the_intent(patch):
    async def dated(_inquiry, rows, _told):
        return [row._replace(doubt_at=row.intent_at) for row in rows]

    patch.setattr(reconcile, "_dated", dated)


def do_not_ask_for_the_time_before_the_first_intent(patch):
    async def ask_nobody(*_):
        return Answer(200)

    patch.setattr(job, "contact", ask_nobody)


DEFECTS = [
    (send_doubts_again, "was started 2 times", 0),
    # The sum of the tables shows that they are missing, before a row can be started twice.
    (forget_intents, "the exit code is 74", 5),
    (take_interrupted_rows_for_unsent, "was started 2 times", 5),
    (trust_the_list_too_early, "was started 2 times", 45),
    (look_only_after_the_intent, "was started 2 times", 0),
    # The controls have wrong times as well, so hardly a row is released.
    (date_intents_by_a_clock_that_can_be_set, "is held, and the list is clear", 0),
    (date_doubts_by_the_intent, "was started 2 times", 100),
    (do_not_ask_for_the_time_before_the_first_intent, "is held, and the list is clear", 0),
]
"""Each defect, what is complained of, and the seed to begin with, so that it is found soon."""


@pytest.mark.parametrize(("defect", "complaint", "first"), DEFECTS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_planted_defect_is_seen(monkeypatch, defect, complaint, first):
    defect(monkeypatch)
    assert any(complaint in each for each in complaints(first))


def release_without_a_control(patch):
    patch.setattr(evidence, "NO_CONTROL", "")
    patch.setattr(reconcile, "are_comparable", lambda *_: True)


def release_although_a_control_is_missing(patch):
    judged = evidence.Evidence._judged

    def judged_of_the_shown(evidence, controls):
        return judged(evidence, [each for each in controls if each.name in evidence._shown] or controls)

    patch.setattr(evidence.Evidence, "_judged", judged_of_the_shown)


def release_whatever_the_list_shows_of_controls(number):
    def without(patch):
        patch.setattr(evidence, "_FAULTS", evidence._FAULTS[:number] + evidence._FAULTS[number + 1 :])

    return without


def release_whatever_details_show_of_controls(patch):
    patch.setattr(reconcile, "are_comparable", lambda *_: True)
    patch.setattr(reconcile, "mistakable", lambda *_: {})


def release_by_pages_that_are_older_than_the_question(patch):
    patch.setattr(reconcile, "EARLY", math.inf)


def judge_the_list_by_its_own_date(patch):
    patch.setattr(Service, "_patiently", Service._question)


CLAUSES = {
    "no control": (release_without_a_control, "list: empty", 8),
    "a control is missing": (release_although_a_control_is_missing, "list: some never", 1),
    "another time": (release_whatever_the_list_shows_of_controls(0), "times: local, with Z", 0),
    "another type": (release_whatever_the_list_shows_of_controls(1), "types: TRIGGERCALL", 0),
    "another workflow": (release_whatever_the_list_shows_of_controls(2), "filters: URN of another workflow", 0),
    "another content": (release_whatever_details_show_of_controls, "details: content of another execution", 0),
    "an older page": (release_by_pages_that_are_older_than_the_question, "cache: old pages with their Date", 173),
    "a clock of its own": (judge_the_list_by_its_own_date, "cache: Date off", 49),
}
"""Each clause of the rule by which a row is released: how to leave it out, the lie that it is there for, and the seed
to begin with, so that the defect is found soon."""


@pytest.mark.parametrize("clause", CLAUSES)
def test_a_rule_of_release_without_one_of_its_clauses_is_seen(monkeypatch, clause):
    leave_out, lie, first = CLAUSES[clause]
    leave_out(monkeypatch)
    worlds = (world for _, world in played(range(first, first + 300), lambda _: [lie]))
    assert any("was started 2 times" in each for world in worlds for each in world.complaints)


def test_an_output_that_is_not_repaired_is_seen(monkeypatch):
    monkeypatch.setattr(
        Output, "recover", lambda output, _accept: setattr(output, "length", output._path.stat().st_size)
    )
    assert any("the output is torn" in each for each in complaints(0))


def test_rows_that_bear_one_number_since_the_manifest_was_reordered_do_not_share_a_record():
    left = [Unsettled(id_, Status.SENDING, 8, "bucket", key, b"", "", 100.0) for id_, key in ((3, "sent"), (11, "not"))]
    repair = resume.repair_of(left, [Record(8, "b", "k", Status.STARTED, "e8")], 200.0)
    assert [(each.id, each.status) for each in repair.settlements] == [(3, Status.IN_DOUBT), (11, Status.IN_DOUBT)]
