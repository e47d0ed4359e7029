"""Formats the figures of a run for people, in a line or below a bar. Pure.

The result contains no text of the manifest or the service, so that no untrusted text reaches the terminal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from textwrap import wrap
from typing import Generic, NamedTuple, Protocol, TypeVar

from batcher.model import Json
from batcher.rules.progress.eta import in_words
from batcher.rules.progress.extent import UNKNOWN
from batcher.rules.progress.figures import Figures, document
from batcher.rules.rate.bottleneck import LEAST_CHANCE
from batcher.rules.text import counted, number

LEAST_SECONDS, MOST_SECONDS, GROWTH = 10.0, 300.0, 0.2
"""The shortest and the longest time between two lines, and the share of the past time that it is in between."""

FULL, BLANK = "━", "─"
_FILLED, _DONE, _EMPTY, _PLAIN = "\x1b[36m", "\x1b[32m", "\x1b[90m", "\x1b[0m"


class Shown(Protocol):
    """Figures that can be shown: of a run, or of a watch."""

    @property
    def fraction(self) -> float | None:
        """The fraction that is done. None if it is not known."""

    @property
    def seconds(self) -> float:
        """How long it has lasted."""


ShownT = TypeVar("ShownT", bound=Shown)


class View(NamedTuple, Generic[ShownT]):
    """How figures are shown: the parts of a line for people, and the fields for a program."""

    parts: Callable[[ShownT], list[str]]
    document: Callable[[ShownT], dict[str, Json]]


def line(figures: ShownT, view: View[ShownT]) -> str:
    """Format the progress as one line."""
    return ", ".join([*_done(figures), *view.parts(figures), elapsed(figures)])


def lines(parts: Sequence[str], columns: int) -> list[str]:
    """Format the parts in lines of at most `columns` characters, for below a bar that shows percent and time."""
    filled = [""]
    for part in parts:
        longer = f"{filled[-1]}, {part}" if filled[-1] else part
        # The comma at the end of a line needs a column too.
        if len(longer) < columns:
            filled[-1] = longer
        else:
            filled[-1] += "," if filled[-1] else ""
            filled.append(part)
    # A part may be wider than a narrow terminal.
    return [piece for each in filled if each for piece in wrap(each, columns)]


class Drawn(NamedTuple):
    """A line for a terminal: its text with control sequences, and how many columns it takes."""

    text: str
    width: int


def bar(figures: Shown, columns: int, *, has_colour: bool) -> Drawn:
    """Draw the bar with percent and time in `columns` columns. It has no filled part where the total is unknown."""
    end = " ".join(["", *filter(None, [percent(figures)]), elapsed(figures)])
    width = max(0, columns - len(end))
    filled = int(width * (figures.fraction or 0.0))
    colour = _DONE if figures.fraction == 1.0 else _FILLED
    if has_colour:
        drawn = f"{colour}{FULL * filled}{_EMPTY}{FULL * (width - filled)}{_PLAIN}"
    else:
        drawn = FULL * filled + BLANK * (width - filled)
    # On a very narrow terminal the end is all that is left.
    return Drawn(drawn + end[: columns - width], width + len(end[: columns - width]))


def rows_used(widths: Sequence[int], columns: int) -> int:
    """Return how many rows of a terminal lines of these widths take, if it wraps them at `columns`."""
    return sum(max(1, -(-width // columns)) for width in widths)


def line_interval(seconds: float) -> float:
    """Return the seconds until the next line of a run that has lasted so long: 10 at first, 300 after half an hour.

    A log or a mail keeps every line, so a long run must not write one every few seconds.
    """
    return min(MOST_SECONDS, max(LEAST_SECONDS, seconds * GROWTH))


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
        _rate(figures),
        wire if figures.oldest is None else f"{wire} (oldest {number(figures.oldest)} s)",
        *([f"{figures.retries:,} retried"] if figures.retries else []),
        *_running(figures),
        *_end(figures),
    ]


def _rate(figures: Figures) -> str:
    about = [] if figures.limit is None else [f"limit about {number(figures.limit)}/s"]
    about += [f"{figures.chance:.0%} refused at any rate"] if figures.chance >= LEAST_CHANCE else []
    return f"{number(figures.rate)}/s" + (f" ({', '.join(about)})" if about else "")


def _running(figures: Figures) -> list[str]:
    if figures.running is None:
        return []
    age = "" if figures.running_age is None else f" ({number(figures.running_age)} s ago)"
    waiting = [f"{counted(figures.delayed, 'start')} waiting for ends"] if figures.delayed else []
    return [f"{figures.running:,} running{age}", *waiting]


def _read(figures: Figures) -> str:
    if figures.total is None:
        return f"{counted(figures.rows, 'row')} read (total {UNKNOWN})"
    if figures.rows >= figures.total:
        return f"{counted(figures.rows, 'row')} read"
    return f"{figures.rows:,} of {counted(figures.total, 'row')} read"


def percent(figures: Shown) -> str:
    """Format the fraction that is done as a percentage. It is 100% only if everything is done."""
    return "" if figures.fraction is None else f"{int(figures.fraction * 100)}%"


def elapsed(figures: Shown) -> str:
    """Format the elapsed time."""
    return str(timedelta(seconds=int(figures.seconds)))


def _done(figures: Shown) -> list[str]:
    return [f"{percent(figures)} done"] if percent(figures) else []


def _end(figures: Figures) -> list[str]:
    if figures.fraction == 1.0:
        return []
    when = UNKNOWN if figures.eta is None else in_words(figures.eta)
    left = [] if figures.left is None else [f"{figures.left:,} left"]
    return [*left, f"eta {when}" + (f" ({figures.state})" if figures.state else "")]


RUN = View(parts, document)
"""How the figures of a run are shown."""
