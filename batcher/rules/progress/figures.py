"""The live figures of a run: the table of their names, units and meanings. Pure.

The JSON progress, `status --json`, the event `run_ended` and the metrics are all derived from it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import NamedTuple

from batcher.model import Json, Status
from batcher.rules.progress.eta import Range
from batcher.rules.rate.bottleneck import Cause


class Figures(NamedTuple):
    """A snapshot of a run. FIGURES describes each field. None means that a value is unknown or does not exist."""

    rows: int
    total: int | None
    left: int | None
    started: int
    refused: int
    rejected: int
    invalid: int
    duplicate: int
    in_doubt: int
    requests: int
    retries: int
    on_wire: int
    oldest: float | None
    rate: float
    pace: float
    limit: float | None
    chance: float
    state: str
    cause: Cause | None
    slowed: tuple[tuple[Cause, float], ...]
    fraction: float | None
    eta: Range | None
    seconds: float
    running: int | None = None
    running_age: float | None = None
    delayed: int | None = None


class Metric(enum.Enum):
    """The type of a figure's metric, see https://prometheus.io/docs/concepts/metric_types/."""

    ROWS = "rows"
    """A series of the gauge of rows. Its name is the status."""
    GAUGE = "gauge"
    COUNTER = "counter"
    CAUSES = "causes"
    """A counter with one series for each cause."""


class Figure(NamedTuple):
    """An entry of the table. `is_final` is whether the figure is logged at the end of the run."""

    meaning: str
    unit: str = ""
    metric: Metric | None = None
    is_final: bool = False


_STARTS = "starts_per_second"

_ROWS: Mapping[Status, str] = {
    Status.STARTED: "Rows started.",
    Status.REFUSED: "Rows that the service was too busy to start, even at the last attempt.",
    Status.REJECTED: "Rows that the service rejects unless they are changed.",
    Status.INVALID: "Rows that cannot be sent unless they are changed.",
    Status.DUPLICATE: "Rows with the same content as an earlier row.",
    Status.IN_DOUBT: "Rows that may have been started.",
}
"""Earlier runs are included."""

FIGURES: Mapping[str, Figure] = {
    "rows": Figure("Rows of the manifest read so far, including rows of earlier runs.", is_final=True),
    "total": Figure(
        "Rows of the manifest, estimated until it is read to its end.", "rows", Metric.GAUGE, is_final=True
    ),
    "left": Figure("Rows that are not settled, including rows not read yet.", "rows", Metric.GAUGE, is_final=True),
    **{status.value: Figure(meaning, metric=Metric.ROWS, is_final=True) for status, meaning in _ROWS.items()},
    "requests": Figure("Attempts of this run.", is_final=True),
    "retries": Figure("Attempts of this run after the first attempt of a row.", metric=Metric.COUNTER, is_final=True),
    "on_wire": Figure("Requests on the wire.", metric=Metric.GAUGE),
    "oldest": Figure("How long the oldest request has been on the wire.", "seconds", Metric.GAUGE),
    "rate": Figure("Starts per second in the last seconds.", _STARTS, Metric.GAUGE),
    "pace": Figure("Starts per second that the run currently allows.", _STARTS, Metric.GAUGE),
    "limit": Figure("Estimated limit of the service, in starts per second.", _STARTS, Metric.GAUGE, is_final=True),
    "chance": Figure("Share of requests refused at any rate.", "ratio", Metric.GAUGE, is_final=True),
    "state": Figure("What limits the run, empty if nothing does."),
    "cause": Figure("What limits the run, in one word."),
    "slowed": Figure("How long each cause has limited the run.", "seconds", Metric.CAUSES),
    "fraction": Figure("Fraction of the manifest that is done, from 0 to 1."),
    "eta": Figure("Estimated time left: minimum and maximum.", "seconds"),
    "seconds": Figure("Duration of the run.", "seconds", is_final=True),
    "running": Figure("Executions whose end was not seen, with --max-running.", metric=Metric.GAUGE),
    "running_age": Figure("Seconds since the execution list was looked at.", "seconds", Metric.GAUGE),
    "delayed": Figure("Starts that wait for ends of executions.", metric=Metric.GAUGE),
}
"""Every field of Figures, in its order."""


def document(figures: Figures) -> dict[str, Json]:
    """Return the figures by name for a program, with numbers rounded to three decimals."""
    fields = figures._asdict()
    fields["cause"] = figures.cause and figures.cause.value
    fields["slowed"] = {cause.value: round(seconds, 3) for cause, seconds in figures.slowed}
    if figures.eta is not None:
        fields["eta"] = [round(end, 3) for end in figures.eta]
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in fields.items()}


def final(figures: Figures) -> dict[str, Json]:
    """Return the figures that are logged at the end of the run."""
    return {name: value for name, value in document(figures).items() if FIGURES[name].is_final}
