"""What is chance and what is more, by hand and at random. How it does against services is in `test_overload.py`."""

from itertools import cycle, islice, pairwise
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batcher.rules.rate.chance import Refusals, Strength, is_few, is_usual
from batcher.rules.rate.recent import Recent
from batcher.rules.rate.trial import Cut, Trials


def pattern(one_in, count):
    """Give so many answers; each `one_in`th is a refusal."""
    return islice(cycle([False] * (one_in - 1) + [True]), count)


def count(refusals, answers):
    for is_refused in answers:
        refusals.refused() if is_refused else refusals.accepted()


def answered(good, bad):
    recent = Recent(1.0)
    for _ in range(good):
        recent.went_well(100.0)
    for _ in range(bad):
        recent.went_badly(100.0)
    return recent


def cut(*, at=100.0, rate=500.0, limit=500.0, taken=500.0, good=450, bad=50, known=0.0, strength=Strength.CLEAR):
    return Cut(at, rate, limit, taken, answered(good, bad), known, strength)


def judged(trial, answers, begin=102.0):
    """Give what a trial finds, and after how many answers."""
    for number, is_refused in enumerate(answers, 1):
        found = trial.count(begin, is_refused=is_refused)
        if found is not None:
            return found, number
    return None


def test_nothing_is_known_to_be_chance_before_a_trial_has_found_it():
    refusals = Refusals()
    count(refusals, pattern(10, 1000))
    assert refusals.share == 0.0
    refusals.believe(0.1, 100)
    assert refusals.share == pytest.approx(0.1)


def test_chance_is_forgotten_where_nothing_is_refused_at_a_lowered_rate():
    refusals = Refusals()
    refusals.believe(0.1, 40)
    refusals.learn_low(0.0, 40)
    assert refusals.share == pytest.approx(0.05)
    refusals.learn_low(0.0, 150)
    assert refusals.share == 0.0


def test_a_cut_that_the_chance_measured_again_explains_is_no_limit():
    trial = Trials().begin(cut(known=0.05)._replace(since=(40, 410)))
    assert [trial.is_explained(share) for share in (0.05, 0.1)] == [False, True]


def test_the_known_share_is_no_excess_and_a_greater_one_is():
    refusals = Refusals()
    refusals.believe(0.1, 500)
    count(refusals, pattern(10, 5000))
    assert not refusals.is_excess(500.0)
    count(refusals, pattern(4, 200))
    assert refusals.is_excess(500.0)
    refusals.forget()
    assert not refusals.is_excess(500.0)


def test_the_known_share_falls_when_fewer_are_refused_and_does_not_rise_with_an_overload():
    refusals = Refusals()
    refusals.believe(0.1, 500)
    count(refusals, pattern(2, 500))
    assert refusals.share == 0.1
    count(refusals, [False] * 5000)
    assert refusals.share < 0.01


def test_while_no_chance_is_known_few_refusals_are_3_percent_and_1_5_while_the_rate_probes():
    assert is_few(3, 100)
    assert not is_few(4, 100)
    assert is_usual(3, 200, usual=0.0)
    assert not is_usual(4, 200, usual=0.0)


def test_a_probe_that_is_refused_as_often_as_the_limit_was_shows_nothing():
    assert is_usual(8, 200, usual=0.02)
    assert not is_usual(9, 200, usual=0.02)


def test_whether_most_is_refused_is_open_for_a_few_answers_at_the_most():
    for one_in, is_open in ((2, [False, True, False]), (3, [False, True, False]), (10, [False, False, False])):
        refusals, seen = Refusals(), []
        for answers in range(1, 81):
            refusals.refused() if answers % one_in == 1 else refusals.accepted()
            if answers in {1, 7, 80}:
                seen.append(refusals.is_open)
        assert seen == is_open


def test_a_trial_finds_chance_where_as_many_are_refused_as_before_and_none_where_nothing_is():
    assert judged(Trials().begin(cut()), pattern(10, 1000))[0] is True
    assert judged(Trials().begin(cut()), [False] * 1000)[0] is False


@pytest.mark.parametrize("one_in", [2, 3, 500])
def test_what_is_refused_far_more_or_less_often_than_before_is_not_found_to_be_chance(one_in):
    found = judged(Trials().begin(cut()), pattern(one_in, 2000))
    assert found is None or found[0] is False


def test_a_trial_that_has_just_begun_finds_no_chance():
    assert judged(Trials().begin(cut()), pattern(10, 1000), begin=101.4) is None


def test_answers_to_what_was_sent_within_a_second_of_the_cut_do_not_count():
    trial = Trials().begin(cut())
    assert [trial.counts(sent_at, 105.0) for sent_at in (99.0, 100.9, 101.0, inf)] == [False, False, True, True]


def test_a_trial_is_soon_over_where_nothing_is_refused_and_lasts_where_something_is():
    trial = Trials().begin(cut())
    assert [trial.is_over(now) for now in (101.0, 101.1)] == [False, True]
    trial.count(101.0, is_refused=True)
    assert [trial.is_over(now) for now in (104.0, 104.1)] == [False, True]


LITTLE = {"strength": Strength.FAINT, "rate": 30.0, "limit": 30.0, "taken": 30.0, "good": 58, "bad": 1}


@pytest.mark.parametrize(
    "reason",
    [LITTLE, {"strength": Strength.MOST}, {"rate": 520.0}, {"good": 50, "bad": 50}],
    ids=["little evidence", "too much to be chance", "the rate was probing", "most was refused"],
)
def test_a_cut_that_has_another_reason_is_not_tried(reason):
    assert Trials().begin(cut(**reason)) is None


def test_little_evidence_is_tried_where_seconds_decide_and_then_more_rarely():
    trials, weak = Trials(), Strength.WEAK
    tried = [second for second in range(300) if trials.begin(cut(at=float(second), good=480, bad=20, strength=weak))]
    assert tried == [0, 3, 13, 51, 89, 127, 165, 203, 241, 279]


@pytest.mark.parametrize("reason", [{"good": 50, "bad": 50}, {"rate": 520.0}], ids=["most was refused", "a probe"])
def test_after_a_limit_was_found_or_fell_no_cut_is_tried_for_eight_seconds(reason):
    trials = Trials()
    trials.begin(cut(**reason))
    assert [trials.begin(cut(at=at)) is None for at in (107.9, 108.1)] == [True, False]


def test_trials_become_rare_until_one_finds_chance():
    trials = Trials()
    begun = [second for second in range(100, 400) if trials.begin(cut(at=float(second), good=95, bad=5))]
    gaps = [after - before for before, after in pairwise(begun)]
    assert gaps == sorted(gaps)
    assert gaps[0] <= 4
    assert gaps[-1] >= 32
    trials.succeeded()
    assert trials.begin(cut(at=500.0)) is not None
    assert trials.begin(cut(at=505.0)) is not None


def test_at_a_low_rate_it_takes_longer_until_a_cut_is_tried_after_a_probe():
    for taken, seconds in ((500.0, 8.0), (12.5, 16.0), (1.0, 20.0)):
        trials = Trials()
        trials.begin(cut(rate=520.0, taken=taken))
        begun = [trials.begin(cut(at=100.0 + seconds + late, taken=taken)) for late in (-0.1, 0.1)]
        assert [trial is None for trial in begun] == [True, False]


def test_in_a_slow_start_a_trial_is_made_at_half_of_what_was_taken():
    assert Trials().begin(cut(limit=None, strength=Strength.WEAK)).rate == 250.0
    assert Trials().begin(cut(limit=None, strength=Strength.MOST)) is None


def test_where_chance_is_known_each_cut_is_tried_to_measure_it_again():
    trials = Trials()
    for second in range(5):
        assert trials.begin(cut(at=100.0 + second, rate=520.0, known=0.05, strength=Strength.MOST)) is not None


def test_refusals_in_a_row_late_in_a_trial_are_a_limit_that_has_fallen_and_no_chance():
    trial = Trials().begin(cut())
    found = [trial.count(102.0, is_refused=is_refused) for is_refused in [False] * 25 + [True] * 4]
    assert True not in found
    assert trial.is_most


def test_a_trial_without_a_result_may_be_repeated_at_once_and_goes_on_where_it_ended():
    trials = Trials()
    for begin in (100.0, 103.0, 106.0):
        trial = trials.begin(cut(at=begin))
        assert trial is not None
        assert [trial.count(begin + 2, is_refused=False) for _ in range(15)] == [None] * 15
        if begin == 100.0:
            first = trial.score
        trials.ended(begin + 2.0, trial)
    assert trial.score == pytest.approx(3 * first)


def test_at_a_low_rate_a_cut_is_tried_as_soon_as_there_is_some_evidence():
    assert Trials().begin(cut(**LITTLE)) is None
    assert Trials().begin(cut(**(LITTLE | {"strength": Strength.WEAK}))) is not None


def test_where_nothing_was_taken_yet_a_trial_of_a_slow_start_still_sends_something():
    assert Trials().begin(cut(limit=None, taken=0.0, rate=10.0, good=0, bad=3)).rate == 2.5


def test_three_refusals_in_a_row_may_be_chance_and_four_are_not():
    refusals = Refusals()
    seen = []
    for _ in range(4):
        refusals.refused()
        seen.append(refusals.is_most)
    assert seen == [False, False, False, True]


def test_a_trial_at_which_most_is_refused_is_noticed_after_three_refusals():
    trial = Trials().begin(cut())
    seen = []
    for _ in range(3):
        trial.count(101.0, is_refused=True)
        seen.append(trial.is_most)
    assert seen == [False, False, True]


@settings(deadline=None, derandomize=True)
@given(st.lists(st.booleans(), max_size=300), st.floats(0, 0.25))
def test_whatever_is_answered_the_share_stays_between_nothing_and_a_quarter(answers, share):
    refusals = Refusals()
    refusals.believe(share, 50)
    count(refusals, answers)
    assert 0.0 <= refusals.share <= 0.25
