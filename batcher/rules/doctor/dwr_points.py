"""The points that only a list that is asked for by time has: DWR v3, whose documents contradict each other. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from batcher.model import Kind
from batcher.rules.doctor.points import Point, Result, Seen, compared, confirmed, differs, phrase, unseen
from batcher.rules.service.verdicts import SUCCESS


def _inputs_form(seen: Seen) -> Result:
    if not seen.sent.inputs:
        return unseen("no inputs were sent")
    if seen.execution is not None:
        return confirmed("the start with a map was accepted")
    if seen.start is None or seen.start.meaning.kind is not Kind.ROW:
        return unseen("the start was neither accepted nor rejected")
    return differs(phrase(seen.start))


def _mode(seen: Seen) -> Result:
    if seen.workflow is None or seen.workflow.noun is None:
        return unseen("the workflow was not described")
    keeps = seen.workflow.noun.keeps_history
    return compared("no mode EXPRESS in its definition" if keeps else "its mode is EXPRESS", holds=keeps)


def _window(seen: Seen) -> Result:
    if seen.earlier is None or seen.earlier.status not in SUCCESS:
        return unseen("not requested" if seen.earlier is None else phrase(seen.earlier))
    if seen.earlier.noun is None:
        return differs(seen.earlier.message)
    if seen.listed is None:
        return unseen("the execution was not seen in the list")
    what = f"the execution is {'' if seen.shown_earlier else 'not '}shown among those of the day before"
    return compared(what, holds=not seen.shown_earlier)


DWR: Sequence[Point] = (
    Point("inputs-form", "a start takes inputs as a map from name to value", _inputs_form),
    Point("mode", "the workflow keeps a history of its executions", _mode),
    Point("list-window", "the list shows the executions of the time that it is asked for, and no others", _window),
)
"""The points about DWR v3."""
