"""Charts as numbers: where the lines, the ticks and their labels of a small chart are, for whoever draws it. Pure.

All places are in the units of a drawing that is WIDTH wide and HEIGHT high, with its origin at the top left.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

WIDTH, HEIGHT = 440, 240
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 24, 30
"""What is left free around the plot, for the labels."""

_NICE = (1, 2, 2.5, 5, 10)
"""Steps between ticks that a person reads easily, times a power of ten."""

MOST_TICKS = 5
LEAST = 1e-300
"""What is not more is drawn as nothing."""
MOST_TIMES = 4


class Tick(NamedTuple):
    """A tick on an axis: its place and its label."""

    at: float
    label: str


class Series(NamedTuple):
    """The values of a line, one for each span; None where there is nothing to say."""

    name: str
    values: Sequence[float | None]


class Axis(NamedTuple):
    """Time: the labels of the spans, and the spans before which time was cut out."""

    times: Sequence[str]
    pauses: Sequence[int]


class Line(NamedTuple):
    """A line to be drawn: an SVG path (https://www.w3.org/TR/SVG2/paths.html) of its points."""

    name: str
    path: str


class Chart(NamedTuple):
    """A chart, ready to be drawn. `level` is a horizontal line, None where there is none."""

    title: str
    unit: str
    lines: list[Line]
    level: Tick | None
    y_ticks: list[Tick]
    x_ticks: list[Tick]
    pauses: list[float]
    """Where time was cut out."""


def chart(title: str, unit: str, series: Sequence[Series], axis: Axis, level: Tick | None = None) -> Chart:
    """Lay out a chart of series that have a value for each span of the axis. `level` is a value with its label."""
    values = [value for line in series for value in line.values if value is not None]
    highest = max([*values, level.at if level else 0.0])
    y_ticks, top = _ticks(highest)
    return Chart(
        title=title,
        unit=unit,
        lines=[Line(line.name, _path(line.values, top)) for line in series],
        level=Tick(_y(level.at, top), level.label) if level else None,
        y_ticks=[Tick(_y(value, top), label) for value, label in y_ticks],
        x_ticks=_times(axis.times),
        pauses=[_x(place - 0.5, len(axis.times)) for place in axis.pauses],
    )


def _ticks(highest: float) -> tuple[list[Tick], float]:
    """Give ticks from zero to beyond the highest value, and the last of them."""
    # What is next to nothing has no tenth.
    rough = (highest if highest > LEAST else 1.0) / MOST_TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(nice * power for nice in _NICE if nice * power >= rough * (1 - 1e-9))
    count = math.ceil(highest / step - 1e-9) or 1
    return [Tick(step * index, f"{step * index:,.6g}") for index in range(count + 1)], step * count


def _times(times: Sequence[str]) -> list[Tick]:
    """Label a few spans, evenly."""
    count = len(times)
    return [Tick(_x(index, count), times[index]) for index in range(0, count, max(1, math.ceil(count / MOST_TIMES)))]


def _path(values: Sequence[float | None], top: float) -> str:
    """Join the points of values next to each other; a value alone is a dot."""
    words: list[str] = []
    begins = True
    for index, value in enumerate(values):
        if value is None:
            begins = True
            continue
        point = f"{_x(index, len(values)):.1f} {_y(value, top):.1f}"
        words.append(f"M{point}h0" if begins else f"L{point}")
        begins = False
    return "".join(words)


def _x(place: float, count: int) -> float:
    """Give the middle of a span."""
    return round(LEFT + (place + 0.5) / count * (WIDTH - LEFT - RIGHT), 1)


def _y(value: float, top: float) -> float:
    return round(HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM), 1)
