"""The time limit of requests: one timer for all of them, since all may take equally long.

`asyncio.timeout` makes and drops a timer for each request, which is a tenth of what a start costs.
"""

from __future__ import annotations

import asyncio
from time import monotonic

from batcher.edges.transport.wire import Wire


class TimeLimit:
    """Ends whatever takes longer than `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._begun: dict[Wire, float] = {}
        """When each running request began, the oldest first."""
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, wire: Wire) -> None:
        """Count from now."""
        self._begun[wire] = monotonic()
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._look)

    def end(self, wire: Wire) -> None:
        """Count no longer."""
        self._begun.pop(wire, None)

    def close(self) -> None:
        """Stop the timer; what still runs is limited no longer."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        """End what has run too long, and come back when the next will have."""
        self._timer = None
        for wire, begun in list(self._begun.items()):
            left = begun + self._seconds - monotonic()
            if left > 0:
                self._timer = asyncio.get_running_loop().call_later(left, self._look)
                return
            del self._begun[wire]
            wire.expire()
