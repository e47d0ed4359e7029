"""The slowness: for how many seconds a run was kept from going faster, and by what. Pure accounting."""

from __future__ import annotations

import enum


class Cause(enum.Enum):
    """What keeps a run from going faster."""

    SERVICE_LIMIT = "service limit"
    OUR_CAP = "our cap"
    OUTAGE = "outage"
    DISK = "disk"
    MANIFEST = "manifest"


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
