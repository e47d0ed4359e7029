"""The layout of small charts: the coordinates of lines, ticks and labels. Pure.

Coordinates are in the units of a drawing that is WIDTH wide and HEIGHT high, with its origin at the top left.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

WIDTH, HEIGHT = 440, 240
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 24, 30
"""The margins around the plot, for the labels."""

_NICE = (1, 2, 2.5, 5, 10)
"""Steps between ticks that are easy to read, to be multiplied by a power of ten."""

MOST_TICKS = 5
LEAST = 1e-300
"""Values up to this are drawn as zero."""
MOST_TIMES = 4
"""Maximum number of labels on the time axis."""


class Tick(NamedTuple):
    """A tick on an axis: its coordinate and its label."""

    at: float
    label: str


class Series(NamedTuple):
    """The values of a line, one per span. None leaves a gap."""

    name: str
    values: Sequence[float | None]


class Axis(NamedTuple):
    """The time axis: the labels of the spans, and the spans before which time was cut out."""

    times: Sequence[str]
    pauses: Sequence[int]


class Line(NamedTuple):
    """A line to draw: an SVG path (https://www.w3.org/TR/SVG2/paths.html) through its points."""

    name: str
    path: str


class Chart(NamedTuple):
    """A chart, ready to be drawn. `level` is a horizontal line, None if there is none."""

    title: str
    unit: str
    lines: list[Line]
    level: Tick | None
    y_ticks: list[Tick]
    x_ticks: list[Tick]
    pauses: list[float]
    """The coordinates at which time was cut out."""


def chart(title: str, unit: str, series: Sequence[Series], axis: Axis, level: Tick | None = None) -> Chart:
    """Lay out a chart of series with one value per span of the axis. `level` is a value with its label."""
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
    """Return ticks from zero up to at least the highest value, and the value of the last tick."""
    # A smaller value would underflow when it is divided.
    rough = (highest if highest > LEAST else 1.0) / MOST_TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(nice * power for nice in _NICE if nice * power >= rough * (1 - 1e-9))
    count = math.ceil(highest / step - 1e-9) or 1
    return [Tick(step * index, f"{step * index:,.6g}") for index in range(count + 1)], step * count


def _times(times: Sequence[str]) -> list[Tick]:
    """Return labels for a few spans, evenly distributed."""
    count = len(times)
    return [Tick(_x(index, count), times[index]) for index in range(0, count, max(1, math.ceil(count / MOST_TIMES)))]


def _path(values: Sequence[float | None], top: float) -> str:
    """Return a path that joins the points of adjacent values. A value without neighbours is a dot."""
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
    """Return the coordinate of the middle of a span."""
    return round(LEFT + (place + 0.5) / count * (WIDTH - LEFT - RIGHT), 1)


def _y(value: float, top: float) -> float:
    return round(HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM), 1)
