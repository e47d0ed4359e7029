"""The controls: what a walk over the execution list must show of our own executions before a row is released. Pure.

A start that was answered has an execution for certain. A list that does not show it as it is proves nothing about
other rows. https://support.huaweicloud.com/en-us/api-obs/obs_04_0128.html promises neither completeness nor times.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from math import inf
from typing import NamedTuple

from batcher.model import Execution, Status, Unsettled
from batcher.rules.doubts.contents import BLURRED, contents_of, likeness
from batcher.rules.doubts.matching import EARLY, LATE, RETENTION
from batcher.rules.text import counted

NEAREST = 30
"""The maximum number of controls of a row: those that started nearest to it."""
ASKED = 8
"""The maximum number of controls that are asked for in detail."""

NO_CONTROL = "no answered start of this job shows that the list is complete"
NOT_AS_SENT = "the service does not report what an execution was started with as it was sent"


class Control(NamedTuple):
    """A start of this job that was answered: its execution exists for certain. Times are POSIX seconds."""

    id: int
    """The id of its row in the checkpoint."""
    name: str
    urn: str
    at: float | None
    """When it started by its answer, None if the answer has no readable time."""
    intent_at: float
    """By the service's clock: it was not sent before."""
    answered_at: float | None
    """By the service's clock: it was not sent after. None if that is not known."""
    bucket: str
    object: str
    inputs: bytes

    @property
    def latest(self) -> float:
        """The latest time at which it can have started. The time in the answer is only compared, never relied on."""
        return self.intent_at + LATE if self.answered_at is None else self.answered_at


class Proof(NamedTuple):
    """What a walk shows of a row's controls."""

    controls: Sequence[Control]
    fault: str = ""
    """Why the walk proves nothing, empty if it shows every control."""
    ripe_at: float = -inf
    """A walk that begins at this time or later must show the controls that this one lacks."""


class Evidence:
    """The controls of a walk, with what the walk has shown of them.

    `before` is the time before which the walk began; `settle_time` is in seconds.
    """

    def __init__(
        self, controls: Iterable[Control], shown: Mapping[str, Execution], before: float, settle_time: float
    ) -> None:
        self._controls = sorted(controls, key=lambda each: each.intent_at)
        self._times = [each.intent_at for each in self._controls]
        self._shown = shown
        self._kept_since = before - RETENTION
        self._settle_time = settle_time
        self._known: dict[tuple[int, bool], Proof] = {}

    def proof(self, row: Unsettled) -> Proof:
        """Return what the walk shows of the controls of a row."""
        is_old = row.intent_at <= self._kept_since
        place = bisect_left(self._times, row.intent_at), is_old
        if place not in self._known:
            first = 0 if is_old else bisect_left(self._times, self._kept_since)
            self._known[place] = self._judged(self._nearest(place[0], first, row.intent_at))
        return self._known[place]

    def _nearest(self, place: int, first: int, at: float) -> Sequence[Control]:
        near = range(max(first, place - NEAREST), min(len(self._times), place + NEAREST))
        chosen = sorted(near, key=lambda number: abs(self._times[number] - at))[:NEAREST]
        return [self._controls[number] for number in sorted(chosen)]

    def _judged(self, controls: Sequence[Control]) -> Proof:
        if not controls:
            return Proof(controls, NO_CONTROL)
        lacking = [each for each in controls if each.name not in self._shown]
        if lacking:
            ripe_at = max(each.latest for each in lacking) + self._settle_time
            return Proof(controls, _fault("does not show", lacking, controls), ripe_at)
        for phrase, is_wrong in _FAULTS:
            wrong = [each for each in controls if is_wrong(each, self._shown[each.name])]
            if wrong:
                return Proof(controls, _fault("shows", wrong, controls) + phrase)
        return Proof(controls)


def _fault(verb: str, some: Sequence[Control], controls: Sequence[Control]) -> str:
    return f"the list {verb} {len(some)} of {counted(len(controls), 'execution')} that this job started"


def _is_of_another_time(control: Control, listed: Execution) -> bool:
    """Return whether a listed time is not that of the start. A time that cannot be read may be any time."""
    if listed.at is None:
        return False
    if listed.at < control.intent_at - EARLY or (control.at is not None and abs(listed.at - control.at) > EARLY):
        return True
    return control.answered_at is not None and listed.at > control.answered_at + EARLY


def _is_of_another_type(_: Control, listed: Execution) -> bool:
    return listed.is_event


def _is_of_another_workflow(control: Control, listed: Execution) -> bool:
    return family(control.urn, control.name) != family(listed.urn, listed.name)


_FAULTS = (
    (" at another time", _is_of_another_time),
    (" as those of an event", _is_of_another_type),
    (" as those of another workflow", _is_of_another_workflow),
)
"""How a listed control differs from its start: how the sentence ends, and the test."""


def family(urn: str, name: str) -> str:
    """Return the URN without the execution's name: the executions of a workflow have this in common."""
    return urn.replace(name, "")


def is_foreign(listed: Execution, families: set[str]) -> bool:
    """Return whether an execution belongs to another workflow. `families` are those of our own executions."""
    return bool(families and listed.urn) and family(listed.urn, listed.name) not in families


def chosen(proofs: Iterable[Proof]) -> list[Control]:
    """Choose the controls to ask for in detail, spread over all of these."""
    controls = list({control.id: control for proof in proofs for control in proof.controls}.values())
    return controls[:: max(1, -(-len(controls) // ASKED))]


def worst_likeness(controls: Sequence[Control], details: Mapping[str, str | None]) -> int:
    """Return how well the service reports what these were started with: 0 is exactly, BLURRED is not.

    `details` are the inputs of their executions by name, None if one cannot be read.
    """
    return max((_likeness(each, details.get(each.name)) for each in controls), default=BLURRED)


def _likeness(control: Control, text: str | None) -> int:
    row = Unsettled(
        control.id, Status.STARTED, 0, control.bucket, control.object, control.inputs, "", control.intent_at
    )
    fits = [likeness(row, content) for content in contents_of(text or "") or ()]
    return min((fit for fit in fits if fit is not None), default=BLURRED)
