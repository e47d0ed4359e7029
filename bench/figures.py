"""Figures: measured values, their goals, and the arithmetic of medians. Pure.

A ratio is the median of the ratios of single rounds: a disturbance that lasts for minutes affects both sides of one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import NamedTuple, TypeVar

Measured = TypeVar("Measured")


class Goal(NamedTuple):
    """The bounds of a figure, which must be kept (`must`) and should be kept (`aim`): maximum or minimum values."""

    must: float
    aim: float | None = None
    at_least: bool = False

    def met(self, value: float, bound: float) -> bool:
        """Return whether a value keeps a bound."""
        return value >= bound if self.at_least else value <= bound


class Figure(NamedTuple):
    """One line of the results. `shown` is the format for the value and its goal."""

    what: str
    value: float
    shown: str
    detail: str
    goal: Goal | None = None


def verdict(figure: Figure) -> str:
    """Return which bound a figure keeps."""
    goal = figure.goal
    if goal is None:
        return ""
    if not goal.met(figure.value, goal.must):
        return "missed"
    if goal.aim is None or goal.met(figure.value, goal.aim):
        return "aim"
    return "must"


def in_turn(rounds: int, *measures: Callable[[], Measured]) -> list[list[Measured]]:
    """Measure A B A B ..., and return all results of A, then all of B."""
    results = [[measure() for measure in measures] for _ in range(rounds)]
    return [list(column) for column in zip(*results, strict=True)]


def ratio(over: Sequence[float], under: Sequence[float]) -> float:
    """Return the median ratio of two series that were measured in turn."""
    return median(one / other for one, other in zip(over, under, strict=True))


def difference(greater: Sequence[float], smaller: Sequence[float]) -> float:
    """Return the median difference of two series that were measured in turn."""
    return median(one - other for one, other in zip(greater, smaller, strict=True))


def microseconds(seconds: Sequence[float], rows: int) -> str:
    """Format the median of several processes' seconds per row."""
    return f"{median(seconds) / rows * 1e6:.1f} us"
