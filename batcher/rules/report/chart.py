"""The layout of small charts: the coordinates of lines, ticks and labels. Pure.

Coordinates are in the units of a drawing that is WIDTH wide and HEIGHT high, with its origin at the top left.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from batcher.rules.report.scale import Clock, Scale, last_time, linear, round_times

WIDTH, HEIGHT = 440, 240
LEFT, RIGHT, TOP, BOTTOM = 60, 12, 24, 30
"""The margins around the plot, for the labels."""

CHARACTER = 8.5
"""The width of a character of a label, in the largest font that a label has."""
GAP = 12
"""The least distance between two labels of the time axis."""


class Tick(NamedTuple):
    """A tick on an axis: its coordinate, its label, and which part of the label is there: `middle` or `end`."""

    at: float
    label: str
    anchor: str = "middle"


class Series(NamedTuple):
    """The values of a line, one per span. None leaves a gap."""

    name: str
    values: Sequence[float | None]


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


def chart(  # noqa: PLR0913 - what a chart consists of
    title: str,
    unit: str,
    series: Sequence[Series],
    clock: Clock,
    *,
    level: Tick | None = None,
    scale: Scale | None = None,
) -> Chart:
    """Lay out a chart of series with one value per span of the clock. `level` is a value with its label.

    Without a `scale`, values begin at zero.
    """
    values = [value for line in series for value in line.values if value is not None]
    scale = scale or linear(max([*values, level.at if level else 0.0]))
    return Chart(
        title=title,
        unit=unit,
        lines=[Line(line.name, _path(line.values, scale)) for line in series],
        level=Tick(_y(level.at, scale), level.label) if level else None,
        y_ticks=[Tick(_y(value, scale), label) for value, label in scale.ticks],
        x_ticks=_times(clock),
        pauses=[_x(place, len(clock.begins)) for place in clock.pauses],
    )


def _times(clock: Clock) -> list[Tick]:
    """Return round times, as far as their labels do not touch, and the time at the right end."""
    end = last_time(clock)
    ticks: list[Tick] = []
    free, limit = 0.0, WIDTH - RIGHT - CHARACTER * len(end) - GAP
    for place, label in round_times(clock):
        at, half = _x(place, len(clock.begins)), CHARACTER * len(label) / 2
        if at - half >= free and at + half <= limit:
            ticks.append(Tick(at, label))
            free = at + half + GAP
    return [*ticks, Tick(WIDTH - RIGHT, end, "end")]


def _path(values: Sequence[float | None], scale: Scale) -> str:
    """Return a path that joins the points of adjacent values. A value without neighbours is a dot."""
    words: list[str] = []
    begins = True
    for index, value in enumerate(values):
        if value is None:
            begins = True
            continue
        point = f"{_x(index + 0.5, len(values)):.1f} {_y(value, scale):.1f}"
        words.append(f"M{point}h0" if begins else f"L{point}")
        begins = False
    return "".join(words)


def _x(place: float, count: int) -> float:
    """Return the coordinate of a place among `count` spans. The middle of the first one is at 0.5."""
    return round(LEFT + place / count * (WIDTH - LEFT - RIGHT), 1)


def _y(value: float, scale: Scale) -> float:
    return round(HEIGHT - BOTTOM - scale.part(value) * (HEIGHT - TOP - BOTTOM), 1)
