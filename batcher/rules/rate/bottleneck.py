"""What limited the speed of a run, and for how many seconds. Pure accounting."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping, Sequence
from math import inf
from typing import NamedTuple

SHORTEST = 1.0
"""Minimum time of a cause to be reported, in seconds."""

LEAST_CHANCE = 0.005
"""Minimum share of requests refused at any rate to be reported."""

FULL = 0.8
"""The part of the requests that may be on the wire from which on their number limits the rate."""


class Cause(enum.StrEnum):
    """What limits the speed of a run. The value is the word for programs, `words` is the one for people."""

    LIMIT = "limit"
    """The service refuses what exceeds its limit."""
    IN_FLIGHT = "in_flight"
    """Every worker waits for an answer: their number and the latency limit the rate."""
    CHANCE = "chance"
    """The service refuses a share of the starts at any rate, and no limit was found."""
    OUTAGE = "outage"
    CAP = "cap"
    """`--max-rate`, or what `batcher rate` has set."""
    PAUSE = "pause"
    ENDS = "ends"
    """`--max-running`: starts wait until executions have ended."""
    DISK = "disk"
    MANIFEST = "manifest"

    @property
    def words(self) -> str:
        """Return the cause as a person reads it."""
        return _WORDS.get(self, self.value)


_WORDS = {Cause.IN_FLIGHT: "requests in flight", Cause.CAP: "your cap", Cause.ENDS: "waiting for ends"}


class Signs(NamedTuple):
    """The observable state of a run at one moment."""

    is_away: bool = False
    """The service does not answer."""
    is_paused: bool = False
    is_held: bool = False
    """A `Retry-After` is in force."""
    is_pressed: bool = False
    """Attempts wait for their turn to be sent."""
    is_capped: bool = False
    """The rate has reached `--max-rate`."""
    has_limit: bool = False
    """The service's limit has been found, or the rate follows refusals of which none is known to be chance."""
    is_refused: bool = False
    """Some refusals are known to be chance."""
    is_full: bool = False
    """Starts wait until executions have ended."""
    on_wire: int = 0
    most_on_wire: float = inf
    """How many requests may be on the wire."""
    is_reading: bool = False
    """The run waits for rows from the manifest."""
    is_writing: bool = False
    """Records or verdicts are being written to disk."""


def cause(signs: Signs) -> Cause | None:
    """Return what limits the speed of the run. None: nothing does, or the rate still climbs to an unknown limit."""
    causes = (
        (signs.is_away, Cause.OUTAGE),
        (signs.is_paused, Cause.PAUSE),
        (signs.is_held, Cause.LIMIT),
        (signs.is_pressed and signs.is_capped, Cause.CAP),
        (signs.is_pressed and signs.has_limit, Cause.LIMIT),
        (signs.is_pressed and signs.is_refused, Cause.CHANCE),
        (signs.is_pressed, None),
        (signs.is_full, Cause.ENDS),
        (signs.on_wire >= FULL * signs.most_on_wire, Cause.IN_FLIGHT),
        (signs.on_wire > 0, None),
        (signs.is_reading, Cause.MANIFEST),
        (signs.is_writing, Cause.DISK),
    )
    return next((cause for is_so, cause in causes if is_so), None)


class Slowed(NamedTuple):
    """What slowed a run: the share of requests that was refused at any rate, and the seconds of each cause.

    `at_once` is how many requests the service takes at once, None if it was not found to limit that.
    """

    chance: float = 0.0
    seconds: Mapping[Cause, float] = {}
    at_once: int | None = None

    @property
    def words(self) -> str:
        """Return the causes that lasted for a second or longer, and how long."""
        return ", ".join(f"{cause.words} {self.seconds[cause]:,.0f} s" for cause in self.shown)

    @property
    def shown(self) -> list[Cause]:
        """The causes that lasted for a second or longer."""
        return [cause for cause, spent in self.seconds.items() if spent >= SHORTEST]

    @property
    def refused(self) -> str:
        """Return what was found about refusals that do not depend on the rate; empty if nothing was."""
        found = [f"about {self.at_once:,} requests in flight are accepted"] if self.at_once is not None else []
        if self.chance >= LEAST_CHANCE:
            found.append(f"about {self.chance:.0%} of requests are refused at any rate")
        return "; ".join(found)


def encoded(slowed: Slowed) -> str:
    """Write what slowed a run as text for the checkpoint."""
    seconds = {cause.value: round(spent, 3) for cause, spent in slowed.seconds.items()}
    return json.dumps({"chance": round(slowed.chance, 6), "seconds": seconds, "at_once": slowed.at_once})


def decoded(text: str | int | None) -> Slowed:
    """Read what `encoded` has written, or nothing. Causes of another version are left out."""
    if text is None:
        return Slowed()
    fields = json.loads(str(text))
    known = set(Cause)
    seconds = {Cause(cause): spent for cause, spent in fields["seconds"].items() if cause in known}
    return Slowed(fields["chance"], seconds, fields.get("at_once"))


def together(each: Sequence[Slowed]) -> Slowed:
    """Return what slowed several runs of one job: the largest share, and the seconds of all of them."""
    seconds: dict[Cause, float] = {}
    for cause_, spent in (item for slowed in each for item in slowed.seconds.items()):
        seconds[cause_] = seconds.get(cause_, 0.0) + spent
    most = [slowed.at_once for slowed in each if slowed.at_once is not None]
    return Slowed(max((slowed.chance for slowed in each), default=0.0), seconds, min(most, default=None))


class Slowness:
    """Sums the seconds per cause. One cause counts at a time; None means that the run is not limited."""

    def __init__(self) -> None:
        self._seconds = dict.fromkeys(Cause, 0.0)
        self._cause: Cause | None = None
        self._since = 0.0

    def turn(self, now: float, cause: Cause | None) -> None:
        """Set the cause that applies from `now` on, in seconds of a steady clock."""
        if self._cause is not None:
            self._seconds[self._cause] += now - self._since
        self._cause, self._since = cause, now

    def seconds(self, now: float) -> dict[Cause, float]:
        """Return the seconds of each cause up to `now`, longest first."""
        self.turn(now, self._cause)
        longest = sorted(self._seconds.items(), key=lambda entry: -entry[1])
        return {cause: seconds for cause, seconds in longest if seconds > 0}
