"""The time limit of requests: one timer for all of them, because all have the same limit.

`asyncio.timeout` creates and drops a timer for each request, which is a tenth of the cost of a start.
"""

from __future__ import annotations

import asyncio
import math
from time import monotonic

from batcher.edges.transport.wire import Wire


class TimeLimit:
    """Fails a request that takes longer than `seconds` on one of its wires."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._wires: set[Wire] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, wire: Wire) -> None:
        """Start watching a wire."""
        self._wires.add(wire)
        if self._timer is None and self._seconds < math.inf:
            self._look_in(self._seconds)

    def remove(self, wire: Wire) -> None:
        """Stop watching a wire."""
        self._wires.discard(wire)

    def close(self) -> None:
        """Stop the timer. Requests that still run have no limit any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look_in(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        """Fail the requests that have run too long, and schedule the next check for the oldest one left."""
        self._timer = None
        now = monotonic()
        for wire in self._wires:
            if wire.is_asked and wire.asked_at + self._seconds <= now:
                wire.expire()
        if self._wires:
            oldest = min((wire.asked_at for wire in self._wires if wire.is_asked), default=now)
            self._look_in(oldest + self._seconds - now)
