"""The flight: how many attempts may be on the wire, so that a slow service does not fill every worker. Pure arithmetic.

Little's law, https://doi.org/10.1287/opre.9.3.383: as many as come at the rate within the time that an answer takes.
"""

from __future__ import annotations

from math import ceil

SPARE = 1.5
"""Times the number that the law asks for: latencies vary, and a few attempts wait for their turns."""

FEWEST = 16
"""A cap below this would starve a fast service when the event loop is late."""

RISE = 1.095
FALL = 0.995
"""One answer in twenty is slower than the 95th percentile: nineteen steps down weigh as much as one step up."""


class Flight:
    """Follows the 95th percentile of the latency, and gives the cap that it and the rate make."""

    __slots__ = ("p95",)

    def __init__(self) -> None:
        self.p95 = 0.0
        """Seconds; 0.0 until something was answered."""

    def answered(self, latency: float) -> None:
        """Learn how long an answer took, in seconds."""
        if latency > self.p95:
            self.p95 = self.p95 * RISE or latency
        else:
            self.p95 *= FALL

    def cap(self, rate: float) -> int:
        """Give how many attempts may be on the wire or wait for their turn, at `rate` attempts a second."""
        cap = SPARE * rate * self.p95
        return ceil(cap) if cap > FEWEST else FEWEST
