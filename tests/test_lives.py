"""The life of a row, told from its records and from how it stands."""

import pytest

from batcher.model import Record, Status, Unsettled
from batcher.rules.records.standing import Standing
from batcher.rules.report.explain import lives, sentences
from batcher.rules.rows.identity import content_key

ERROR = {"code": "lost", "message": "reset by\npeer"}
DOUBT = Record(7, "b", "k", Status.IN_DOUBT, attempts=1, error=ERROR, latency_ms=3.5, recorded_at="T1")
ADOPTED = Record(7, "b", "k", Status.STARTED, "e1", started_at="T0", recorded_at="T2", reconciled=True)
SENT_AGAIN = Record(7, "b", "k", Status.STARTED, "e2", request_id="R9", attempts=2, http_status=200, recorded_at="T3")
IN_DOUBT = Unsettled(1, Status.IN_DOUBT, 7, "b", "k", b"", "", 1_795_509_000.0, 1_795_509_001.5)


def row(status, execution="", unsettled=None, key="k"):
    return Standing(content_key("b", key, b""), 7, status, execution, unsettled)


def told(standings, records, *, running=False):
    return [list(sentences(life)) for life in lives(standings, records, b"", running=running)]


def test_a_doubt_that_the_execution_list_has_settled_is_told_so():
    assert told([row(Status.STARTED, "e1")], [DOUBT, ADOPTED]) == [
        [
            "row 7: b/k",
            "  T1  in doubt: lost (reset by\\npeer), 1 attempt, 3.5 ms",
            "  doubt resolved: found in the execution list, so it is started",
            "  T2  started: execution e1 started at T0, from the execution list",
            "  now: started, as execution e1",
        ]
    ]


@pytest.mark.parametrize(
    ("standing", "records", "last"),
    [
        (row(Status.STARTED, "e2"), [DOUBT, SENT_AGAIN], "  now: started, as execution e2"),
        (row(Status.PENDING), [DOUBT], "  now: pending (not started; run the job's command again to send it)"),
    ],
)
def test_a_doubt_that_was_found_absent_is_told_so(standing, records, last):
    ((_, _, settled, *_, now),) = told([standing], records)
    assert settled.startswith("  doubt resolved: not in the execution list")
    assert now == last


def test_a_row_in_doubt_is_told_with_the_times_between_which_it_was_sent():
    ((*_, now),) = told([row(Status.IN_DOUBT, unsettled=IN_DOUBT)], [DOUBT])
    assert now == (
        "  now: in doubt (it may have been started; batcher reconcile asks the service);"
        " not sent before 2026-11-24T08:30:00.000Z or after 2026-11-24T08:30:01.500Z, by the service's clock"
    )


def test_a_row_on_the_wire_is_told_by_what_the_checkpoint_keeps_of_it():
    intent = IN_DOUBT._replace(status=Status.SENDING, doubt_at=None)
    ((name, now),) = told([row(Status.SENDING, unsettled=intent)], [], running=True)
    assert name == "row 7: b/k"
    assert now == (
        "  now: sending (a run has sent it or is about to send it);"
        " not sent before 2026-11-24T08:30:00.000Z, by the service's clock"
    )


def test_rows_of_one_number_and_rows_that_have_left_it_are_told_apart():
    rejected = Record(7, "b", "other", Status.REJECTED, recorded_at="T1")
    left = Record(7, "b", "gone", Status.REJECTED, recorded_at="T1")
    found = told([row(Status.STARTED, "e1"), row(Status.REJECTED, key="other")], [rejected, left, DOUBT, ADOPTED])
    assert [(lines[0], lines[-1].split(" (")[0].split(", because")[0]) for lines in found] == [
        ("row 7: b/k", "  now: started, as execution e1"),
        ("row 7: b/other", "  now: rejected"),
        ("row 7: b/gone", "  now: under another number"),
    ]


def test_a_row_that_was_never_sent_has_a_life_without_a_name():
    assert told([row(Status.PENDING)], [])[0][0] == "row 7: name unknown"


def test_nothing_that_a_terminal_would_obey_is_told_of_a_bad_rows_bucket():
    bad = Record(7, "\x1b[2J", "k", Status.INVALID, error={"code": "InvalidRow", "message": "\x07"}, recorded_at="T1")
    standing = Standing(b"x" * 16, 7, Status.INVALID)
    ((name, said, _),) = told([standing], [bad])
    assert (name, said) == ("row 7: \\x1b[2J/k", "  T1  invalid: InvalidRow (\\x07)")
