"""The drain: the only way in which a job stops early. Nothing new is sent, and requests on the wire are settled.

Stores why the job stops. Signals, fatal answers and an unreachable service all begin it; the first reason is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from batcher.errors import ExitCode, JobError

T = TypeVar("T")


class Drain:
    """Begins at most once, with a signal's exit code or with the error that ends the job."""

    def __init__(self) -> None:
        self.reason: ExitCode | JobError | None = None
        self.begun = False
        """Whether nothing new may be sent. `begin` sets it."""
        self._begun = asyncio.Event()

    def begin(self, reason: ExitCode | JobError) -> None:
        """Stop sending. Only the first reason counts."""
        if not self.begun:
            self.reason = reason
            self.begun = True
            self._begun.set()

    @contextmanager
    def within(self, seconds: float | None, reason: ExitCode, say: Callable[[], None]) -> Iterator[None]:
        """Begin the drain, and call `say`, if the block lasts longer than `seconds`. Never, if that is None."""

        def end() -> None:
            say()
            self.begin(reason)

        timer = None if seconds is None else asyncio.get_running_loop().call_later(seconds, end)
        try:
            yield
        finally:
            if timer is not None:
                timer.cancel()

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds`, or until the drain begins."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._begun.wait()

    async def until(self, blocks: AsyncIterator[T]) -> AsyncGenerator[T, None]:
        """Yield blocks until the drain begins, without waiting for a block that is still being read."""
        begun = asyncio.ensure_future(self._begun.wait())
        try:
            while not self.begun:
                following = asyncio.ensure_future(_next(blocks))
                await asyncio.wait((following, begun), return_when=asyncio.FIRST_COMPLETED)
                if not following.done():
                    following.cancel()
                    return
                block = following.result()
                if block is None:
                    return
                yield block
        finally:
            begun.cancel()


def _next(blocks: AsyncIterator[T]) -> Awaitable[T | None]:
    return anext(blocks, None)
