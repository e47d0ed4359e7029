"""Formats the figures of a run for people, in a line or below a bar. Pure.

The result contains no text of the manifest or the service, so that no untrusted text reaches the terminal.
"""

from __future__ import annotations

from datetime import timedelta

from batcher.rules.progress.eta import in_words
from batcher.rules.progress.extent import UNKNOWN
from batcher.rules.progress.figures import Figures
from batcher.rules.text import counted, number


def line(figures: Figures) -> str:
    """Format the progress of a run as one line."""
    return ", ".join([*_done(figures), *parts(figures), elapsed(figures)])


def lines(figures: Figures, columns: int) -> list[str]:
    """Format the progress in lines of at most `columns` characters, for below a bar that shows percent and time."""
    filled = [""]
    for part in parts(figures):
        longer = f"{filled[-1]}, {part}" if filled[-1] else part
        # The comma at the end of a line needs a column too.
        if len(longer) < columns:
            filled[-1] = longer
        else:
            filled[-1] += ","
            filled.append(part)
    return filled


def parts(figures: Figures) -> list[str]:
    """Return the parts of the line. A count of zero is left out if zero is normal."""
    troubles = (
        (figures.refused, "refused"),
        (figures.rejected, "rejected"),
        (figures.invalid, "invalid"),
        (figures.duplicate, "duplicate"),
        (figures.in_doubt, "in doubt"),
    )
    wire = f"{figures.on_wire:,} on the wire"
    return [
        _read(figures),
        f"{figures.started:,} started",
        *(f"{count:,} {name}" for count, name in troubles if count),
        f"{number(figures.rate)}/s" + ("" if figures.limit is None else f" (limit about {number(figures.limit)}/s)"),
        wire if figures.oldest is None else f"{wire} (oldest {number(figures.oldest)} s)",
        *([f"{figures.retries:,} retried"] if figures.retries else []),
        *_end(figures),
    ]


def _read(figures: Figures) -> str:
    if figures.total is None:
        return f"{counted(figures.rows, 'row')} read (total {UNKNOWN})"
    if figures.rows >= figures.total:
        return f"{counted(figures.rows, 'row')} read"
    return f"{figures.rows:,} of {counted(figures.total, 'row')} read"


def percent(figures: Figures) -> str:
    """Format the fraction that is done as a percentage. It is 100% only if everything is done."""
    return "" if figures.fraction is None else f"{int(figures.fraction * 100)}%"


def elapsed(figures: Figures) -> str:
    """Format the elapsed time."""
    return str(timedelta(seconds=int(figures.seconds)))


def _done(figures: Figures) -> list[str]:
    return [f"{percent(figures)} done"] if percent(figures) else []


def _end(figures: Figures) -> list[str]:
    if figures.fraction == 1.0:
        return []
    when = UNKNOWN if figures.eta is None else in_words(figures.eta)
    left = [] if figures.left is None else [f"{figures.left:,} left"]
    return [*left, f"eta {when}" + (f" ({figures.state})" if figures.state else "")]
