"""Rows at equal distances over a list whose length is not known before it was read: canaries, and samples. Pure.

It is the same choice each time: neither chance nor time decide. Memory is bounded by the number of rows that are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")

SPARE = 4
"""How many candidates there are for each canary: rows that cannot be started are replaced."""
LEAST_SPARE = 20
"""The least number of candidates more than canaries."""

_GOLDEN = 0.6180339887498949
"""Its multiples, without their whole parts, are spread evenly however many of them are taken."""


def most_candidates(number: int) -> int:
    """Return how many rows are kept as candidates for a number of canaries. It is even, as `Spread` needs it."""
    most = max(SPARE * number, number + LEAST_SPARE)
    return most + most % 2


class Spread(Generic[T]):
    """Keeps up to `most` of the items that are added, at equal distances. `most` is even.

    Once there are more, every second one is left out. So at least half as many are kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._distance = 1
        self._added = 0
        self.kept: list[T] = []

    @property
    def is_whole(self) -> bool:
        """Whether every item that was added is kept."""
        return self._added == len(self.kept)

    @property
    def added(self) -> int:
        """The number of items that were added."""
        return self._added

    def add(self, item: T) -> None:
        """Add the next item of the list."""
        if self._added % self._distance == 0:
            self._keep(item)
        self._added += 1

    def extend(self, count: int, at: Callable[[int], T]) -> None:
        """Add the next `count` items; `at` returns one of them by its place among these, and is called for few."""
        place = -self._added % self._distance
        while place < count:
            self._keep(at(place))
            place += self._distance
        self._added += count

    def _keep(self, item: T) -> None:
        if len(self.kept) == self._most:
            del self.kept[1::2]
            self._distance *= 2
        self.kept.append(item)


def sample(kept: Sequence[T], most: int) -> list[T]:
    """Return up to `most` items at equal distances, always with the first one."""
    size = min(most, len(kept))
    return [kept[number * len(kept) // size] for number in range(size)]


def in_order_of_trial(candidates: Sequence[T], number: int) -> list[T]:
    """Return candidates as they are tried: first a `number` of them at equal distances, then the others, spread too."""
    total = len(candidates)
    if total <= number:
        return list(candidates)
    first = [(2 * at + 1) * total // (2 * number) for at in range(number)]
    chosen = set(first)
    others = [at for at in range(total) if at not in chosen]
    return [candidates[at] for at in (*first, *sorted(others, key=lambda at: at * _GOLDEN % 1))]
