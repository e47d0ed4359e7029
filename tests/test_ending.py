"""The exit code that tells the truth, and the closing words."""

import pytest

from batcher.errors import MEANINGS, CredentialsError, DiskError, ExitCode, FailuresError, ServiceError
from batcher.model import Status, Unsettled
from batcher.rules.progress.counts import Tally
from batcher.rules.progress.extent import Length
from batcher.rules.rate.bottleneck import Cause, Slowed
from batcher.rules.report.summary import NEXT, Files, doubts, exit_code, slowness, summary


def tally(written=(), known=(), **counts):
    made = Tally(**counts)
    made.written.update(dict(written))
    made.known.update(dict(known))
    return made


@pytest.mark.parametrize(
    ("counts", "in_doubt", "reason", "expected"),
    [
        (tally(), 0, None, 0),
        (tally([(Status.STARTED, 5), (Status.DUPLICATE, 2)]), 0, None, 0),
        (tally([(Status.REJECTED, 1)]), 0, None, 1),
        (tally([(Status.INVALID, 1)]), 0, None, 1),
        (tally([(Status.REFUSED, 1)]), 0, None, 1),
        (tally(known=[(Status.REJECTED, 1)]), 0, None, 1),
        (tally(known=[(Status.INVALID, 1)]), 0, None, 1),
        (tally(), 1, None, 3),
        (tally([(Status.REJECTED, 1)]), 1, None, 3),
        (tally([(Status.REJECTED, 1)]), 1, ExitCode.SIGINT, 130),
        (tally(), 0, ExitCode.SIGTERM, 143),
        (tally(), 1, ServiceError("x"), 69),
        (tally(), 0, CredentialsError("x"), 77),
        (tally(), 0, DiskError("x"), 74),
        (tally(), 0, FailuresError("x"), 4),
        (tally([(Status.REJECTED, 1)], is_limited=True), 1, None, 5),
        (tally([(Status.REJECTED, 1)]), 0, ExitCode.STOPPED, 5),
        # the last row was on its way when the time came
        (tally([(Status.STARTED, 9)], read_whole=True), 0, ExitCode.STOPPED, 0),
        (tally([(Status.STARTED, 9)], read_whole=True), 1, ExitCode.STOPPED, 3),
        (tally([(Status.STARTED, 9)], read_whole=True, given_back=1), 0, ExitCode.STOPPED, 5),
    ],
)
def test_the_exit_code_tells_the_worst_that_is_true(counts, in_doubt, reason, expected):
    assert exit_code(counts, in_doubt, reason) == expected


def test_every_exit_code_has_a_meaning_and_those_without_an_error_have_advice():
    assert set(MEANINGS) == set(ExitCode)
    assert set(NEXT) == {ExitCode(code) for code in (0, 1, 3, 5, 129, 130, 143)}


def test_the_summary_counts_earlier_runs_and_gives_this_runs_rate():
    counts = tally(
        [(Status.STARTED, 30), (Status.REJECTED, 1), (Status.REFUSED, 3)],
        [(Status.STARTED, 1000), (Status.DUPLICATE, 2)],
    )
    counts.rows, counts.read_whole, counts.requests, counts.retries = 1037, True, 33, 2
    assert summary(counts, Length(1037, is_exact=True), 1, 1.5, Files("out.jsonl", "x.checkpoint")) == [
        "1,037 rows: 1,030 started, 3 refused, 1 rejected, 0 invalid, 2 duplicate, 1 in doubt",
        "this run: 30 started in 1.5 s (20.0 per second), 33 requests including 2 retries",
        "records:    out.jsonl",
        "checkpoint: x.checkpoint",
    ]
    counts.read_whole = False
    for length, told in (
        (None, "1,037 rows read, their total is unknown: "),
        (Length(2000, is_exact=True), "1,033 of 2,000 rows done, 967 left: "),
        (Length(2000, is_exact=False), "1,033 of about 2,000 rows done, 967 left: "),
    ):
        assert summary(counts, length, 1, 0.0, Files("a", "b"))[0].startswith(told)


def test_rows_in_doubt_are_named_and_hostile_keys_cannot_write_to_the_terminal():
    rows = [Unsettled(n, Status.IN_DOUBT, n, "b", f"k{n}\x1b[2J\n\u7247", b"", "", 0.0) for n in range(1, 13)]
    lines = doubts(rows, 12)
    assert lines[0] == "in doubt: row 1: b/k1\\x1b[2J\\n\u7247"
    assert len(lines) == 11
    assert lines[-1] == "in doubt: 2 more, see the records with status in_doubt"


def test_the_limit_found_and_the_seconds_slowed_are_told_where_there_are_any():
    assert slowness(44.93, Slowed(0.0, {Cause.LIMIT: 54.2, Cause.IN_FLIGHT: 12.0, Cause.DISK: 0.9})) == [
        "limit:      about 45 starts per second (estimated)",
        "slowed by:  limit 54 s, requests in flight 12 s",
    ]
    assert slowness(12_345.6, Slowed()) == ["limit:      about 12,346 starts per second (estimated)"]
    assert slowness(None, Slowed(0.0, {Cause.DISK: 0.9})) == []


def test_requests_that_are_refused_at_any_rate_are_no_limit():
    chance = "about 2% of requests are refused at any rate"
    assert slowness(None, Slowed(0.021)) == [f"limit:      not found; {chance}"]
    at_once = "about 30 requests in flight are accepted"
    assert slowness(None, Slowed(0.021, {}, 30)) == [f"limit:      not found; {at_once}; {chance}"]
    assert slowness(480.0, Slowed(0.021)) == [f"limit:      about 480 starts per second (estimated); {chance}"]
