"""When a service fails in part: many attempts fail without saying anything about the rate, which is then eased.

Pure arithmetic with the time as an argument. A service that fails altogether is an `outage`.
"""

from __future__ import annotations

from math import inf

from batcher.rules.rate.recent import Recent

SHARE = 0.3
"""The rate is eased when this share of the attempts fails, and at least `LEAST`, within one to two seconds."""

LEAST = 10
"""Failures within one to two seconds before the rate is eased."""

PERIOD = 1.0
"""Seconds between two steps down."""

EASED = 0.85
"""The rate is multiplied by this at each step, down to `EASED_MOST` of the limit."""

EASED_MOST = 0.5
"""Easing never goes below this share of the limit."""


class Trouble:
    """Counts failures, and says when to ease the rate."""

    def __init__(self) -> None:
        self._failures = Recent(1.0)
        self._eased_at = -inf

    def failed(self, now: float, good: int) -> bool:
        """Count a failure beside this number of recent starts. Return whether the rate is to be eased."""
        self._failures.went_badly(now)
        bad = self._failures.bad
        if now < self._eased_at + PERIOD or bad < LEAST or bad < SHARE * (bad + good):
            return False
        self._eased_at = now
        return True


def eased(rate: float, limit: float) -> float:
    """Return the share of the limit to go down to from `rate`."""
    return max(EASED_MOST, min(1.0, EASED * rate / limit))
