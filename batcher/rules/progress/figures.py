"""The live figures of a run: the one table of their names, units and meanings. Pure.

The progress for programs, `status --json`, the event that ends a run, and the metrics are all made from it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import NamedTuple

from batcher.model import Json, Status
from batcher.rules.progress.eta import Range


class Figures(NamedTuple):
    """A run at one moment; FIGURES says what each field is. None is what is not known, or not there."""

    rows: int
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
    state: str
    fraction: float | None
    eta: Range | None
    seconds: float


class Metric(enum.Enum):
    """What a figure is among the metrics, as https://prometheus.io/docs/concepts/metric_types/ has it."""

    ROWS = "rows"
    """A series of the gauge of rows; its name is the status."""
    GAUGE = "gauge"
    COUNTER = "counter"


class Figure(NamedTuple):
    """What the table says of a figure. `is_final` tells whether it is worth keeping when the run has ended."""

    meaning: str
    unit: str = ""
    metric: Metric | None = None
    is_final: bool = False


_STARTS = "starts_per_second"

_ROWS: Mapping[Status, str] = {
    Status.STARTED: "Rows started.",
    Status.REFUSED: "Rows that the service was too busy for, to their last attempt.",
    Status.REJECTED: "Rows that the service will not start as they stand.",
    Status.INVALID: "Rows that cannot be sent as they stand.",
    Status.DUPLICATE: "Rows of the same content as an earlier one.",
    Status.IN_DOUBT: "Rows that may have been started.",
}
"""Earlier runs are included."""

FIGURES: Mapping[str, Figure] = {
    "rows": Figure("Rows of the manifest taken up so far, earlier runs included.", is_final=True),
    **{status.value: Figure(meaning, metric=Metric.ROWS, is_final=True) for status, meaning in _ROWS.items()},
    "requests": Figure("Attempts of this run.", is_final=True),
    "retries": Figure("Attempts of this run after a row's first.", metric=Metric.COUNTER, is_final=True),
    "on_wire": Figure("Requests on the wire.", metric=Metric.GAUGE),
    "oldest": Figure("How long the oldest request has been on the wire.", "seconds", Metric.GAUGE),
    "rate": Figure("Starts a second of the last seconds.", _STARTS, Metric.GAUGE),
    "pace": Figure("Starts a second that the run allows itself.", _STARTS, Metric.GAUGE),
    "limit": Figure("Starts a second that the service was found to take.", _STARTS, Metric.GAUGE),
    "state": Figure("What holds the run back, empty where nothing does."),
    "fraction": Figure("The part of the manifest that is done, from 0 to 1."),
    "eta": Figure("What is left, as the least and the most.", "seconds"),
    "seconds": Figure("How long the run has lasted.", "seconds", is_final=True),
}
"""Every field of Figures, in its order."""


def document(figures: Figures) -> dict[str, Json]:
    """Give the figures for a program by their names, numbers to three digits behind the point."""
    fields = figures._asdict()
    if figures.eta is not None:
        fields["eta"] = [round(end, 3) for end in figures.eta]
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in fields.items()}


def final(figures: Figures) -> dict[str, Json]:
    """Give those figures that are worth keeping when the run has ended."""
    return {name: value for name, value in document(figures).items() if FIGURES[name].is_final}
