"""The figures of a run as a person reads them, in a line or below a bar. Pure.

No text of the manifest or of the service is part of it, so that none reaches the terminal this way.
"""

from __future__ import annotations

from datetime import timedelta

from batcher.rules.progress.eta import in_words
from batcher.rules.progress.figures import Figures
from batcher.rules.text import number


def line(figures: Figures) -> str:
    """Say in one line how far the run is."""
    return ", ".join([*_done(figures), *parts(figures), elapsed(figures)])


def lines(figures: Figures, columns: int) -> list[str]:
    """Say the same below a bar, which has the first and the last of it, in lines of at most `columns` characters."""
    filled = [""]
    for part in parts(figures):
        longer = f"{filled[-1]}, {part}" if filled[-1] else part
        # The comma that ends a line needs its column too.
        if len(longer) < columns:
            filled[-1] = longer
        else:
            filled[-1] += ","
            filled.append(part)
    return filled


def parts(figures: Figures) -> list[str]:
    """Give what there is to say; a count of zero is left out where zero is normal."""
    troubles = (
        (figures.refused, "refused"),
        (figures.rejected, "rejected"),
        (figures.invalid, "invalid"),
        (figures.duplicate, "duplicate"),
        (figures.in_doubt, "in doubt"),
    )
    wire = f"{figures.on_wire:,} on the wire"
    return [
        f"{figures.rows:,} rows read",
        f"{figures.started:,} started",
        *(f"{count:,} {name}" for count, name in troubles if count),
        f"{number(figures.rate)}/s" + ("" if figures.limit is None else f" of about {number(figures.limit)}/s"),
        wire if figures.oldest is None else f"{wire} (oldest {number(figures.oldest)} s)",
        *([f"{figures.retries:,} sent again"] if figures.retries else []),
        *_end(figures),
    ]


def percent(figures: Figures) -> str:
    """Give the part that is done; a hundred only when all of it is."""
    return "" if figures.fraction is None else f"{int(figures.fraction * 100)}%"


def elapsed(figures: Figures) -> str:
    """Give the time that has passed."""
    return str(timedelta(seconds=int(figures.seconds)))


def _done(figures: Figures) -> list[str]:
    return [f"{percent(figures)} done"] if percent(figures) else []


def _end(figures: Figures) -> list[str]:
    if figures.fraction == 1.0:
        return []
    when = "unknown" if figures.eta is None else in_words(figures.eta)
    return [f"eta {when}" + (f" ({figures.state})" if figures.state else "")]
