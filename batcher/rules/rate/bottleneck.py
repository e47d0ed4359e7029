"""The slowness: for how many seconds a run was kept from going faster, and by what. Pure accounting."""

from __future__ import annotations

import enum
from typing import NamedTuple


class Cause(enum.Enum):
    """What keeps a run from going faster."""

    SERVICE_LIMIT = "service limit"
    OUR_CAP = "our cap"
    PAUSE = "a pause"
    OUTAGE = "outage"
    DISK = "disk"
    MANIFEST = "manifest"


class Signs(NamedTuple):
    """What can be seen of a run at one moment."""

    is_away: bool = False
    """The service is."""
    is_paused: bool = False
    is_held: bool = False
    """By a `Retry-After`."""
    is_pressed: bool = False
    """Attempts wait for their turns."""
    is_capped: bool = False
    """The rate is as high as we allow."""
    has_limit: bool = False
    """The service's limit is known."""
    on_wire: int = 0
    is_reading: bool = False
    """The manifest's next rows are waited for."""
    is_writing: bool = False
    """Records and verdicts are on their way to the disk."""


def cause(signs: Signs) -> Cause | None:
    """Tell what keeps a run from going faster. None: nothing does, or it still climbs to a limit that nobody knows."""
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
    """Adds up the seconds of each cause. One cause counts at a time; None: nothing but the work itself."""

    def __init__(self) -> None:
        self._seconds = dict.fromkeys(Cause, 0.0)
        self._cause: Cause | None = None
        self._since = 0.0

    def turn(self, now: float, cause: Cause | None) -> None:
        """From `now` on (seconds of a steady clock) this is the cause."""
        if self._cause is not None:
            self._seconds[self._cause] += now - self._since
        self._cause, self._since = cause, now

    def seconds(self, now: float) -> dict[Cause, float]:
        """Give the seconds of each cause up to `now`, the longest first."""
        self.turn(now, self._cause)
        longest = sorted(self._seconds.items(), key=lambda entry: -entry[1])
        return {cause: seconds for cause, seconds in longest if seconds > 0}
