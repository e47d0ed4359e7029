"""The gathering: what ends is passed on in groups, since a group costs the disk no more than one row does.

It is bounded by whoever puts in: an ended row keeps its slot until its group is settled.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")

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
