"""The waiters: tasks that wait for one of something each, in their order, until somebody wakes as many as there are.

Nothing is lost with a task that is cancelled after it was woken: the next one is woken instead.
"""

from __future__ import annotations

import asyncio
from collections import deque


class Waiters:
    """Tasks that wait. Whoever uses them bounds their number."""

    def __init__(self) -> None:
        self.waiting: deque[asyncio.Future[None]] = deque()
        """The tasks that wait, the first one first."""

    async def wait(self) -> None:
        """Wait to be woken."""
        woken = asyncio.get_running_loop().create_future()
        self.waiting.append(woken)
        try:
            await woken
        except asyncio.CancelledError:
            if not woken.cancelled():
                self.wake(1)
            raise

    def wake(self, most: int) -> None:
        """Wake the first of those who wait, at most so many."""
        while most > 0 and self.waiting:
            waiter = self.waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                most -= 1
