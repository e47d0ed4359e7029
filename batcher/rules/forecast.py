"""The forecast: what a run would do with the rows of a manifest, by what the checkpoint knows of them. Pure.

The decision is the run's own, `admission`; here it is made for many rows at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from heapq import nsmallest
from typing import NamedTuple

from batcher.model import Found, Row, State
from batcher.rules.admission import Policy, admission

SHOWN = 20
"""So many repeated rows are named, those that come first in the manifest."""

_ANY_ROW = Row(0, 0, "", "", b"", b"")
_NOTHING: Mapping[int, State] = {}


class Repeat(NamedTuple):
    """A row of the same content as an earlier one, by the lines that both begin on."""

    line: int
    first_line: int


class Forecast:
    """Counts rows of a manifest by the state that a run would leave or find them in; PENDING ones it would start."""

    def __init__(self, policy: Policy) -> None:
        self.states: Counter[State] = Counter()
        self.repeated = 0
        """Rows of the same content as an earlier one."""
        self.repeats: list[Repeat] = []
        """The first of them."""
        self._ends = {(state, copy): _end(state, copy, policy) for state in [None, *State] for copy in (1, 2)}

    def add(self, keys: Sequence[bytes], lines: Sequence[int], known: Mapping[bytes, Mapping[int, State]]) -> None:
        """Add all rows of some contents, in the manifest's order: their keys, and the lines that they begin on.

        `known` are the states of the checkpoint's rows by key and copy.
        """
        counts = Counter(keys)
        again = len(keys) - len(counts)
        if again:
            self.repeated += again
            self.repeats = nsmallest(SHOWN, [*self.repeats, *_repeats(keys, lines)])
        if known:
            seen = Counter((known.get(key, _NOTHING).get(1), 1) for key in counts)
            for key, count in counts.items() if again else ():
                seen.update((known.get(key, _NOTHING).get(copy), 2) for copy in range(2, count + 1))
        else:
            seen = Counter({(None, 1): len(counts), (None, 2): again})
        for state_and_copy, count in seen.items():
            self.states[self._ends[state_and_copy]] += count


def _end(state: State | None, copy: int, policy: Policy) -> State:
    """Give the state that a run leaves a row in as far as it can be foreseen, for the first copy or any other one."""
    admitted = admission(Found(0, _ANY_ROW, state, copy), policy)
    if admitted is not None:
        return State.PENDING if admitted.state is State.INTENT else admitted.state
    # What is on the wire now is in doubt if its run ends.
    return State.IN_DOUBT if state is State.INTENT or state is None else state


def _repeats(keys: Sequence[bytes], lines: Sequence[int]) -> Iterator[Repeat]:
    firsts: dict[bytes, int] = {}
    for key, line in zip(keys, lines, strict=True):
        if key in firsts:
            yield Repeat(line, firsts[key])
        else:
            firsts[key] = line
