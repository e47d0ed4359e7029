"""How much room a job needs on the disk. Pure.

An estimate: the bytes of a row were measured on jobs whose rows are all started.
"""

from __future__ import annotations

from typing import NamedTuple

CHECKPOINT_BYTES = 80
"""Bytes of a row in the checkpoint."""
RECORD_BYTES = 420
"""Bytes of a record in JSON Lines, without the names of the row."""
CSV_BYTES = 250
"""Bytes of a record in CSV, without the names of the row."""
LINE_BYTES = 60
"""Bytes of the names of a row, where the manifest does not show how long its lines are."""


class Need(NamedTuple):
    """The bytes that a job needs in all, for each of its files."""

    checkpoint: int
    output: int


def need(rows: int, line_bytes: float | None, *, is_csv: bool) -> Need:
    """Return what a job with this number of rows needs. `line_bytes` is the mean length of its lines, if known."""
    record = (CSV_BYTES if is_csv else RECORD_BYTES) + (LINE_BYTES if line_bytes is None else line_bytes)
    return Need(rows * CHECKPOINT_BYTES, round(rows * record))


def shown(amount: int) -> str:
    """Format a number of bytes: 12 MB, or 3.4 GB."""
    million = amount / 1e6
    if million < 1:
        return "less than 1 MB"
    return f"{million:,.0f} MB" if million < 1000 else f"{million / 1000:,.1f} GB"  # noqa: PLR2004 - one GB
