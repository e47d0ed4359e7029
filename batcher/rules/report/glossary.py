"""The words of a report that are not plain English, each with its meaning. Pure.

A page explains the words that it uses, and no others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from batcher.model import Status
from batcher.rules.rate.bottleneck import Cause


class Word(NamedTuple):
    """A word and its meaning."""

    word: str
    meaning: str


UNREAD = "unread"
"""The kind of the rows that no run has read yet, beside the statuses."""

OF_KINDS: Mapping[str, str] = {
    Status.PENDING: "not started; the next run sends it",
    Status.SENDING: "its request is on its way to the service, or about to be",
    Status.STARTED: "the service has answered with the name of the execution",
    Status.REFUSED: "the service was too busy, even at the last attempt; the next run sends it again",
    Status.REJECTED: "the service will not start the row as it is; only --retry-rejected sends it again",
    Status.INVALID: "the row cannot be sent as it is; the manifest must be fixed",
    Status.DUPLICATE: "the same as an earlier row, or as one that another job has started",
    Status.IN_DOUBT: "its request may have been sent, but no answer came: it may be started, and is not sent again",
    Status.DISMISSED: "failed, and declared settled by a user",
    UNREAD: "a row of the manifest that no run has reached yet",
}
"""The kinds of rows, as the table of rows counts them."""
OF_CAUSES: Mapping[Cause, str] = {
    Cause.LIMIT: "the service refused what was above its limit",
    Cause.IN_FLIGHT: "every worker waited for an answer; more --concurrency may help",
    Cause.CHANCE: "the service refused a share of the requests at any rate",
    Cause.OUTAGE: "the service did not answer",
    Cause.CAP: "the rate was limited by --max-rate or batcher rate",
    Cause.PAUSE: "the run was paused with batcher pause",
    Cause.ENDS: "starts waited until executions had ended, by --max-running",
    Cause.DISK: "records were being written to the disk",
    Cause.MANIFEST: "the run waited for rows of the manifest",
}
"""What can slow a run."""
MANIFEST = Word("manifest", "the list of the rows to start")
CHECKPOINT = Word("checkpoint", "the file from which a run resumes: it knows how each row stands")
RECORDS = Word("records", "the file with one line for each outcome of a row")
LATENCY = Word("p50, p95, p99", "half, 95% and 99% of the starts were answered within this time")
DURATION = Word("p50, p90, p99", "half, 90% and 99% of the executions took at most this long")
LIMIT = Word("estimated limit", "the rate above which the service refuses starts, as far as its refusals show")
PREFIX = Word("prefix", "the part of an object's name before a slash, like a folder")


def of_kinds(kinds: Iterable[str]) -> list[Word]:
    """Return the words for kinds of rows."""
    return [Word(kind.replace("_", " ") if kind != UNREAD else "not read yet", OF_KINDS[kind]) for kind in kinds]


def of_causes(causes: Iterable[Cause]) -> list[Word]:
    """Return the words for what slowed a run."""
    return [Word(f"slowed by {cause.words}", OF_CAUSES[cause]) for cause in causes]
