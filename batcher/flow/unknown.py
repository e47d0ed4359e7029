"""The question to a service where no witness shows that a checkpoint is the newest of its job.

It is asked once, by one walk over the execution list. Executions that no row owns and that began after the checkpoint's
last commit are read. What the list does not show, or what was not read, is reported, and nothing is concluded from it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from math import inf
from typing import NamedTuple

from msgspec import Struct, field

from batcher.errors import ServiceError
from batcher.flow.reconcile import Inquiry, ask_all
from batcher.model import Answer, Described, Execution, Page, Status, Unsettled, Verdict
from batcher.rules.doubts.control import Control
from batcher.rules.doubts.evidence import Evidence, Proof, chosen, families_of, shown_form
from batcher.rules.doubts.matching import window
from batcher.rules.doubts.times import EARLY
from batcher.rules.doubts.unknown import MOST, Unknown, is_unknown, seen
from batcher.rules.service import verdicts
from batcher.rules.service.clock import RESOLUTION, posix_of_header
from batcher.rules.service.dialect import Window

FirstUnowned = Callable[[int], Awaitable[tuple[list[Execution], int]]]

_FAILING = frozenset({Verdict.UNSENT, Verdict.REFUSED, Verdict.IN_DOUBT})
"""The verdicts on a page that a service may give later."""


class Asked(NamedTuple):
    """The answer to the question."""

    unknown: Unknown
    left_out: int = 0
    """The number of unknown executions that were not read, because there were more than MOST."""
    unreadable: int = 0
    """The number of unknown executions that do not show what they were started with."""
    fault: str = ""
    """Why the list may lack executions, empty if it shows those that this job has started."""


class _Walk(Struct):
    """What a walk over the list has shown. Times are POSIX seconds by the service's clock."""

    begun: float
    """It began at this time or later; 0 if that is not known."""
    before: float = inf
    """It began before this time."""
    shown: dict[str, Execution] = field(default_factory=dict)
    """The controls that the list shows, by name."""
    fault: str = ""
    """Why it was not read to its end, or shows an earlier state."""


async def ask(inquiry: Inquiry, first_unowned: FirstUnowned, since: float, doubts: Sequence[Unsettled]) -> Asked:
    """Look for executions that began after `since`, that no row owns, and that explain none of the rows in doubt.

    `first_unowned` returns up to a number of the noted executions that no row owns, and how many there are.
    If the list lacks executions that this job has just started, it is read again once they must be in it. If it shows
    them wrongly, neither times nor types nor workflows are relied on. Raises ServiceError if the service fails now.
    """
    controls = await inquiry.controls()
    is_wide = False
    while True:
        walk = await _walk(inquiry, -inf if is_wide else since, controls, is_wide=is_wide)
        proof = Evidence(controls, walk.shown, walk.before, inquiry.settle_time).proof(_moment(since))
        listed, count = await first_unowned(MOST)
        if inquiry.stopped():
            return Asked(Unknown())
        if 0 < walk.begun < proof.ripe_at and not walk.fault:
            await inquiry.sleep(max(0.0, proof.ripe_at - inquiry.now()))
        elif is_wide or walk.fault or not _is_shown_wrongly(proof):
            break
        else:
            is_wide = True
    asked = await _read(inquiry, listed, doubts, proof)
    return asked._replace(left_out=count - len(listed), fault=walk.fault or proof.fault)


def _moment(at: float) -> Unsettled:
    """Return a stand-in for the rows that were started at a time, whose controls are those near it."""
    return Unsettled(0, Status.PENDING, 0, "", "", b"", "", at)


def _is_shown_wrongly(proof: Proof) -> bool:
    """Return whether the list shows every control, and some of them as something else."""
    return bool(proof.fault and proof.controls) and proof.ripe_at == -inf


async def _walk(inquiry: Inquiry, since: float, controls: Sequence[Control], *, is_wide: bool) -> _Walk:
    """Walk the list once and note every execution that may be unknown; all executions if `is_wide`."""
    walk = _Walk(inquiry.now())
    names = {each.name for each in controls}
    families = families_of(controls)
    # A dialect may list only what began within the window, and the controls began before the last commit.
    begin = min([since, *(each.intent_at for each in controls)])
    async for answer in inquiry.executions([Window(begin - EARLY, inf)]):
        if inquiry.stopped():
            break
        if answer.noun is None:
            walk.fault = _fault_of(answer)
            break
        served = posix_of_header(answer.date)
        if served is not None:
            walk.before = min(walk.before, served + RESOLUTION)
            if served + RESOLUTION + EARLY < walk.begun:
                walk.fault = "the execution list is older than the request for it"
        executions = answer.noun.executions
        walk.shown.update((each.name, each) for each in executions if each.name in names)
        others = [each for each in executions if each.name not in names]
        await inquiry.note([each for each in others if is_wide or is_unknown(each, since, families)])
    return walk


def _fault_of(answer: Described[Page]) -> str:
    """Return why a page cannot be read. Raises ServiceError if the service may give it later."""
    if answer.status in verdicts.SUCCESS:
        return answer.message or "the execution list cannot be read"
    verdict = verdicts.judge(answer, proven=True, repeated=True, trust_503=True)
    if verdict in _FAILING:
        raise ServiceError(
            "this checkpoint may be an older copy, and the execution list that would show it cannot be read now:"
            f" {_told(answer)}. Nothing was sent",
            "Run the same command again when the service is available. If no run of this job is missing from the"
            " checkpoint, --on-doubt resend starts its rows without this question.",
        )
    return f"the execution list cannot be read: {_told(answer)}"


def _told(answer: Answer) -> str:
    return answer.message if answer.fault is not None else verdicts.told(answer)


async def _read(inquiry: Inquiry, unknown: Sequence[Execution], doubts: Sequence[Unsettled], proof: Proof) -> Asked:
    """Read the contents of unknown executions, and leave out those that explain rows in doubt."""
    # Controls show whether contents come back as they were sent. Without anything to compare, it does not matter.
    controls = chosen([proof]) if unknown else []
    await ask_all(inquiry, [*(each.name for each in unknown), *(each.name for each in controls)])
    contents = {each.name: seen(each, inquiry.looked_at[each.name]) for each in unknown}
    readable = [each for each in contents.values() if each is not None]
    form = shown_form(controls, inquiry.looked_at)
    found = Unknown(readable, is_exact=form is not None and form.is_exact)
    found.leave_out(doubts, [window(row, inquiry.settle_time) for row in doubts])
    return Asked(found, unreadable=len(unknown) - len(readable))
