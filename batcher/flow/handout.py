"""The handout: rows go in as they are admitted, a block at a time, and out to whichever worker is free.

It is bounded by whoever puts in: a row keeps its slot until it is settled. An asyncio.Queue does the same with a dozen
calls for each row.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class Handout(Generic[T]):
    """Items, given out one by one in their order, to those who wait in theirs."""

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._waiting: deque[asyncio.Future[T | None]] = deque()
        self._closed = False
        self._loop = asyncio.get_running_loop()

    def put(self, items: Iterable[T]) -> None:
        """Add items."""
        self._items.extend(items)
        while self._items and self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(self._items.popleft())

    def close(self) -> None:
        """Say that nothing more will come."""
        self._closed = True
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)

    async def take(self) -> T | None:
        """Wait for an item; None when there will be no more."""
        if self._items:
            return self._items.popleft()
        if self._closed:
            return None
        waiting: asyncio.Future[T | None] = self._loop.create_future()
        self._waiting.append(waiting)
        try:
            return await waiting
        except asyncio.CancelledError:
            if not waiting.cancelled() and (item := waiting.result()) is not None:
                # Cancelled with an item in its hands: that is the next one's.
                self._items.appendleft(item)
                self.put(())
            raise
