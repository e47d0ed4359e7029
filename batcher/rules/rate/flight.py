"""How many attempts may be on the wire, so that a slow service does not occupy every worker. Pure arithmetic.

By Little's law, https://doi.org/10.1287/opre.9.3.383: the number on the wire is the rate times the latency.
"""

from __future__ import annotations

from math import ceil

SPARE = 1.5
"""Factor above Little's law: latencies vary, and a few attempts wait for their turn."""

FEWEST = 16
"""The lowest cap. Less would starve a fast service when the event loop is late."""

RISE = 1.095
FALL = 0.995
"""Steps of the estimate. One answer in 20 is above the 95th percentile, so 19 steps down balance one step up."""


class Flight:
    """Estimates the 95th percentile of the latency, and derives the cap from it and the rate."""

    __slots__ = ("p95",)

    def __init__(self) -> None:
        self.p95 = 0.0
        """Seconds; 0.0 until the first answer."""

    def answered(self, latency: float) -> None:
        """Record the latency of one answer, in seconds."""
        if latency > self.p95:
            self.p95 = self.p95 * RISE or latency
        else:
            self.p95 *= FALL

    def cap(self, rate: float) -> int:
        """Return how many attempts may be on the wire or wait for their turn, at `rate` attempts per second."""
        cap = SPARE * rate * self.p95
        return ceil(cap) if cap > FEWEST else FEWEST
