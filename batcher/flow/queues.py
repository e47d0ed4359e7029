"""The queues of a run: rows for the workers, finished rows for the sink, the slots that limit both, and waiting tasks.

The callers limit the length of each queue: a row keeps its slot until its group is settled.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Generic, TypeVar


class Waiters:
    """Tasks that wait. The caller limits their number."""

    def __init__(self) -> None:
        self.waiting: deque[asyncio.Future[None]] = deque()
        """The waiting tasks, longest wait first."""

    async def wait(self) -> None:
        """Wait until woken."""
        woken = asyncio.get_running_loop().create_future()
        self.waiting.append(woken)
        try:
            await woken
        except asyncio.CancelledError:
            if not woken.cancelled():
                self.wake(1)
            raise

    def wake(self, most: int) -> None:
        """Wake up to `most` tasks, longest wait first."""
        while most > 0 and self.waiting:
            waiter = self.waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                most -= 1


class Places:
    """The places of rows that are being sent, at most `total`. A row that waits gives its place to another row."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.aside = 0
        """Rows that wait without a place."""
        self._free = total
        self._waiters = Waiters()
        self._next: Callable[[], object] = lambda: None

    def on_aside(self, call: Callable[[], object]) -> None:
        """Call this whenever a row has given its place away."""
        self._next = call

    def take_free(self) -> bool:
        """Take a place if one is free. Return whether there was one."""
        if self._free <= 0:
            return False
        self._free -= 1
        return True

    async def take(self) -> None:
        """Wait for a place and take it."""
        while not self.take_free():
            await self._waiters.wait()

    def give(self) -> None:
        """Return a place."""
        self._free += 1
        if self._waiters.waiting:
            self._waiters.wake(1)

    async def lend(self, wait: Awaitable[None]) -> None:
        """Wait without a place, then for a place."""
        self.aside += 1
        self.give()
        self._next()
        await wait
        self.aside -= 1
        await self.take()


class Slots:
    """A counted resource that is taken in batches: the free slots, up to the number wanted."""

    def __init__(self, total: int) -> None:
        self._free = total
        self._freed = asyncio.Event()

    async def take(self, most: int) -> int:
        """Wait until a slot is free, then take up to `most`. Return the number taken."""
        while self._free == 0:
            self._freed.clear()
            await self._freed.wait()
        taken = min(self._free, most)
        self._free -= taken
        return taken

    def give(self, count: int) -> None:
        """Return slots to the pool."""
        self._free += count
        self._freed.set()


T = TypeVar("T")


class Handout(Generic[T]):
    """A first-in, first-out queue of items. The task that has waited longest gets the next item."""

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
        """Declare that no more items will be added."""
        self._closed = True
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)

    def take_ready(self) -> T | None:
        """Take an item if there is one. No task waits for it then."""
        return self._items.popleft() if self._items else None

    async def take(self) -> T | None:
        """Wait for an item. Return None if there will be no more."""
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
                # Cancelled after an item was handed to this task: the item goes to the next task.
                self._items.appendleft(item)
                self.put(())
            raise


PATIENCE = 0.005
"""Seconds for which the first item of a group waits for others: about as long as a disk takes to sync."""


class Gathering(Generic[T]):
    """Groups items: a group is complete when it has `enough` items or its first item has waited for PATIENCE."""

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
        """Declare that no more items will be added."""
        self._closed = True
        self._any.set()
        self._full.set()

    async def take(self) -> list[T]:
        """Wait for a group and return it. It is empty if there will be no more."""
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
