"""The evidence: what a walk over the execution list must show of our own executions before a row is released. Pure.

A start that was answered has an execution for certain. A list that does not show it as it is proves nothing about
other rows. https://support.huaweicloud.com/en-us/api-obs/obs_04_0128.html promises neither completeness nor times.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import inf
from typing import NamedTuple

from batcher.model import Execution, Status, Unsettled
from batcher.rules.doubts.contents import BLURRED, Content, contents_of, likeness
from batcher.rules.doubts.control import Control
from batcher.rules.doubts.differences import differences
from batcher.rules.doubts.forms import Shown, learned, learned_of_inputs, sent_of
from batcher.rules.doubts.losses import loss_for
from batcher.rules.doubts.times import EARLY, LATE, RETENTION
from batcher.rules.service.dialect import Window
from batcher.rules.text import counted

NEAREST = 30
"""The maximum number of controls of a row: those that started nearest to it."""
ASKED = 8
"""The maximum number of controls that are asked for in detail."""

NO_CONTROL = "no answered start of this job shows that the list is complete"
CONTRADICTED = "may be shown with another content than it was started with"
NOT_AS_SENT = "the service does not report what an execution was started with as it was sent"


class Proof(NamedTuple):
    """What a walk shows of a row's controls."""

    controls: Sequence[Control]
    fault: str = ""
    """Why the walk proves nothing, empty if it shows every control."""
    ripe_at: float = -inf
    """A walk that begins at this time or later must show the controls that this one lacks."""
    is_misleading: bool = False
    """Whether it shows controls at another time or as an event's, or none by its name: so may be others that fit."""


class Nearest:
    """The controls of each row: those that started nearest to it, of those that the list is certain to keep.

    `at` is when the list is walked.
    """

    def __init__(self, controls: Iterable[Control], at: float) -> None:
        self._controls = sorted(controls, key=lambda each: each.intent_at)
        self._times = [each.intent_at for each in self._controls]
        self._kept_since = at - RETENTION

    def is_old(self, at: float) -> bool:
        """Return whether the list may not go back to the time of an intent."""
        return at <= self._kept_since

    def to(self, at: float) -> Sequence[Control]:
        """Return the controls of a row with its intent at this time, in the order of theirs.

        If the list may not go back to that time, any control may show that it does.
        """
        place = bisect_left(self._times, at)
        first = 0 if self.is_old(at) else bisect_left(self._times, self._kept_since)
        near = range(max(first, place - NEAREST), min(len(self._times), place + NEAREST))
        chosen = sorted(near, key=lambda number: abs(self._times[number] - at))[:NEAREST]
        return [self._controls[number] for number in sorted(chosen)]

    def windows(self, rows: Iterable[Unsettled]) -> Iterator[Window]:
        """Return the times at which a walk finds the controls of these rows.

        Where the list may not go back to a row's time, it is also asked for the day before: what it shows of that day
        shows how far it goes back.
        """
        for at in {row.intent_at for row in rows}:
            yield from (each.window for each in self.to(at))
            if self.is_old(at):
                yield Window(at - RETENTION, at)


class Evidence:
    """The controls of a walk, with what the walk has shown of them.

    `before` is the time before which the walk began; `settle_time` is in seconds.
    """

    def __init__(
        self, controls: Iterable[Control], shown: Mapping[str, Execution], before: float, settle_time: float
    ) -> None:
        self._nearest = Nearest(controls, before)
        self._shown = shown
        self._before = before
        self._settle_time = settle_time
        self._known: dict[float, Proof] = {}

    def proof(self, row: Unsettled) -> Proof:
        """Return what the walk shows of the controls of a row."""
        # Rows that were admitted together have one time, and the same controls.
        at = row.intent_at
        if at not in self._known:
            self._known[at] = self._judged(self._nearest.to(at))
        return self._known[at]

    def without(self, name: str, at: float) -> Proof:
        """Return what the walk shows of the controls of a start at this time, if it is not one of them itself."""
        return self._judged([each for each in self._nearest.to(at) if each.name != name])

    def _judged(self, controls: Sequence[Control]) -> Proof:
        if not controls:
            return Proof(controls, NO_CONTROL)
        lacking = [each for each in controls if each.name not in self._shown]
        wrong, is_misleading = self._shown_wrongly(controls)
        is_misleading = is_misleading or len(lacking) == len(controls)
        if not lacking:
            return Proof(controls, wrong, is_misleading=is_misleading)
        ripe_at = max(each.latest for each in lacking) + self._settle_time
        return Proof(controls, _fault("does not show", lacking, controls), ripe_at, is_misleading)

    def _shown_wrongly(self, controls: Sequence[Control]) -> tuple[str, bool]:
        """Return what is wrong with how the walk shows controls, empty if nothing, and whether that is misleading."""
        shown = [(each, self._shown[each.name]) for each in controls if each.name in self._shown]
        for phrase, is_wrong, is_misleading in _FAULTS:
            wrong = [each for each, listed in shown if is_wrong(each, listed, self._before)]
            if wrong:
                return _fault("shows", wrong, controls) + phrase, is_misleading
        return "", False


def _fault(verb: str, some: Sequence[Control], controls: Sequence[Control]) -> str:
    return f"the list {verb} {len(some)} of {counted(len(controls), 'execution')} that this job started"


def _is_of_another_time(control: Control, listed: Execution, before: float) -> bool:
    """Return whether a listed time is not that of the start. A time that cannot be read may be any time.

    The walk began before `before`. A start whose answer has no time of its own was made before that.
    """
    if listed.at is None:
        return False
    if listed.at < control.intent_at - EARLY or (control.at is not None and abs(listed.at - control.at) > EARLY):
        return True
    return listed.at > (before + LATE if control.answered_at is None else control.answered_at + EARLY)


def _is_of_another_type(_: Control, listed: Execution, __: float) -> bool:
    return listed.is_event


def _is_of_another_workflow(control: Control, listed: Execution, _: float) -> bool:
    return family(control.urn, control.name) != family(listed.urn, listed.name)


_FAULTS = (
    (" at another time", _is_of_another_time, True),
    (" as those of an event", _is_of_another_type, True),
    # What has the URN of another workflow fits no row anyway, and a URN that is not shown says nothing.
    (" as those of another workflow", _is_of_another_workflow, False),
)
"""How a listed control differs from its start: how the sentence ends, the test, and whether this is misleading."""


_SEPARATORS = ":/"
"""What separates the parts of a URN."""


def family(urn: str, name: str) -> str:
    """Return the URN without the execution's name: the executions of a workflow have this in common.

    Empty if the name is not a part of the URN: then the URN does not say which workflow it is of.
    """
    before, found, after = urn.rpartition(name)
    is_part = found and {before[-1:], after[:1]} <= {"", *_SEPARATORS}
    return before + after if is_part else ""


def families_of(controls: Iterable[Control]) -> set[str]:
    """Return the families of our own executions."""
    return {family(each.urn, each.name) for each in controls} - {""}


def is_foreign(listed: Execution, families: set[str]) -> bool:
    """Return whether an execution belongs to another workflow. `families` are those of our own executions."""
    return bool(families) and family(listed.urn, listed.name) not in families | {""}


def chosen(proofs: Iterable[Proof]) -> list[Control]:
    """Choose the controls to ask for in detail, spread over all of these."""
    controls = list({control.id: control for proof in proofs for control in proof.controls}.values())
    return controls[:: max(1, -(-len(controls) // ASKED))]


def are_comparable(controls: Sequence[Control], details: Mapping[str, str | None]) -> bool:
    """Return whether the service shows what these were started with as it was sent, or all of them in one form.

    `details` are the inputs of their executions by name, None if one cannot be read. A key may be encoded in a way that
    is not known, as it can be decoded. But inputs of which some have become text and others numbers are not their own.
    """
    shown = [(sent_of(_row(each)), *_shown(each, details)) for each in controls]
    near = [(sent, content) for sent, likeness, content in shown if content is not None and likeness < BLURRED]
    is_near = len(near) == len(controls) and bool(controls and learned_of_inputs(near))
    return bool(controls) and (is_near or shown_form(controls, details) is not None)


def shown_form(controls: Sequence[Control], details: Mapping[str, str | None]) -> Shown | None:
    """Return the form in which the service shows what these were started with, None if there is none."""
    return learned([(sent_of(_row(each)), _shown(each, details).content) for each in controls])


def not_as_sent(controls: Sequence[Control], details: Mapping[str, str | None]) -> str:
    """Return what is wrong with how the service reports these, naming the differences of one of them."""
    for each in controls:
        likeness, content = _shown(each, details)
        if likeness >= BLURRED and content is not None:
            return f"{NOT_AS_SENT}: one that this job started has {', '.join(differences(_row(each), content))}"
    return NOT_AS_SENT


class _Rated(NamedTuple):
    likeness: int
    content: Content | None


def _shown(control: Control, details: Mapping[str, str | None]) -> _Rated:
    """Return what is shown of a control that fits it best, with its likeness. No content if none may be its own."""
    contents = contents_of(details.get(control.name) or "") or ()
    fits = [(likeness(_row(control), content), content) for content in contents]
    rated = [_Rated(fit, content) for fit, content in fits if fit is not None]
    return min(rated, key=lambda each: each.likeness, default=_Rated(BLURRED, None))


def _row(control: Control) -> Unsettled:
    """Return a control as a row, to compare its content."""
    return Unsettled(
        control.id, Status.STARTED, 0, control.bucket, control.object, control.inputs, "", control.intent_at
    )


def mistakable(
    controls: Sequence[Control], details: Mapping[str, str | None], rows: Iterable[Unsettled]
) -> dict[int, str]:
    """Return the rows, by id, whose content another execution may be shown with, and which one that may be.

    `details` are as for `are_comparable`. A control that cannot be read shows nothing.
    """
    if any(_is_contradicted(each, contents_of(details.get(each.name) or "") or ()) for each in controls):
        return {row.id: CONTRADICTED for row in rows}
    if shown_form(controls, details) is not None:
        return {}
    shown = [(sent_of(_row(each)), _shown(each, details).content) for each in controls]
    known = [(sent, content) for sent, content in shown if content is not None]
    losses = {row.id: loss_for(sent_of(row), known) for row in rows}
    return {id_: words for id_, words in losses.items() if words}


def _is_contradicted(control: Control, contents: Sequence[Content]) -> bool:
    return bool(contents) and all(likeness(_row(control), content) is None for content in contents)
