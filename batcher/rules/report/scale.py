"""The scales of charts: round values for the ticks of a vertical axis, round times for those of a time axis. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

MOST_TICKS = 5
"""Maximum number of steps between the ticks of a vertical axis."""
MOST_TIMES = 4
"""Maximum number of round times on the time axis, besides the one at its end."""
LEAST = 1e-300
"""Values up to this are drawn as zero."""

_NICE = (1, 2, 2.5, 5, 10)
"""Steps between ticks that are easy to read, to be multiplied by a power of ten."""
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_TIMES = (
    *(1, 2, 5, 10, 15, 30),
    *(each * _MINUTE for each in (1, 2, 5, 10, 15, 30)),
    *(each * _HOUR for each in (1, 2, 3, 6, 12)),
    *(each * _DAY for each in (1, 2, 7, 14, 28, 91, 182, 364)),
)
"""Steps between times that are easy to read, in seconds."""


class Scale(NamedTuple):
    """A vertical axis: its ticks, as values with labels, and whether it is logarithmic."""

    ticks: Sequence[tuple[float, str]]
    is_logarithmic: bool = False

    def part(self, value: float) -> float:
        """Return how far up a value is drawn, from 0 to 1."""
        low, high = self.ticks[0][0], self.ticks[-1][0]
        if self.is_logarithmic:
            return math.log(max(value, low) / low) / math.log(high / low)
        return (value - low) / (high - low)


def linear(highest: float) -> Scale:
    """Return a scale from zero up to at least the highest value, in equal steps."""
    # A smaller value would underflow when it is divided.
    rough = (highest if highest > LEAST else 1.0) / MOST_TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(nice * power for nice in _NICE if nice * power >= rough * (1 - 1e-9))
    count = math.ceil(highest / step - 1e-9) or 1
    return Scale([(step * index, f"{step * index:,.6g}") for index in range(count + 1)])


def logarithmic(lowest: float, highest: float, label: Callable[[float], str]) -> Scale:
    """Return a scale that holds both values, which are above zero: 1, 2, 5, 10, or powers of ten if these suffice."""
    for steps, every in (((1, 2, 5), 1), ((1,), 1), ((1,), 2), ((1,), 4)):
        first, last = math.floor(math.log10(lowest)), math.ceil(math.log10(highest))
        # The powers at which there are ticks are multiples of `every`.
        powers = range(first - first % every, last + every + 1, every)
        values = [step * 10.0**power for power in powers for step in steps]
        low = max((index for index, value in enumerate(values) if value <= lowest * (1 + 1e-9)), default=0)
        high = next(index for index, value in enumerate(values) if value >= highest * (1 - 1e-9) and index > low)
        if high - low <= MOST_TICKS:
            break
    return Scale([(value, label(value)) for value in values[low : high + 1]], is_logarithmic=True)


class Clock(NamedTuple):
    """A time axis: the POSIX time at which each span begins, and at which the last one ends.

    Before the spans `pauses`, time was cut out.
    """

    begins: Sequence[float]
    end: float
    pauses: Sequence[int] = ()


def round_times(clock: Clock) -> list[tuple[float, str]]:
    """Return round times on a time axis, as places with labels. A place counts spans from the left."""
    spans = _spans(clock)
    shown = sum(end - begin for begin, end in spans)
    step = next((step for step in _TIMES if shown / step <= MOST_TIMES), _TIMES[-1])
    found = []
    for index, (begin, end) in enumerate(spans):
        time = math.ceil(begin / step) * step
        if time < end:
            found.append((index + (time - begin) / (end - begin), _label(time, step, clock)))
    return found


def last_time(clock: Clock) -> str:
    """Return the label for the right end of a time axis: to the second within an hour, else to the minute."""
    return _label(clock.end, 1 if clock.end - clock.begins[0] < _HOUR else _MINUTE, clock)


def _spans(clock: Clock) -> list[tuple[float, float]]:
    """Return where each span begins and ends. Beside a pause, a span is as long as the others."""
    begins, cut = clock.begins, set(clock.pauses)
    ends = [*begins[1:], clock.end]
    usual = sorted(end - begin for begin, end in zip(begins, ends, strict=True))[len(begins) // 2]
    return [
        (begin, begin + usual if {index, index + 1} & cut else max(end, begin + 1e-6))
        for index, (begin, end) in enumerate(zip(begins, ends, strict=True))
    ]


def _label(time: float, step: float, clock: Clock) -> str:
    written = datetime.fromtimestamp(time, UTC)
    if clock.end - clock.begins[0] < _DAY:
        return f"{written:%H:%M:%S}" if step < _MINUTE else f"{written:%H:%M}"
    return f"{written.day} {written:%b}" if step >= _DAY else f"{written.day} {written:%b %H:%M}"
