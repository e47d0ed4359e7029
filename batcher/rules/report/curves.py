"""The curves of a report: the rate and the latency of starts over time, in units that suit them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from batcher.rules.report.chart import Chart, Series, Tick, chart
from batcher.rules.report.histogram import Histogram
from batcher.rules.report.scale import Clock, logarithmic
from batcher.rules.report.timeline import Shown, Timeline

SHARES = (0.5, 0.95, 0.99)
"""The percentiles of the latency."""
FEWEST = 3
"""The minimum number of spans for a chart. A line through fewer points shows nothing."""
FAR_ABOVE = 3.0
"""A limit that is more than this many times the highest rate is not drawn: it would flatten the line."""
_DAY = 24 * 3600.0
_SECOND = 1000.0
"""In milliseconds."""


class Unit(NamedTuple):
    """A unit of rates: what it is called, its sign, and how many seconds it has."""

    name: str
    sign: str
    seconds: float


UNITS = (Unit("second", "s", 1.0), Unit("minute", "min", 60.0), Unit("hour", "h", 3600.0))


class Moment(NamedTuple):
    """The figures of one span: its time, starts per unit of time, and latencies in milliseconds.

    `limit` is that of the service, in the unit of the rate. None if none was known then, or is kept.
    """

    time: str
    rate: float
    limit: float | None
    p50: float | None
    p95: float | None
    p99: float | None


class Curves(NamedTuple):
    """The moments of a job, of `seconds` each, and their charts. `latencies` are p50, p95 and p99 of all starts."""

    unit: Unit
    seconds: float
    moments: list[Moment]
    charts: list[Chart]
    latencies: list[float | None]


def unit_of(rate: float) -> Unit:
    """Return the unit in which a rate, in events per second, is at least 1, or the largest."""
    return next((unit for unit in UNITS if rate * unit.seconds >= 1), UNITS[-1])


def curves(timeline: Timeline, limit: float | None) -> Curves:
    """Return the curves of a job with this limit, in starts per second."""
    shown = timeline.shown()
    # The last span may be shorter.
    seconds = [shown.seconds] * (len(shown.spans) - 1) + [shown.last_seconds]
    rates = [span.starts / lasted for span, lasted in zip(shown.spans, seconds, strict=False)]
    unit = unit_of(max(rates, default=1.0))
    moments = _moments(shown, rates, unit)
    together = Histogram()
    for span in shown.spans:
        together.merge(span.latencies)
    drawn = _charts(shown, moments, unit, limit) if len(moments) >= FEWEST else []
    return Curves(unit, shown.seconds, moments, drawn, together.percentiles(*SHARES))


def _moments(shown: Shown, rates: Sequence[float], unit: Unit) -> list[Moment]:
    is_long = bool(shown.spans) and shown.spans[-1].at - shown.spans[0].at >= _DAY
    clock = "%m-%d %H:%M" if is_long else "%H:%M:%S"
    return [
        Moment(
            f"{datetime.fromtimestamp(span.at, UTC):{clock}}",
            rate * unit.seconds,
            None if span.limit is None else span.limit * unit.seconds,
            *span.latencies.percentiles(*SHARES),
        )
        for span, rate in zip(shown.spans, rates, strict=True)
    ]


def _charts(shown: Shown, moments: Sequence[Moment], unit: Unit, limit: float | None) -> list[Chart]:
    spans = shown.spans
    pauses = [place for place, span in enumerate(spans) if place and span.after_pause]
    clock = Clock([span.at for span in spans], spans[-1].at + shown.last_seconds, pauses)
    found = [_rate_chart(moments, clock, unit, limit)]
    latencies = [
        Series("p50", [moment.p50 for moment in moments]),
        Series("p95", [moment.p95 for moment in moments]),
        Series("p99", [moment.p99 for moment in moments]),
    ]
    values = [value for line in latencies for value in line.values if value is not None]
    if values:
        scale = logarithmic(min(values), max(values), time_label)
        found.append(chart("Start latency", "time until the answer, logarithmic", latencies, clock, scale=scale))
    return found


def _rate_chart(moments: Sequence[Moment], clock: Clock, unit: Unit, limit: float | None) -> Chart:
    rates = [Series(f"starts per {unit.name}", [moment.rate for moment in moments])]
    highest = max(moment.rate for moment in moments)
    if any(moment.limit is not None for moment in moments):
        rates.append(Series("estimated limit", [_near(moment.limit, highest) for moment in moments]))
    level = None if limit is None or len(rates) > 1 else _near(limit * unit.seconds, highest)
    tick = None if level is None else Tick(level, "estimated limit")
    return chart("Start rate", f"starts per {unit.name}", rates, clock, level=tick)


def _near(limit: float | None, highest: float) -> float | None:
    return None if limit is None or limit > highest * FAR_ABOVE else limit


def time_label(milliseconds: float) -> str:
    """Format a duration on an axis."""
    if milliseconds >= _SECOND:
        return f"{milliseconds / _SECOND:,.6g} s"
    return f"{milliseconds:,.6g} ms"
