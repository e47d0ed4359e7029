"""A small share of the chaos (`make chaos` is the whole of it), and a proof that its judge is not blind."""

from chaos import chaos, run_trial
from chaos_ends import judged as ends_judged
from chaos_judge import Result, judge
from chaos_plan import Row, draw_plan

GOOD = Row("videos", "a.mp4", "x")
OTHER = Row("videos", "b.mp4", "x")


def test_killed_again_and_again_a_job_still_starts_every_row_once(tmp_path):
    total = chaos(kills=3, seed=5631, rows=150, concurrency=8, folder=tmp_path)
    assert total.failures == []
    assert total.figures["kills"] >= 3
    assert total.figures["lost"] == total.figures["started twice"] == total.figures["started unasked"] == 0
    assert total.figures["starts"] > 100 * total.figures["trials"]
    assert total.figures["in doubt"] == sum(total.figures[end] for end in ("adopted", "released", "held"))
    assert total.figures["adopted"] > 0
    assert total.figures["released"] > 0
    assert total.most_open <= 16


def test_the_ledger_tells_on_a_job_that_sends_rows_in_doubt_again_blindly(tmp_path):
    result = run_trial(draw_plan(1, 150, 8), tmp_path / "trial", "--on-doubt", "resend")
    assert result.figures["started twice"] > 0
    assert any(failure.startswith("started twice: 'videos/") for failure in result.failures)


def judged(tmp_path, rows, ledger, *lines):
    output = tmp_path / "records.jsonl"
    output.write_text("".join(lines))
    result = Result()
    judge(rows, ledger, output, result)
    return result


def record(row, status, execution="null", object_="a.mp4"):
    return f'{{"row": {row}, "object": "{object_}", "status": "{status}", "execution_name": {execution}}}\n'


def test_the_judge_finds_nothing_to_say_of_a_good_job(tmp_path):
    rows = [GOOD, GOOD, Row("videos", "", None)]
    ledger = {GOOD.content: ["e1"]}
    lines = [
        record(1, "in_doubt"),
        record(2, "duplicate"),
        record(3, "invalid", object_=""),
        record(1, "started", '"e1"'),
    ]
    result = judged(tmp_path, rows, ledger, *lines)
    assert result.failures == []
    assert (result.figures["in doubt"], result.figures["released"], result.figures["starts"]) == (1, 1, 1)


def test_the_judge_of_a_service_that_lies_lets_rows_be_held_and_none_be_lost_or_started_twice(tmp_path):
    rows = [GOOD, OTHER]
    lines = [record(1, "in_doubt"), record(2, "started", '"e9"', "b.mp4")]
    result = Result()
    output = tmp_path / "records.jsonl"
    output.write_text("".join(lines))
    judge(rows, {OTHER.content: ["e1"]}, output, result, may_hold=True)
    assert (result.failures, result.figures["held"]) == ([], 1)
    judge(rows, {GOOD.content: ["e1", "e2"]}, output, result, may_hold=True)
    assert [failure[:13] for failure in result.failures] == ["lost: 'videos", "started twice"]


def test_the_judge_sees_a_lost_row_one_started_twice_and_one_that_nobody_asked_for(tmp_path):
    ledger = {GOOD.content: ["e1", "e2"], Row("videos", "c.mp4", None).content: ["e3"]}
    result = judged(
        tmp_path, [GOOD, OTHER], ledger, record(1, "started", '"e1"'), record(2, "in_doubt", "null", "b.mp4")
    )
    assert result.failures[:3] == [
        'lost: \'videos/b.mp4/{"note":"x"}\'',
        'started twice: \'videos/a.mp4/{"note":"x"}\'',
        "started unasked: 'videos/c.mp4/{}'",
    ]
    assert result.failures[3].startswith("row 2 should be started, its last record is {'row': '2'")
    assert len(result.failures) == 4


def test_the_judge_sees_a_row_that_names_the_execution_of_another(tmp_path):
    ledger = {GOOD.content: ["e1"], OTHER.content: ["e2"]}
    result = judged(
        tmp_path, [GOOD, OTHER], ledger, record(1, "started", '"e2"'), record(2, "started", '"e2"', "b.mp4")
    )
    assert [failure[:52] for failure in result.failures] == ["row 1 names an execution that is not its own: {'row'"]


def test_the_judge_sees_an_output_with_a_torn_line(tmp_path):
    whole = record(1, "started", '"e1"')
    result = judged(tmp_path, [GOOD], {GOOD.content: ["e1"]}, whole, whole[:20])
    assert len(result.failures) == 1
    assert result.failures[0].startswith("the output does not parse: ")


def test_the_judge_of_ends_sees_a_restore_too_many_and_a_record_too_few_or_too_many():
    start, restore = '{"execution_name": "e1", "object": "a"}', '{"execution_name": "e1", "state": "%s"}'
    end = '{"execution_name": "e1", "end": "%s", "redrives": %d}'
    good = [end % ("failed", 0), end % ("succeeded", 1)]
    assert ends_judged([start, restore % "FAILED"], good) == []
    assert ends_judged([start, restore % "FAILED", restore % "RUNNING"], good)[:2] == [
        "restored in state RUNNING: {'execution_name': 'e1', 'state': 'RUNNING'}",
        "restored twice: e1",
    ]
    assert ends_judged([start], []) == ["no end record: e1"]
    assert ends_judged([start, restore % "FAILED"], [*good, good[1]]) == ["two records of one end: e1"]
    assert ends_judged([start], good[:1]) == ["ended as failed: e1"]
    assert ends_judged([start], good[1:]) == ["1 redrives in the record, 0 in the ledger: e1"]
