"""The slots: how many rows may stand between their intent and their verdict. This bounds the doubts of a crash."""

from __future__ import annotations

import asyncio


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
