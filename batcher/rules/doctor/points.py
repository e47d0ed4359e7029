"""The examination: what one start and some other requests have shown about a service, point by point. Pure.

Each point is something that the public documentation leaves open and that batcher relies on or adapts to. A finding
says only what was seen: a key without a space cannot show how spaces are written. The points about the list are in
`rules/doctor/execution_list.py`, and those about an execution's input in `rules/doctor/kept_input.py`.
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
"""Seconds by which this machine's clock must be off to be reported."""
DENIED = frozenset({"accessdenied", "sys.0005"})
"""The codes of a denial, in lower case. A key that may start workflows may lack permission to read them."""

_OK, _NOT_FOUND = 200, 404
_MISSING = frozenset({"sys.0014", "sys.0015", "nosuchbucket", "nosuchkey"})


class Finding(enum.StrEnum):
    """What was found about a point."""

    CONFIRMED = "confirmed"
    DIFFERS = "differs"
    UNSEEN = "unseen"


class Result(NamedTuple):
    """A finding, and a few words about what was seen, or why nothing was seen."""

    finding: Finding
    seen: str


class Delay(NamedTuple):
    """When an execution appeared in the list, in seconds after the answer to its start.

    A walk that began at `after` did not show it (None if the first walk showed it). A walk that ended at `by` did.
    """

    after: float | None
    by: float


class Seen(NamedTuple):
    """The answers to the requests, None for a request that was not sent."""

    sent: Unsettled
    """The start. `intent_at` and `doubt_at` are the service's time before and after it."""
    workflow: Described[Workflow] | None = None
    unknown: Answer | None = None
    """The answer about a workflow that does not exist."""
    clock_off: float | None = None
    """Seconds by which this machine's clock is ahead of the service's. None if the service does not report its time."""
    start: Answer | None = None
    execution: Execution | None = None
    """The execution of the start, from its answer, or else from the list."""
    listing: Described[Page] | None = None
    """The last page that was requested in search of the execution."""
    listed: Execution | None = None
    delay: Delay | None = None
    waited: float = 0.0
    """Seconds spent looking for the execution."""
    oldest: float | None = None
    """When the oldest listed execution began, in POSIX seconds."""
    detail: Described[ExecutionDetail] | None = None
    called: Described[Page] | None = None
    """The first page of executions started by a call."""
    triggered: Described[Page] | None = None
    """The first page of executions started by an event."""
    first: Described[Page] | None = None
    """A page of one execution."""
    second: Described[Page] | None = None
    """The page after `first`."""
    earlier: Described[Page] | None = None
    """The last page of the day before the start, if the list can be asked for by time."""
    shown_earlier: bool = False
    """Whether the list shows the execution at that time too."""


class Point(NamedTuple):
    """Something that the documentation leaves open: its name, what batcher assumes, and how to examine it."""

    name: str
    assumed: str
    tell: Callable[[Seen], Result]


UNTRIED = (
    "how many starts per second the service accepts, how many may wait, and whether it sends Retry-After",
    "the maximum length of a start's body, and the code for too many executions",
    "the answer to a missing or expired security token",
    "whether a restored execution keeps its name",
    "which headers the metadata service requires, and how an inventory writes keys",
    "the successor API (v3): its regions, and the form of its inputs",
)
"""What one start cannot show."""
DWR_UNTRIED = (
    *UNTRIED[:-1],
    "whether the list of DWR v3 is asked for the time of the start or of the last change",
    "how many executions the list shows for one second, and in which order",
)
"""The same for DWR v3."""


def unseen(why: str) -> Result:
    """Return the result for a point about which nothing was seen, with the reason."""
    return Result(Finding.UNSEEN, why)


def confirmed(seen: str) -> Result:
    """Return the result for an observation that agrees with the assumption."""
    return Result(Finding.CONFIRMED, seen)


def differs(seen: str) -> Result:
    """Return the result for an observation that contradicts the assumption."""
    return Result(Finding.DIFFERS, seen)


def compared(seen: str, *, holds: bool) -> Result:
    """Return the result for an observation. `holds` says whether it agrees with the assumption."""
    return confirmed(seen) if holds else differs(seen)


def hindrance(workflow: Answer) -> JobError | None:
    """Return why this answer about the workflow rules out a start. Return None if a start makes sense."""
    if workflow.status in SUCCESS or (workflow.status and workflow.code.lower() in DENIED):
        return None
    if workflow.fault is not None:
        return verdicts.unreachable(workflow)
    if verdicts.refuses_credentials(workflow) or verdicts.serves_no_workflows(workflow):
        return verdicts.ending(workflow)
    return ServiceError(
        f"the service does not show the workflow: {phrase(workflow)}; nothing was started",
        "Check --workflow, --endpoint and the permissions of the key, then run the same command again.",
    )


def phrase(answer: Answer) -> str:
    """Describe an answer in a few words."""
    if answer.fault is not None:
        return answer.message
    return " ".join(word for word in (f"HTTP {answer.status}", answer.code, answer.message) if word)


def is_denied(answer: Answer) -> bool:
    """Return whether the service has answered with an error."""
    return answer.fault is None and answer.status not in SUCCESS


def _served(seen: Seen) -> Result:
    if seen.workflow is None:
        return unseen("not requested")
    if seen.workflow.status in SUCCESS:
        return compared(phrase(seen.workflow), holds=seen.workflow.noun is not None)
    # The answer is a denial, since any other error would have been a hindrance. So the start decides.
    if seen.execution is not None:
        return confirmed(f"it starts workflows; reading one is answered with {phrase(seen.workflow)}")
    return unseen(phrase(seen.workflow))


def _signed(seen: Seen) -> Result:
    asked = [answer for answer in (seen.workflow, seen.listing, seen.detail) if answer is not None]
    if any(answer.code.lower() == "signaturedoesnotmatch" for answer in asked):
        return differs("SignatureDoesNotMatch")
    if seen.listing is None or seen.listing.status not in SUCCESS:
        return unseen("the list was not read, and only its requests have signed names in the query")
    return confirmed("the paths and queries of the workflow calls were accepted")


def _unknown_workflow(seen: Seen) -> Result:
    # A key that may not read the known workflow gets the same answer for any workflow.
    may_look = seen.workflow is None or seen.workflow.status in SUCCESS
    if seen.unknown is None or not is_denied(seen.unknown) or not may_look:
        return unseen("not answered" if seen.unknown is None else phrase(seen.unknown))
    return compared(phrase(seen.unknown), holds=seen.unknown.status == _NOT_FOUND)


def _start_answer(seen: Seen) -> Result:
    if seen.start is None or seen.start.fault is not None or seen.start.status not in SUCCESS:
        return unseen("not sent" if seen.start is None else phrase(seen.start))
    names = seen.start.execution is not None
    what = "names the execution" if names else "names no execution"
    return compared(f"HTTP {seen.start.status} {what}", holds=names and seen.start.status == _OK)


def _missing_object(seen: Seen) -> Result:
    if seen.start is None:
        return unseen("not sent")
    if seen.start.code.lower() in _MISSING:
        return confirmed(phrase(seen.start))
    return unseen("the start was not refused because of its object; only a missing object shows this")


def _failure(seen: Seen) -> Result:
    if seen.start is None or not verdicts.is_failing(seen.start):
        return unseen("the start did not fail")
    if seen.execution is None:
        return unseen(f"{phrase(seen.start)}, and no execution was found; one case proves nothing")
    return confirmed(f"{phrase(seen.start)}, but the execution was started")


def _date(seen: Seen) -> Result:
    if seen.clock_off is None:
        return differs("no answer has a readable Date")
    ahead = "ahead of" if seen.clock_off > 0 else "behind"
    off = abs(seen.clock_off)
    clock = "" if off < NOTABLE else f"; this machine's clock is {off:,.0f} s {ahead} it"
    return confirmed(f"every answer has the service's time{clock}")


CALLS: Sequence[Point] = (
    Point("served", "the account's endpoint serves the workflow calls", _served),
    Point("signature", "paths without a bucket are signed as the official SDK signs them", _signed),
    Point("date", "answers have the service's time in their Date header", _date),
    Point("unknown-workflow", "the answer for a workflow that does not exist is a 404", _unknown_workflow),
    Point("start-answer", "a start is answered with 200 and the execution's name", _start_answer),
    Point("missing-object", "a start for a missing object is refused", _missing_object),
    Point("failure", "an execution may have been started despite a 408, a 500 or a 503", _failure),
)
"""The points about the calls themselves."""
