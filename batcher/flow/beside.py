"""A task beside a block: it runs while the block lasts, and has ended when the block has.

The only way in which an application part or a flow runs something in the background, so each task has an owner.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager, suppress


@asynccontextmanager
async def beside(work: Coroutine[object, object, object], name: str) -> AsyncGenerator[None]:
    """Run `work` during the block, and cancel it at the end. Raises at the end what `work` raised."""
    task = asyncio.create_task(work, name=name)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
