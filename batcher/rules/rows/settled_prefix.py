"""The settled prefix of a manifest: how far all its rows have ended, so that the next run may begin behind them. Pure.

Rule: what is passed over unread must be just what reading it would have passed over. So a prefix ends before the first
row that may be sent by a later run, is in doubt, or has not the place in the checkpoint that it has in the manifest.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple

import orjson

from batcher.model import Mark, Settlement, State

ENDED = frozenset({State.STARTED, State.REJECTED, State.INVALID, State.DUPLICATE, State.DISMISSED})
"""The states of rows in a prefix. PENDING rows are sent by the next run, the others may still be settled otherwise."""
MOST_STRETCHES = 1000
"""So many stretches between marks may wait for their rows; further ones are added to the last of them."""

_ID = attrgetter("id")
"""The id of a settlement."""


class Prefix(NamedTuple):
    """Everything before `mark` has ended, in `states`. `reading` tells by what rules it was read."""

    mark: Mark
    states: Mapping[State, int]
    reading: str


def encoded(prefix: Prefix) -> str:
    """Write a prefix as JSON."""
    mark, states, reading = prefix
    return orjson.dumps([*mark, {str(int(state)): count for state, count in states.items()}, reading]).decode()


def decoded(text: str) -> Prefix:
    """Read what `encoded` has written."""
    *mark, states, reading = orjson.loads(text)
    return Prefix(Mark(*mark), {State(int(state)): count for state, count in states.items()}, reading)


def dismissed(prefix: Prefix) -> Prefix:
    """Give the prefix after all rejected and invalid rows of the checkpoint were dismissed."""
    states = Counter(prefix.states)
    failed = states.pop(State.REJECTED, 0) + states.pop(State.INVALID, 0)
    return prefix._replace(states=states + Counter({State.DISMISSED: failed}))


def is_passable(prefix: Prefix, reading: str, left_alone: AbstractSet[State]) -> bool:
    """Tell whether a run that reads by these rules would leave each row of the prefix alone."""
    return prefix.reading == reading and left_alone >= prefix.states.keys()


@dataclass(slots=True)
class _Stretch:
    """Rows behind the number `after`, up to `last`: how many have not ended, and in which states the others have."""

    after: int
    last: int
    mark: Mark | None = None
    """The place behind it; None while it grows."""
    waiting: int = 0
    states: Counter[State] = field(default_factory=Counter)


class Frontier:
    """Follows one reading of a manifest from a prefix on, and moves the prefix on as its rows end."""

    def __init__(self, prefix: Prefix) -> None:
        self.prefix = prefix
        self._stretches: deque[_Stretch] = deque()
        self._is_in_order = True

    def sifted(self, last: int, waiting: int, passed: Mapping[State, int], *, is_in_order: bool) -> None:
        """Note a block of rows, in the manifest's order: its last row's number, and how its rows stand.

        `waiting` of them have yet to be decided on. `is_in_order` tells whether the id of each is its number: once it
        is not, nothing further can be part of the prefix.
        """
        self._is_in_order = self._is_in_order and is_in_order
        if not self._is_in_order:
            return
        if not self._stretches or (self._stretches[-1].mark is not None and len(self._stretches) < MOST_STRETCHES):
            after = self._stretches[-1].last if self._stretches else self.prefix.mark.rows
            self._stretches.append(_Stretch(after, last))
        stretch = self._stretches[-1]
        stretch.last, stretch.mark = last, None
        stretch.waiting += waiting
        for state, count in passed.items():
            if state in ENDED:
                stretch.states[state] += count
            else:
                stretch.waiting += count

    def reached(self, mark: Mark) -> None:
        """Note a mark behind the last row that was sifted."""
        if self._is_in_order and self._stretches and self._stretches[-1].last == mark.rows:
            self._stretches[-1].mark = mark

    def settled(self, settlements: Iterable[Settlement]) -> bool:
        """Note rows that are settled. Tell whether the prefix has moved on."""
        ended = sorted([each for each in settlements if each.state in ENDED], key=_ID)
        begin = 0
        while begin < len(ended):
            stretch = self._stretch_of(ended[begin].id)
            if stretch is None:
                begin += 1
                continue
            end = bisect_right(ended, stretch.last, begin, key=_ID)
            stretch.waiting -= end - begin
            stretch.states.update([each.state for each in ended[begin:end]])
            begin = end
        return self._move_on()

    def _stretch_of(self, id_: int) -> _Stretch | None:
        """Give the stretch of a row; rows outside all stretches have not been sifted yet, or come without order."""
        at = bisect_left(self._stretches, id_, key=attrgetter("last"))
        return self._stretches[at] if at < len(self._stretches) and id_ > self.prefix.mark.rows else None

    def _move_on(self) -> bool:
        has_moved = False
        while self._stretches and (mark := self._stretches[0].mark) is not None and not self._stretches[0].waiting:
            states = Counter(self.prefix.states) + self._stretches.popleft().states
            self.prefix = Prefix(mark, states, self.prefix.reading)
            has_moved = True
        return has_moved
