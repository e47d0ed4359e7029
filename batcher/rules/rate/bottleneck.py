"""What limited the speed of a run, and for how many seconds. Pure accounting."""

from __future__ import annotations

import enum
from typing import NamedTuple


class Cause(enum.Enum):
    """What limits the speed of a run."""

    SERVICE_LIMIT = "service limit"
    OUR_CAP = "our cap"
    PAUSE = "a pause"
    OUTAGE = "outage"
    DISK = "disk"
    MANIFEST = "manifest"


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
    """The service's limit has been found."""
    on_wire: int = 0
    is_reading: bool = False
    """The run waits for rows from the manifest."""
    is_writing: bool = False
    """Records or verdicts are being written to disk."""


def cause(signs: Signs) -> Cause | None:
    """Return what limits the speed of the run. None: nothing does, or the rate still climbs to an unknown limit."""
    causes = (
        (signs.is_away, Cause.OUTAGE),
        (signs.is_paused, Cause.PAUSE),
        (signs.is_held, Cause.SERVICE_LIMIT),
        (signs.is_pressed and signs.is_capped, Cause.OUR_CAP),
        (signs.is_pressed and signs.has_limit, Cause.SERVICE_LIMIT),
        (signs.is_pressed or signs.on_wire > 0, None),
        (signs.is_reading, Cause.MANIFEST),
        (signs.is_writing, Cause.DISK),
    )
    return next((cause for is_so, cause in causes if is_so), None)


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
