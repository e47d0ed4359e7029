"""The queues of a run: rows to the workers, ended rows to the sink, slots that bound both, and the tasks that wait.

Each is bounded by its caller: a row keeps its slot until its group is settled.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import Generic, TypeVar


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


class Slots:
    """A counted resource that is taken in batches: as many as are free, up to what is wanted."""

    def __init__(self, total: int) -> None:
        self._free = total
        self._freed = asyncio.Event()

    async def take(self, most: int) -> int:
        """Wait until one is free, then take up to `most`. Give the number taken."""
        while self._free == 0:
            self._freed.clear()
            await self._freed.wait()
        taken = min(self._free, most)
        self._free -= taken
        return taken

    def give(self, count: int) -> None:
        """Put slots back."""
        self._free += count
        self._freed.set()


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


PATIENCE = 0.005
"""Seconds for which the first of a group waits for others. As long as a disk takes to sync."""


class Gathering(Generic[T]):
    """Items, gathered until there are `enough` of them or the first has waited for PATIENCE."""

    def __init__(self, enough: int) -> None:
        self._enough = enough
        self._items: list[T] = []
        self._any = asyncio.Event()
        self._full = asyncio.Event()
        self._closed = False

    def put(self, item: T) -> None:
        """Add an item to the group."""
        self._items.append(item)
        count = len(self._items)
        if count == 1:
            self._any.set()
        if count == self._enough:
            self._full.set()

    def close(self) -> None:
        """Say that nothing more will come."""
        self._closed = True
        self._any.set()
        self._full.set()

    async def take(self) -> list[T]:
        """Wait for a group; it is empty when there will be no more."""
        await self._any.wait()
        if not self._full.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    await self._full.wait()
        group, self._items = self._items, []
        if not self._closed:
            self._any.clear()
            self._full.clear()
        return group
