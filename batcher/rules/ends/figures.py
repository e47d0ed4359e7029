"""The figures of a watch, for people and for programs. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from batcher.model import Json
from batcher.rules.ends.ending import End, in_order, words_of
from batcher.rules.progress.eta import Speed, eta, in_words
from batcher.rules.progress.extent import UNKNOWN
from batcher.rules.text import counted, number

PAST_LOOKS = 12
"""The number of looks that the rate is computed from."""


class Past(NamedTuple):
    """How many executions had ended when a look began, by the steady clock."""

    at: float
    ended: int


class WatchFigures(NamedTuple):
    """How a watch stands. `seconds` is how long it has lasted."""

    total: int
    running: int
    ends: Mapping[str, int]
    past: Sequence[Past]
    absent: int
    """The number of running executions that the last complete look did not show."""
    fault: str
    """Why the last look was not complete, or proves nothing of those."""
    seconds: float

    @property
    def fraction(self) -> float | None:
        """The part of the executions that have ended. None if there are none."""
        return (self.total - self.running) / self.total if self.total else None

    @property
    def speed(self) -> Speed:
        """How fast executions end. The first look shows what ended before it, and counts for nothing."""
        if len(self.past) < 2:  # noqa: PLR2004 - a rate needs two looks
            return Speed(0, 0.0, None)
        first, last = self.past[0], self.past[-1]
        return Speed(last.ended - first.ended, last.at - first.at, None)

    @property
    def per_minute(self) -> float:
        """Executions that end in a minute."""
        speed = self.speed
        return 60 * speed.ended / speed.seconds if speed.seconds > 0 else 0.0


def parts(figures: WatchFigures) -> list[str]:
    """Return the parts of the progress line."""
    ends = in_order(figures.ends)
    found = [f"{figures.running:,} running", f"{ends.pop(End.SUCCEEDED, 0):,} succeeded"]
    found += [f"{count:,} {words_of(end)}" for end, count in ends.items()]
    found.append(f"{number(figures.per_minute)} finished a minute")
    if figures.absent:
        found.append(f"{figures.absent:,} not in the list")
    if figures.running:
        left = eta(figures.running, figures.speed)
        found.append(f"eta {UNKNOWN if left is None else in_words(left)}")
    return found + ([f"({figures.fault})"] if figures.fault and figures.running else [])


def document(figures: WatchFigures) -> dict[str, Json]:
    """Return the figures by name for a program, with numbers rounded to three decimals."""
    left = eta(figures.running, figures.speed)
    return {
        "total": figures.total,
        "running": figures.running,
        **{str(end): figures.ends.get(end, 0) for end in End},
        "other": {end: count for end, count in in_order(figures.ends).items() if end not in set(End)},
        "per_minute": round(figures.per_minute, 3),
        "absent": figures.absent,
        "fault": figures.fault,
        "fraction": None if figures.fraction is None else round(figures.fraction, 3),
        "eta": None if left is None else [round(end, 3) for end in left],
        "seconds": round(figures.seconds, 3),
    }


def counts(ends: Mapping[str, int], running: int) -> str:
    """Return how executions stand, in one line."""
    found = [f"{count:,} {words_of(end)}" for end, count in in_order(ends).items()]
    total = sum(ends.values()) + running
    return f"{counted(total, 'execution')}: " + ", ".join(found + ([f"{running:,} running"] if running else []))
