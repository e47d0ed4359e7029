"""What is decided about the ends of executions: words, durations, pauses, spans of time, absence and exit codes."""

import pytest

from batcher.errors import ExitCode
from batcher.model import Execution
from batcher.rules.doubts.control import Control
from batcher.rules.ends.absence import Absence
from batcher.rules.ends.ending import end_of, in_order, seconds_between
from batcher.rules.ends.figures import Past, WatchFigures, document, parts
from batcher.rules.ends.followed import Known
from batcher.rules.ends.pause import Look, wait
from batcher.rules.ends.record import COLUMNS, END_CODECS, EndRecord
from batcher.rules.ends.spans import FULLEST, Margins, margins, spans
from batcher.rules.ends.summary import exit_code
from batcher.rules.records.codec import read_tail

NOW = 1_795_509_000.0
STOPPED = "2026-11-24T08:30:05Z"


@pytest.mark.parametrize(
    ("word", "stopped_at", "end"),
    [
        ("SUCCESS", STOPPED, "succeeded"),
        ("success", "", "succeeded"),
        (" Failed ", STOPPED, "failed"),
        ("fail", STOPPED, "failed"),
        ("timeout", STOPPED, "timed_out"),
        ("TIMED_OUT", STOPPED, "timed_out"),
        ("cancel", STOPPED, "cancelled"),
        ("Canceled", STOPPED, "cancelled"),
        ("RUNNING", "", None),
        ("running", STOPPED, None),
        ("NOTRUNNING", "", None),
        ("", "", None),
        ("", STOPPED, "unknown"),
        ("ABANDONED", "", None),
        ("ABANDONED", STOPPED, "ABANDONED"),
        ("Success!", STOPPED, "Success!"),
        ("two\nlines", STOPPED, "two lines"),
        ("x" * 1000, STOPPED, "x" * 64),
    ],
)
def test_an_end_is_what_the_list_shows_and_an_unknown_word_is_one_once_a_time_is_shown(word, stopped_at, end):
    assert end_of(Execution("e", state=word, stopped_at=stopped_at)) == end


@pytest.mark.parametrize(
    ("started_at", "stopped_at", "seconds"),
    [
        ("2026-11-24T08:30:00.123Z", "2026-11-24T08:30:05.625Z", 5.502),
        ("2026-11-24T08:30:00", "2026-11-24T08:30:05", 5.0),
        ("2026-11-24T16:30:00+08:00", "2026-11-24T08:30:01Z", 1.0),
        ("2026-11-24T08:30:05Z", "2026-11-24T08:30:00Z", None),
        ("1795509000123", "1795509001123", None),
        ("", STOPPED, None),
        (STOPPED, "", None),
    ],
)
def test_a_duration_is_that_of_the_two_times_of_the_list(started_at, stopped_at, seconds):
    assert seconds_between(started_at, stopped_at) == seconds


def test_ends_are_shown_in_their_order_and_the_words_of_the_service_last():
    counts = {"odd": 1, "cancelled": 2, "failed": 0, "Alone": 3, "succeeded": 4}
    assert list(in_order(counts).items()) == [("succeeded", 4), ("cancelled", 2), ("Alone", 3), ("odd", 1)]


@pytest.mark.parametrize("format_", END_CODECS)
def test_an_end_record_is_read_back_as_it_was_and_a_torn_one_is_none(format_):
    codec = END_CODECS[format_]
    written = [
        EndRecord(1, "videos", 'a,"b"\r\n=c', "e1", "succeeded", "s", STOPPED, 1.5, 2),
        EndRecord(2, None, None, "e2", "unknown"),
    ]
    data = codec.header + codec.encode(written)
    assert read_tail(codec, data).records == written
    for cut in range(len(data)):
        found = read_tail(codec, data[:cut])
        assert found.records == written[: len(found.records)]
        assert found.length <= cut
    assert ",".join(COLUMNS) == "row,bucket,object,execution_name,end,started_at,ended_at,duration_s,redrives"


@pytest.mark.parametrize(
    ("look", "seconds"),
    [
        (Look(ended=500, running=500, seconds=None, took=0.1, waited=1.0), 1.0),
        (Look(ended=0, running=500, seconds=1.1, took=0.1, waited=1.0), 2.0),
        (Look(ended=0, running=500, seconds=1.1, took=0.1, waited=200.0), 300.0),
        # Ten a second of 1,000: a tenth of them in ten seconds.
        (Look(ended=100, running=1000, seconds=10.0, took=1.0, waited=9.0), 10.0),
        (Look(ended=100, running=10, seconds=10.0, took=0.1, waited=9.0), 1.0),
        (Look(ended=1, running=1000, seconds=1.0, took=0.1, waited=1.0), 2.0),
        # A look over a long history takes its time, and so does the pause.
        (Look(ended=100, running=10, seconds=100.0, took=50.0, waited=50.0), 50.0),
        (Look(ended=100, running=10, seconds=100.0, took=500.0, waited=50.0), 300.0),
    ],
)
def test_the_pause_fits_how_fast_executions_end_and_what_a_look_takes(look, seconds):
    assert wait(look) == pytest.approx(seconds)


def test_only_the_times_of_running_executions_are_asked_for_in_parts_that_fit():
    assert list(spans([], Margins())) == []
    assert list(spans([0.0, NOW], Margins())) == [(NOW - 5, NOW + 5)]
    assert list(spans([NOW, NOW + 10, NOW + 21], Margins())) == [(NOW - 5, NOW + 15), (NOW + 16, NOW + 26)]
    many = [NOW + n / 1000 for n in range(2 * FULLEST + 1)]
    assert [(window.begin, window.end) for window in spans(many, Margins())] == [
        (NOW - 5, many[FULLEST]),
        (many[FULLEST], many[2 * FULLEST]),
        (many[2 * FULLEST], many[-1] + 5),
    ]


def control(name, at, *, answered_at=None, sent=0.0):
    return Control(1, name, f"urn:w:{name}", at, NOW + sent, answered_at, "videos", name, b"")


@pytest.mark.parametrize(
    ("controls", "expected"),
    [
        ([], Margins(-5, 5)),
        ([control("a", NOW + 1, answered_at=NOW + 1.5)], Margins(-5, 5.5)),
        ([control("a", None, answered_at=NOW)], Margins(-5, 5)),
        # The answers to starts show local time, eight hours ahead.
        ([control("a", NOW + 28_800, answered_at=NOW)], Margins(-28_805, -28_795)),
        # And whole minutes.
        ([control("a", NOW - 40, answered_at=NOW)], Margins(-5, 45)),
    ],
)
def test_the_list_is_asked_for_where_the_controls_show_that_it_has_our_starts(controls, expected):
    assert margins(controls) == pytest.approx(expected)


def known(id_, at):
    return Known(id_, f"e{id_}", id_, "videos", "o", at, None, "", None, None)


class Looks:
    """Looks at a list that shows the controls, unless told otherwise."""

    def __init__(self):
        self.absence = Absence(settle_time=30.0)
        self.controls = [control(name, NOW + 1, answered_at=NOW + 2) for name in ("a", "b", "e7")]

    def at(self, begun, absent, *, lacking=()):
        listed = {
            each.name: Execution(each.name, each.urn, "", each.at) for each in self.controls if each.name not in lacking
        }
        found = self.absence.looked(absent, self.controls, listed, NOW + begun, NOW + begun + 1)
        return [each.id for each in found]


def test_what_two_looks_a_settle_time_apart_prove_to_be_missing_is_unknown():
    looks, missing = Looks(), [known(1, NOW)]
    assert looks.at(29, missing) == []
    assert looks.at(31, missing) == []
    assert looks.at(60, missing) == []
    assert looks.at(61, missing) == [1]


def test_a_look_without_a_control_proves_nothing_and_the_missing_one_itself_is_none():
    looks, missing = Looks(), [known(7, NOW)]
    assert looks.at(31, missing, lacking=("e7", "a")) == []
    assert "does not show 1 of 2 executions" in looks.absence.fault
    assert looks.at(62, missing, lacking=("e7",)) == []
    assert looks.at(93, missing, lacking=("e7", "b")) == []
    assert looks.at(124, missing, lacking=("e7",)) == [7]


def test_what_is_shown_again_is_missing_from_the_beginning_when_it_is_missing_once_more():
    looks, missing = Looks(), [known(1, NOW), known(2, 0.0)]
    assert looks.at(31, missing) == []
    looks.absence.shown([1])
    assert looks.at(62, missing) == []
    # Of the other one the time is not known.
    assert looks.at(93, missing) == [1]


@pytest.mark.parametrize(
    ("ends", "running", "reason", "code"),
    [
        ({}, 0, None, 0),
        ({"succeeded": 2}, 0, None, 0),
        ({"succeeded": 2, "failed": 1}, 0, None, 6),
        ({"succeeded": 2, "unknown": 1}, 0, None, 6),
        ({"Success!": 1}, 0, None, 6),
        ({"succeeded": 2}, 1, ExitCode.DEADLINE, 7),
        ({"failed": 2}, 1, ExitCode.SIGINT, 130),
        ({"succeeded": 2}, 0, ExitCode.DEADLINE, 0),
    ],
)
def test_a_watch_ends_with_0_only_if_every_execution_succeeded(ends, running, reason, code):
    assert exit_code(ends, running, reason) == code


def test_the_progress_shows_what_runs_what_ended_how_fast_and_for_how_long():
    figures = WatchFigures(
        1000, 700, {"succeeded": 290, "timed_out": 8, "odd": 2}, (Past(0, 100), Past(60, 300)), 0, "", 61
    )
    assert parts(figures) == [
        "700 running", "290 succeeded", "8 timed out", "2 odd", "200 finished a minute", "eta 3.2m to 3.9m",
    ]  # fmt: skip
    assert document(figures)["other"] == {"odd": 2}
    assert document(figures)["fraction"] == 0.3
    stuck = figures._replace(absent=5, fault="the list is old", past=())
    assert parts(stuck)[-3:] == ["5 not in the list", "eta unknown", "(the list is old)"]
