"""The handout: rows go in as they are admitted, a block at a time, and out to whichever worker is free.

It is bounded by whoever puts in: a row keeps its slot until it is settled. An asyncio.Queue does the same with a dozen
calls for each row.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Generic, TypeVar

from batcher.flow.waiters import Waiters

T = TypeVar("T")


class Handout(Generic[T]):
    """Items, given out one by one in their order."""

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._waiters = Waiters()
        self._closed = False

    def put(self, items: Iterable[T]) -> None:
        """Add items."""
        self._items.extend(items)
        self._waiters.wake(len(self._items))

    def close(self) -> None:
        """Say that nothing more will come."""
        self._closed = True
        self._waiters.wake(len(self._waiters))

    async def take(self) -> T | None:
        """Wait for an item; None when there will be no more."""
        while not self._items:
            if self._closed:
                return None
            await self._waiters.wait()
        return self._items.popleft()
