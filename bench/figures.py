"""Figures: what was measured, what it must be and should be, and the arithmetic of medians. Pure.

A ratio is the median of the ratios of single rounds: what disturbs a machine for minutes disturbs both sides of one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import NamedTuple, TypeVar

Measured = TypeVar("Measured")


class Goal(NamedTuple):
    """What a figure must be and should be: at most so much, or at least so much."""

    must: float
    aim: float | None = None
    at_least: bool = False

    def met(self, value: float, bound: float) -> bool:
        """Tell whether a value keeps a bound."""
        return value >= bound if self.at_least else value <= bound


class Figure(NamedTuple):
    """One line of the results. `shown` is the format of the value and of its goal."""

    what: str
    value: float
    shown: str
    detail: str
    goal: Goal | None = None


def verdict(figure: Figure) -> str:
    """Say which bound a figure keeps."""
    goal = figure.goal
    if goal is None:
        return ""
    if not goal.met(figure.value, goal.must):
        return "missed"
    if goal.aim is None or goal.met(figure.value, goal.aim):
        return "aim"
    return "must"


def in_turn(rounds: int, *measures: Callable[[], Measured]) -> list[list[Measured]]:
    """Measure A B A B ...; gives all of A, then all of B."""
    results = [[measure() for measure in measures] for _ in range(rounds)]
    return [list(column) for column in zip(*results, strict=True)]


def ratio(over: Sequence[float], under: Sequence[float]) -> float:
    """Give the median ratio of two series that were measured in turn."""
    return median(one / other for one, other in zip(over, under, strict=True))


def difference(greater: Sequence[float], smaller: Sequence[float]) -> float:
    """Give the median difference of two series that were measured in turn."""
    return median(one - other for one, other in zip(greater, smaller, strict=True))


def microseconds(seconds: Sequence[float], rows: int) -> str:
    """Say the median of some processes' seconds for each row."""
    return f"{median(seconds) / rows * 1e6:.1f} us"
