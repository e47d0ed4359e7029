"""Unknown executions: those that no row of a checkpoint owns although they began after its last commit. Pure.

If the checkpoint is an older copy, they were started by the runs that it does not know. A row that it takes for
unstarted, and that such an execution fits, is held. Without a witness nothing else can show this.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import inf
from typing import NamedTuple

from batcher.model import Execution, Row, Unsettled
from batcher.rules.doubts.contents import BLURRED, Content, contents_of, likeness
from batcher.rules.doubts.evidence import is_foreign
from batcher.rules.doubts.likeness import places, places_of
from batcher.rules.doubts.matching import is_within
from batcher.rules.doubts.times import EARLY
from batcher.rules.service.dialect import Window

MOST = 1000
"""The maximum number of unknown executions that are requested in detail."""
NEVER_SENT = -1.0
"""The time of the intent of a row that is held for an unknown execution: this checkpoint has never sent it.

A time window cannot show whether such an execution is the row's or another client's, so that no list settles the doubt.
"""
HELD = "UnknownExecution"
"""The error code in the record of such a row."""
REASON = "executions that this checkpoint does not know fit these rows"


def is_held_for_unknown(row: Unsettled) -> bool:
    """Return whether a row in doubt is held for an unknown execution."""
    return row.intent_at == NEVER_SENT


def is_unknown(listed: Execution, since: float, families: set[str]) -> bool:
    """Return whether a listed execution that no row owns may have been started by a run after `since`.

    `families` are those of the job's own executions.
    """
    is_late = listed.at is None or listed.at >= since - EARLY
    return is_late and not listed.is_event and not is_foreign(listed, families)


class Seen(NamedTuple):
    """An unknown execution, and what it was started with."""

    execution: Execution
    contents: Sequence[Content]


def seen(execution: Execution, text: str | None) -> Seen | None:
    """Return an execution with its contents, None if its input cannot be read."""
    contents = None if text is None else contents_of(text)
    return None if contents is None else Seen(execution, contents)


class Unknown:
    """The unknown executions of a checkpoint, found by the rows that they fit.

    With `is_exact` the service is known to report contents as they were sent. Then an execution belongs to the first
    row with exactly its content and to no other, and no key counts as cut.
    """

    def __init__(self, executions: Iterable[Seen] = (), *, is_exact: bool = False) -> None:
        self._left = dict(enumerate(executions))
        self._is_exact = is_exact
        self._lengths: set[int] = set()
        self._numbers_at: dict[str, set[int]] = {}
        for number, each in self._left.items():
            for content in each.contents:
                if not is_exact:
                    self._lengths.add(len(content.object))
                for where in places(content.object):
                    self._numbers_at.setdefault(where, set()).add(number)

    def __len__(self) -> int:
        return len(self._left)

    def leave_out(self, doubts: Sequence[Unsettled], windows: Sequence[Window]) -> None:
        """Leave out the executions that explain rows in doubt, one for each. `windows` are those of the rows."""
        if not self._left:
            return
        for row, window in zip(doubts, windows, strict=True):
            within = Window(-inf, inf) if is_held_for_unknown(row) else window
            fits = {
                number: fit
                for number, fit in self._fits(row).items()
                if fit < BLURRED and is_within(self._left[number].execution.at, [within])
            }
            if fits:
                del self._left[min(fits, key=fits.__getitem__)]

    def fitting(self, rows: Mapping[int, Row]) -> dict[int, str]:
        """Return the rows that may have been started before, by id, each with the name of such an execution."""
        found: dict[int, str] = {}
        if self._is_exact:
            # First, so that an execution holds none of the rows that it fits less well.
            for id_, row in rows.items():
                exact = next((number for number, fit in self._fits(row).items() if fit == 0), None)
                if exact is not None:
                    found[id_] = self._left.pop(exact).execution.name
        for id_, row in rows.items():
            fits = {} if id_ in found else self._fits(row)
            if fits:
                found[id_] = self._left[min(fits, key=fits.__getitem__)].execution.name
        return found

    def _fits(self, row: Row | Unsettled) -> Mapping[int, int]:
        """Return the executions that fit a row, by number, each with its likeness."""
        near = {number for where in places_of(row.object, self._lengths) for number in self._numbers_at.get(where, ())}
        found = {}
        for number in sorted(near & self._left.keys()):
            fits = [fit for each in self._left[number].contents if (fit := likeness(row, each)) is not None]
            if fits:
                found[number] = min(fits)
        return found
