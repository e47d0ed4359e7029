"""A thread that reads ahead, so that the event loop can use a blocking iterator.

The thread is a daemon: a read that never returns, such as from a silent pipe, does not keep the process running.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")

_END = object()


async def read_ahead(blocks: Iterator[T], most: int = 2) -> AsyncIterator[T]:
    """Iterate over `blocks` in a thread, at most `most` blocks ahead. Exceptions of the iterator are raised here."""
    loop = asyncio.get_running_loop()
    arrived: asyncio.Queue[T | BaseException | object] = asyncio.Queue()
    room = threading.Semaphore(most)
    stopped = threading.Event()

    def read() -> None:
        last: BaseException | object = _END
        try:
            for block in blocks:
                loop.call_soon_threadsafe(arrived.put_nowait, block)
                room.acquire()
                if stopped.is_set():
                    return
        except BaseException as error:  # noqa: BLE001 - raised again in the event loop
            last = error
        # The loop is closed if the job has ended before this thread.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(arrived.put_nowait, last)

    threading.Thread(target=read, name="manifest", daemon=True).start()
    try:
        while (item := await arrived.get()) is not _END:
            if isinstance(item, BaseException):
                raise item
            room.release()
            yield item  # type: ignore[misc]  # neither the end nor an error: a block
    finally:
        stopped.set()
        room.release()
