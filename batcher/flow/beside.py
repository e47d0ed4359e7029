"""A task beside a block: it runs while the block lasts, and has ended when the block has.

The only way in which an application part or a flow runs something in the background, so each task has an owner.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager

AGAIN = 1.0
"""Seconds until a task that goes on is cancelled once more."""


@asynccontextmanager
async def beside(work: Coroutine[object, object, object], name: str) -> AsyncGenerator[None]:
    """Run `work` during the block, and cancel it at the end. Raises at the end what `work` raised."""
    task = asyncio.create_task(work, name=name)
    try:
        yield
    finally:
        while not task.done():
            # A cancellation can get lost in what a library awaits, if it comes just as that ends.
            task.cancel()
            await asyncio.wait((task,), timeout=AGAIN)
        if not task.cancelled():
            task.result()
