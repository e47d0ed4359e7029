"""The examination: what one start and some questions have shown of a service, point by point. Pure.

Each point is something that the public documents leave open and batcher relies on, or takes as it comes. A finding says
only what was seen: a key without a blank cannot show how blanks are written. The points that have to do with the
list are in `rules/doctor/execution_list.py`, those with an execution's input in `rules/doctor/kept_input.py`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import NamedTuple

from batcher.errors import JobError, ServiceError
from batcher.model import Answer, Described, Execution, ExecutionDetail, Page, Unsettled, Workflow
from batcher.rules.service import verdicts
from batcher.rules.service.verdicts import SUCCESS

NOTABLE = 60.0
"""Seconds by which a machine's clock must be off to be worth a word."""
DENIED = frozenset({"accessdenied", "sys.0005"})
"""A key that may start workflows need not be allowed to look at them."""

_OK, _NOT_FOUND = 200, 404
_MISSING = frozenset({"sys.0014", "sys.0015", "nosuchbucket", "nosuchkey"})


class Finding(enum.StrEnum):
    """What was found about a point."""

    CONFIRMED = "confirmed"
    DIFFERS = "differs"
    UNSEEN = "unseen"


class Told(NamedTuple):
    """A finding, and in a few words what was seen, or why nothing could be."""

    finding: Finding
    seen: str


class Delay(NamedTuple):
    """When an execution came to be listed, in seconds after its start was answered.

    It was not listed by a walk that began at `after` (None where the first walk showed it), and was by `by`.
    """

    after: float | None
    by: float


class Seen(NamedTuple):
    """What the questions have brought; None for a question that was not asked."""

    sent: Unsettled
    """What was asked for; `intent_at` and `doubt_at` are the service's time before and after."""
    workflow: Described[Workflow] | None = None
    unknown: Answer | None = None
    """About a workflow of a name that nobody has."""
    clock_off: float | None = None
    """Seconds by which this machine's clock is ahead of the service's; None where the service tells no time."""
    start: Answer | None = None
    execution: Execution | None = None
    """What the start has begun, by its own answer or else by the list."""
    listing: Described[Page] | None = None
    """The last page that was asked for in search of the execution."""
    listed: Execution | None = None
    delay: Delay | None = None
    waited: float = 0.0
    """Seconds for which the execution was looked for."""
    oldest: float | None = None
    """When the oldest listed execution began, in POSIX seconds."""
    detail: Described[ExecutionDetail] | None = None
    called: Described[Page] | None = None
    """The first page of those started by a call."""
    triggered: Described[Page] | None = None
    """The first page of those started by an event."""
    first: Described[Page] | None = None
    """A page of one execution, and the one after it."""
    second: Described[Page] | None = None


class Point(NamedTuple):
    """Something that the documents leave open: its name, what batcher takes for true, and how to tell."""

    name: str
    assumed: str
    tell: Callable[[Seen], Told]


UNTRIED = (
    "how many starts a second the service takes, how many may wait, and whether it sends Retry-After",
    "how long a start's body may be, and what the code for too many executions is",
    "what a missing or expired security token is answered with",
    "whether a restored execution keeps its name",
    "which headers the metadata service wants, and how an inventory writes keys",
    "the successor API (v3): its regions, and the form of its inputs",
)
"""What one start cannot show."""


def unseen(why: str) -> Told:
    """Say why a point could not be seen."""
    return Told(Finding.UNSEEN, why)


def confirmed(seen: str) -> Told:
    """Say that what was seen is what is assumed."""
    return Told(Finding.CONFIRMED, seen)


def differs(seen: str) -> Told:
    """Say that what was seen is not what is assumed."""
    return Told(Finding.DIFFERS, seen)


def told(seen: str, *, holds: bool) -> Told:
    """Say what was seen, and whether it is what is assumed."""
    return confirmed(seen) if holds else differs(seen)


def hindrance(workflow: Answer) -> JobError | None:
    """Tell why no start is to be spent on a service that answers so about the workflow; None where one may be."""
    if workflow.status in SUCCESS or (workflow.status and workflow.code.lower() in DENIED):
        return None
    if workflow.fault is not None:
        return verdicts.unreachable(workflow)
    if verdicts.refuses_credentials(workflow):
        return verdicts.ending(workflow)
    return ServiceError(
        f"the service does not show the workflow: {phrase(workflow)}; nothing was started",
        "Check --workflow, --endpoint and what the key may do, then run the same command again.",
    )


def phrase(answer: Answer) -> str:
    """Give an answer in a few words."""
    if answer.fault is not None:
        return answer.message
    return " ".join(word for word in (f"HTTP {answer.status}", answer.code, answer.message) if word)


def is_denied(answer: Answer) -> bool:
    """Tell whether the service has an answer and keeps it from this key."""
    return answer.fault is None and answer.status not in SUCCESS


def _served(seen: Seen) -> Told:
    if seen.workflow is None:
        return unseen("not asked")
    if seen.workflow.status in SUCCESS:
        return told(phrase(seen.workflow), holds=seen.workflow.noun is not None)
    # Denied, or it would have been a hindrance: the start tells.
    if seen.execution is not None:
        return confirmed(f"it starts workflows; looking at one is {phrase(seen.workflow)}")
    return unseen(phrase(seen.workflow))


def _signed(seen: Seen) -> Told:
    asked = [answer for answer in (seen.workflow, seen.listing, seen.detail) if answer is not None]
    if any(answer.code.lower() == "signaturedoesnotmatch" for answer in asked):
        return differs("SignatureDoesNotMatch")
    if seen.listing is None or seen.listing.status not in SUCCESS:
        return unseen("the list was not read, and only its questions have signed names in the query")
    return confirmed("the paths and queries of the workflow calls were accepted")


def _unknown_workflow(seen: Seen) -> Told:
    # A key that may not look at the known workflow is told the same of any.
    may_look = seen.workflow is None or seen.workflow.status in SUCCESS
    if seen.unknown is None or not is_denied(seen.unknown) or not may_look:
        return unseen("not answered" if seen.unknown is None else phrase(seen.unknown))
    return told(phrase(seen.unknown), holds=seen.unknown.status == _NOT_FOUND)


def _start_answer(seen: Seen) -> Told:
    if seen.start is None or seen.start.fault is not None or seen.start.status not in SUCCESS:
        return unseen("not sent" if seen.start is None else phrase(seen.start))
    names = seen.start.execution is not None
    what = "names the execution" if names else "names no execution"
    return told(f"HTTP {seen.start.status} {what}", holds=names and seen.start.status == _OK)


def _missing_object(seen: Seen) -> Told:
    if seen.start is None:
        return unseen("not sent")
    if seen.start.code.lower() in _MISSING:
        return confirmed(phrase(seen.start))
    return unseen("the start was not refused for its object; one that is missing would show it")


def _failure(seen: Seen) -> Told:
    if seen.start is None or not verdicts.is_failing(seen.start):
        return unseen("the start did not fail")
    if seen.execution is None:
        return unseen(f"{phrase(seen.start)}, and no execution was found; once proves nothing")
    return confirmed(f"{phrase(seen.start)}, and the execution was started all the same")


def _date(seen: Seen) -> Told:
    if seen.clock_off is None:
        return differs("no answer has a Date that can be read")
    ahead = "ahead of" if seen.clock_off > 0 else "behind"
    off = abs(seen.clock_off)
    clock = "" if off < NOTABLE else f"; this machine's clock is {off:,.0f} s {ahead} it"
    return confirmed(f"every answer tells the service's time{clock}")


CALLS: Sequence[Point] = (
    Point("served", "the account's endpoint serves the workflow calls", _served),
    Point("signature", "paths without a bucket are signed as the official SDK signs them", _signed),
    Point("date", "answers tell the service's time in their Date", _date),
    Point("unknown-workflow", "a workflow that does not exist is a 404", _unknown_workflow),
    Point("start-answer", "a start is answered with 200 and the execution's name", _start_answer),
    Point("missing-object", "a start for an object that is missing is refused", _missing_object),
    Point("failure", "behind a 408, a 500 or a 503 an execution may have been started", _failure),
)
"""The points that have to do with the calls themselves."""
