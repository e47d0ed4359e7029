"""What a report says: totals that add up, charts that are drawn to scale, and commands that fit."""

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from batcher.edges.report import render
from batcher.model import Record, Status, Unsettled
from batcher.rules.ends.record import EndRecord
from batcher.rules.ends.summary import Cause as EndCause
from batcher.rules.job.card import Card
from batcher.rules.job.runs import begun, decoded, encoded, ended, together
from batcher.rules.rate.bottleneck import Cause, Slowed
from batcher.rules.records.codec import timestamp
from batcher.rules.report import chart as charts
from batcher.rules.report.chart import Series, Tick, chart
from batcher.rules.report.curves import time_label
from batcher.rules.report.digest import Digest
from batcher.rules.report.ends import EndDigest, ends
from batcher.rules.report.glossary import OF_CAUSES, OF_KINDS
from batcher.rules.report.next_commands import Job, Left, next_steps
from batcher.rules.report.page import Known, page
from batcher.rules.report.scale import MOST_TICKS, MOST_TIMES, Clock, logarithmic, round_times

NOW = 1_795_509_000.0
CARD = Card("https://obs.x.com", "w", bucket="videos", manifest="/m/a b.csv", output="/m/a b.csv.executions.jsonl")
JOB = Job(CARD, "/m/a b.csv.checkpoint")
TOP, FLOOR = charts.TOP, charts.HEIGHT - charts.BOTTOM


NOT_SLOWED = Slowed()


def known(counts, *, running=False, read_whole=True, length=None, in_doubt=(), limit=None, slowed=NOT_SLOWED, job=JOB):
    return Known(job, running, read_whole, length, counts, in_doubt, limit, slowed, NOW)


def job_with(checkpoint=JOB.checkpoint, **values):
    return Job(structs.replace(CARD, **values), checkpoint)


@given(st.dictionaries(st.sampled_from(Status), st.integers(0, 10**9)), st.booleans())
def test_the_totals_add_up(states, running):
    made = page(known(states, running=running), Digest())
    assert sum(total.rows for total in made.totals) == made.rows == sum(states.values())
    assert [total.name for total in made.totals] == [status.words for status in Status]


@pytest.mark.parametrize(
    ("states", "headline", "programs"),
    [
        ({Status.STARTED: 2}, "All 2 rows are started.", []),
        ({Status.STARTED: 1}, "The only row is started.", []),
        ({Status.STARTED: 1, Status.DUPLICATE: 1}, "1 of 2 rows started (50.0%), 1 duplicate (50.0%).", []),
        ({Status.STARTED: 3, Status.DISMISSED: 1}, "3 of 4 rows started (75.0%), 1 dismissed (25.0%).", []),
        (
            {Status.STARTED: 199_610, Status.REJECTED: 300, Status.INVALID: 90},
            "199,610 of 200,000 rows started (99.8%), 390 failed (0.2%).",
            ["failures", "run"],
        ),
        ({Status.PENDING: 1}, "0 of 1 row started (0.0%), 1 not started yet (100.0%).", ["run"]),
        ({Status.REFUSED: 2}, "0 of 2 rows started (0.0%), 2 refused (100.0%).", ["run"]),
        ({Status.IN_DOUBT: 1}, "0 of 1 row started (0.0%), 1 in doubt (100.0%).", ["reconcile"]),
        (
            {Status.IN_DOUBT: 1, Status.SENDING: 1, Status.PENDING: 1200},
            "0 of 1,202 rows started (0.0%), 2 in doubt (0.2%), 1,200 not started yet (99.8%).",
            ["run", "reconcile"],
        ),
        ({}, "The manifest has no rows.", []),
    ],
)
def test_the_headline_and_the_commands_say_what_is_left(states, headline, programs):
    made = page(known(states), Digest())
    assert made.headline == headline
    assert [each.command.split()[1] for each in made.commands] == [*programs, "export", "explain"]


def test_while_a_run_goes_on_the_page_says_so_and_no_command_starts_another():
    made = page(known({Status.SENDING: 3, Status.PENDING: 1}, running=True), Digest())
    assert made.headline == "0 of 4 rows started (0.0%), 3 being sent (75.0%), 1 not started yet (25.0%)."
    assert made.notes == ["A run is in progress."]
    assert {total.name: total.rows for total in made.totals if total.rows} == {"sending": 3, "pending": 1}
    assert made.doubts.interrupted == 0
    assert [each.command.split()[1] for each in made.commands] == ["export", "explain"]


def test_the_commands_are_the_jobs_own_ready_for_a_shell():
    inputs = '{"n":1.5,"who\'s":"a b"}'
    job = job_with("/c", endpoint="http://127.0.0.1:1", static_inputs=inputs, output="/o.csv")
    made = page(known({Status.PENDING: 1, Status.REJECTED: 1}, job=job), Digest())
    common = (
        "--workflow w --endpoint http://127.0.0.1:1 --allow-http --bucket videos"
        " --input n:=1.5 --input 'who'\"'\"'s:=\"a b\"' --checkpoint /c --output /o.csv"
    )
    assert [each.command for each in made.commands] == [
        f"batcher run '/m/a b.csv' {common}",
        "batcher failures '/m/a b.csv' -o failed.csv --checkpoint /c",
        f"batcher run failed.csv {common} --retry-rejected",
        "batcher export /c -o rows.csv",
        "batcher explain /c 1",
    ]
    plain = page(known({Status.PENDING: 1}), Digest()).commands[0].command
    assert plain == "batcher run '/m/a b.csv' --workflow w --endpoint https://obs.x.com --bucket videos"


def test_the_failures_of_standard_input_cannot_be_written_and_those_of_json_lines_go_to_json_lines():
    for manifest, failed in (("-", None), ("/m.jsonl.gz", "failed.jsonl"), ("/m.ndjson", "failed.jsonl")):
        made = page(known({Status.REJECTED: 1}, job=job_with(manifest=manifest)), Digest())
        files = [each.command.split()[4] for each in made.commands if each.command.split()[1] == "failures"]
        assert files == ([failed] if failed else [])


def test_the_commands_select_what_the_job_selects():
    job = job_with(
        format="inventory",
        storage_classes=("STANDARD", "WARM"),
        keep_placeholders=True,
        allow_duplicates=True,
        manifest="/m/list.csv",
        output="/m/list.csv.executions.jsonl",
    )
    common = "--workflow w --endpoint https://obs.x.com --bucket videos"
    files = "--checkpoint '/m/a b.csv.checkpoint'"
    classes, flags = "--storage-class STANDARD --storage-class WARM", "--keep-placeholders --allow-duplicates"
    assert [each.command for each in next_steps(job, Left(rows=True, in_doubt=True, failed=True))] == [
        f"batcher run /m/list.csv {common} --format inventory {classes} {flags} {files}",
        "batcher reconcile '/m/a b.csv.checkpoint'",
        f"batcher failures /m/list.csv -o failed.csv {files} --format inventory",
        f"batcher run failed.csv {common} {flags} {files} --output /m/list.csv.executions.jsonl --retry-rejected",
    ]


def test_a_job_of_standard_input_sends_its_rejected_rows_again_by_its_own_command():
    job = job_with("/c", manifest="-", output="/o", format="csv")
    common = "--workflow w --endpoint https://obs.x.com --bucket videos --format csv --checkpoint /c --output /o"
    assert [each.command for each in next_steps(job, Left(rows=False, in_doubt=False, failed=True))] == [
        f"batcher run - {common} --retry-rejected"
    ]


def test_while_rows_may_be_unread_the_page_says_so_and_gives_the_jobs_own_command():
    unread = "The manifest may have more rows."
    for counts, headline in (
        ({Status.STARTED: 2}, "2 of 2 rows read so far started."),
        ({Status.STARTED: 1, Status.DISMISSED: 1}, "1 of 2 rows read so far started, 1 dismissed."),
        ({Status.PENDING: 1}, "0 of 1 row read so far started, 1 not started yet."),
        ({}, "No rows have been processed yet."),
    ):
        made = page(known(counts, read_whole=False), Digest())
        assert (made.headline, list(made.notes)) == (headline, [unread] if counts else [])
        assert ">unknown</td>" in render(made).decode()
    assert [each.command.split()[1] for each in made.commands] == ["run", "export", "explain"]


def test_few_rows_are_not_told_as_none_and_most_not_as_all():
    text = render(page(known({Status.STARTED: 9_999, Status.REJECTED: 1}), Digest())).decode()
    assert ("&gt;99.9%" in text, "&lt;0.1%" in text) == (True, True)
    assert "100.0%" in render(page(known({Status.STARTED: 3}), Digest())).decode()


def doubt(number):
    return Record(number, "b", "k", Status.IN_DOUBT, error={"code": "lost", "message": ""}, recorded_at=timestamp(NOW))


def test_each_doubt_was_settled_in_one_of_three_ways():
    digest = Digest()
    for number in range(10):
        digest.add(doubt(number))
    for number in range(4):
        digest.add(Record(number, "b", "k", Status.STARTED, "e", recorded_at=timestamp(NOW), reconciled=True))
    held = Unsettled(1, Status.IN_DOUBT, 9, "b", "k\n", b"", "", NOW)
    doubts = page(known({Status.IN_DOUBT: 1, Status.SENDING: 2, Status.STARTED: 9}, in_doubt=[held]), digest).doubts
    assert doubts[:5] == (10, 4, 5, 1, 2)
    assert [example.name for example in doubts.named] == ["b/k\\n"]


def test_starts_and_latencies_are_drawn_over_time():
    digest = Digest()
    for second, starts in enumerate((10, 0, 30)):
        for _ in range(starts):
            at = timestamp(NOW + second)
            digest.add(Record(1, "b", "k", Status.STARTED, "e", latency_ms=100.0, recorded_at=at))
    made = page(known({Status.STARTED: 40}, limit=50.0), digest)
    assert [(moment.time, moment.rate) for moment in made.curves.moments] == [
        ("08:30:00", 10),
        ("08:30:01", 0),
        ("08:30:02", 30),
    ]
    assert made.curves.moments[1].p99 is None
    assert made.curves.moments[2].p99 == pytest.approx(100, rel=0.05)
    rates, latencies = made.curves.charts
    assert (rates.unit, latencies.unit) == ("starts per second", "time until the answer, logarithmic")
    assert [line.name for line in latencies.lines] == ["p50", "p95", "p99"]
    assert rates.level == Tick(TOP, "estimated limit")


CHANCE = Slowed(0.0213, {Cause.CHANCE: 54.2})
REFUSED = ["About 2% of requests are refused at any rate.", "The last run was slowed by: chance 54 s."]


@pytest.mark.parametrize(
    ("limit", "slowed", "said"),
    [
        (480.0, CHANCE, ["The estimated limit of the service is 480 starts per second.", *REFUSED]),
        (None, CHANCE, ["No limit of the service was found.", *REFUSED]),
        (None, NOT_SLOWED, ["No limit of the service was found: it did not refuse starts for being too fast."]),
    ],
)
def test_the_page_distinguishes_a_limit_from_chance(limit, slowed, said):
    digest = Digest()
    digest.add(Record(1, "b", "k", Status.STARTED, "e", latency_ms=100.0, recorded_at=timestamp(NOW)))
    html = render(page(known({Status.STARTED: 1}, limit=limit, slowed=slowed), digest)).decode()
    text = " ".join(re.sub(r"<[^>]*>", "", html).split())
    assert " ".join(said) in text


def test_the_rate_of_the_last_span_is_of_the_time_that_it_has_lasted():
    digest = Digest()
    for second in range(250):
        for _ in range(3):
            digest.add(Record(1, "b", "k", Status.STARTED, "e", recorded_at=timestamp(NOW + second)))
    made = page(known({Status.STARTED: 750}), digest)
    assert made.curves.seconds == 4
    assert [moment.rate for moment in made.curves.moments] == [3.0] * 63
    assert sum(span.starts for span in digest.timeline.filled()) == 750


def points(path):
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", path)]


def test_a_line_goes_through_its_values_and_stops_where_there_are_none():
    drawn = chart(
        "t",
        "u",
        [Series("a", [0.0, 5.0, None, 10.0])],
        Clock([NOW, NOW + 1, NOW + 2, NOW + 3], NOW + 4, [2]),
        level=Tick(5.0, "level"),
    )
    (line,) = drawn.lines
    width = (charts.WIDTH - charts.LEFT - charts.RIGHT) / 4
    middle = (TOP + FLOOR) / 2
    assert points(line.path) == [
        (charts.LEFT + width / 2, FLOOR),
        (charts.LEFT + 3 * width / 2, middle),
        (charts.LEFT + 7 * width / 2, TOP),
    ]
    assert line.path.count("M") == 2
    assert drawn.level == Tick(middle, "level")
    assert drawn.pauses == [charts.LEFT + 2 * width]
    assert [tick.label for tick in drawn.y_ticks] == ["0", "2", "4", "6", "8", "10"]
    assert [tick.label for tick in drawn.x_ticks] == ["08:30:00", "08:30:01", "08:30:02", "08:30:04"]


@given(st.lists(st.floats(0, 1e12), min_size=1, max_size=120), st.none() | st.floats(0, 1e12))
def test_a_chart_holds_every_value_within_its_frame(values, level):
    clock = Clock([NOW + number for number in range(len(values))], NOW + len(values), [0])
    drawn = chart("t", "u", [Series("a", values)], clock, level=None if level is None else Tick(level, "l"))
    for x, y in points(drawn.lines[0].path):
        assert charts.LEFT <= x <= charts.WIDTH - charts.RIGHT
        assert TOP - 0.1 <= y <= FLOOR + 0.1
    assert 2 <= len(drawn.y_ticks) <= MOST_TICKS + 1
    assert len({tick.label for tick in drawn.y_ticks}) == len(drawn.y_ticks)
    assert 1 <= len(drawn.x_ticks) <= MOST_TIMES + 1


def test_whatever_comes_from_outside_is_text_on_the_page():
    digest = Digest()
    error = {"code": "<b>", "message": "<script>"}
    digest.add(Record(1, "b", "<i>&", Status.REJECTED, error=error, request_id="<u>", recorded_at=timestamp(NOW)))
    digest.add(Record(2, "b", "<p>/k", Status.STARTED, "e", latency_ms=5.0, recorded_at=timestamp(NOW)))
    job = job_with("<hr>", manifest="<a>", output="<br>", endpoint="<td>", workflow="<h6>", bucket="<em>")
    held = Unsettled(1, Status.IN_DOUBT, 9, "b", "<q>", b"", "", NOW)
    text = render(page(known({Status.REJECTED: 1, Status.IN_DOUBT: 1}, in_doubt=[held], job=job), digest)).decode()
    for hostile in ("<b>", "<script>", "<i>", "<u>", "<p>/", "<a>", "<hr>", "<br>", "<td>", "<h6>", "<em>", "<q>"):
        assert text.count(hostile.replace("<", "&lt;").replace(">", "&gt;")) >= 1
        if hostile != "<td>":
            assert hostile not in text
    assert "&lt;i&gt;&amp;" in text


def test_times_and_durations_on_an_axis_are_round_and_its_right_end_has_the_last_time():
    clock = Clock([NOW + 7 * number for number in range(100)], NOW + 700)
    assert [label for _, label in round_times(clock)] == ["08:30", "08:35", "08:40"]
    drawn = chart("t", "u", [Series("a", [1.0] * 100)], clock)
    assert drawn.x_ticks[-1] == Tick(charts.WIDTH - charts.RIGHT, "08:41:40", "end")
    # A day apart, with a pause between: no round time of the pause is drawn.
    cut = Clock([NOW, NOW + 600, NOW + 86_400 * 2], NOW + 86_400 * 2 + 600, [2])
    assert {label for _, label in round_times(cut)} <= {"24 Nov 08:30", "24 Nov 08:40", "26 Nov 08:30"}
    scale = logarithmic(12.0, 130.0, time_label)
    assert [label for _, label in scale.ticks] == ["10 ms", "20 ms", "50 ms", "100 ms", "200 ms"]
    assert [label for _, label in logarithmic(3.0, 40_000.0, time_label).ticks] == [
        "1 ms", "10 ms", "100 ms", "1 s", "10 s", "100 s",
    ]  # fmt: skip


@given(st.floats(0.001, 1e9), st.floats(1, 1e6))
def test_a_logarithmic_axis_holds_its_values_with_few_ticks(lowest, times):
    scale = logarithmic(lowest, lowest * times, time_label)
    assert 2 <= len(scale.ticks) <= MOST_TICKS + 1
    assert 0 <= scale.part(lowest) <= scale.part(lowest * times) <= 1 + 1e-6


def test_a_slow_job_is_drawn_per_minute_and_a_job_of_one_row_without_charts():
    digest = Digest()
    for minute in range(60):
        digest.add(Record(1, "b", "k", Status.STARTED, "e", latency_ms=9.0, recorded_at=timestamp(NOW + 12 * minute)))
    made = page(known({Status.STARTED: 60}, limit=0.1), digest)
    assert made.curves.unit.name == "minute"
    assert made.curves.charts[0].unit == "starts per minute"
    assert made.limit == pytest.approx(6.0)
    assert max(moment.rate for moment in made.curves.moments) == pytest.approx(5, rel=0.5)
    single = Digest()
    single.add(Record(1, "b", "k", Status.STARTED, "e", latency_ms=9.0, recorded_at=timestamp(NOW)))
    text = render(page(known({Status.STARTED: 1}), single)).decode()
    assert "<figure>" not in text
    assert "Half of the starts were answered within" in text


def test_the_facts_are_those_of_all_runs_and_the_exit_code_is_in_words():
    digest = Digest()
    digest.add(Record(1, "b", "k", Status.STARTED, "e", recorded_at=timestamp(NOW)))
    runs = ended(begun(begun(None, NOW - 7200.0), NOW - 60.0), NOW + 30.0, 1)
    made = page(known({Status.STARTED: 1})._replace(history=together([decoded(encoded(runs))])), digest)
    assert [tuple(fact) for fact in made.facts] == [
        ("began", "2026-11-24 06:30:00 UTC"),
        ("ended", "2026-11-24 08:30:30 UTC"),
        ("duration", "2 h, of which 0.0 s with records"),
        ("runs", "2"),
        ("exit code", "1 (finished; some rows are refused, rejected or invalid)"),
    ]
    killed = together([runs, begun(runs, NOW)])
    assert dict(page(known({Status.STARTED: 1})._replace(history=killed), digest).facts)["exit code"] == (
        "1 shard: 1 (finished; some rows are refused, rejected or invalid);"
        " 1 shard: none: the last run was killed, or its machine failed"
    )
    assert [fact.name for fact in page(known({Status.STARTED: 1}), digest).facts] == [
        "began",
        "last record",
        "duration",
    ]


def test_a_page_explains_the_words_that_it_uses():
    slowed = Slowed(0.0, {Cause.CAP: 5.0})
    words = {word.word for word in page(known({Status.STARTED: 1, Status.IN_DOUBT: 2}, slowed=slowed), Digest()).words}
    assert words == {"manifest", "checkpoint", "records", "started", "in doubt", "slowed by your cap"}
    assert {*Status} <= set(OF_KINDS)
    assert set(OF_CAUSES) == {*Cause}


def test_ends_are_counted_over_time_with_their_durations_causes_and_prefixes():
    digest, counts = EndDigest(), Counter()
    for number in range(600):
        end = ("succeeded", "failed", "od\u202ed")[(number % 20 == 0) + (number % 100 == 0)]
        counts[end] += 1
        ended_at = timestamp(NOW + (number * 7919) % 600)
        digest.add(EndRecord(number, "b", "k", "e", end, None, ended_at, 10.0 if end == "succeeded" else 90.0))
        digest.add_to_prefix(end, "b", f"in/{number % 2}/\u202ek")
    causes = [EndCause(end="failed", state="<run>", message="no\u202evideo", number=24)]
    made = ends(counts, 3, causes, digest)
    assert made.headline == (
        "570 of 603 executions succeeded (94.5%), 24 failed (4.0%), 6 od\\u202ed (1.0%), 3 running (0.5%)."
    )
    assert [(each.kind, each.number, each.durations[0]) for each in made.kinds] == [
        ("succeeded", 570, "9.9 s"),
        ("failed", 24, "1 min 27 s"),
        ("other", 6, "1 min 27 s"),
    ]
    assert [each.unit for each in made.charts] == ["executions per minute", "by their end, logarithmic"]
    assert [line.name for line in made.charts[1].lines] == ["p50", "p90", "p99"]
    assert [tuple(each)[:3] for each in made.prefixes] == [("b/in/0/", 300, 30), ("b/in/1/", 300, 0)]
    text = render(page(known({Status.STARTED: 603})._replace(ends=made), Digest())).decode()
    assert "&lt;run&gt;" in text
    assert "\u202e" not in text


def test_ends_take_no_more_memory_for_more_of_them_and_few_are_not_drawn():
    digest = EndDigest()
    for number in range(100_000):
        digest.add(EndRecord(number, "b", "k", "e", f"word {number}", None, timestamp(NOW + number * 60), 1.0))
    assert len(digest.spans) <= 120
    assert len(digest.durations) == 50
    few = EndDigest()
    few.add(EndRecord(1, "b", "k", "e", "succeeded", None, timestamp(NOW), 1.0))
    assert ends({"succeeded": 1}, 0, [], few).charts == []
    assert ends({}, 0, [], few) is None
