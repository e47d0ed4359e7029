"""The checkpoint as asyncio sees it: one writer thread, commits in groups.

What is asked for in one turn of the event loop, and what is waiting when the thread is free, goes into one transaction.
If its commit fails, everybody who waited for it gets the error, and so does everybody who comes later: after a failed
commit nothing more is ever noted or sent.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from batcher.edges.checkpoint.lock import Lock
from batcher.edges.checkpoint.schema import Header, translated
from batcher.edges.checkpoint.sieve import Sifted
from batcher.edges.checkpoint.store import Store
from batcher.model import Admitted, BadRow, Listed, Row, Settlement, State, Unsettled

T = TypeVar("T")
_Work = tuple[Callable[[Store], Any], "asyncio.Future[Any]"]


@asynccontextmanager
async def open_checkpoint(path: Path, header: Header | None) -> AsyncIterator[Checkpoint]:
    """Hold the checkpoint at `path` for one run: that of `header`, or whatever job is there where it is None.

    Raises BusyError where another run holds it, OtherJobError where it is another job's, DiskError where it cannot
    be read or written.
    """
    with translated(path):
        lock = Lock(path)
    try:
        checkpoint = Checkpoint(Store.open(path, header), path)
        try:
            yield checkpoint
        finally:
            await checkpoint.close()
    finally:
        lock.release()


class Checkpoint:
    """The asynchronous face of a Store. Its methods are the Store's, durable when they return."""

    def __init__(self, store: Store, path: Path) -> None:
        self._store = store
        self._path = path
        self._asked: list[_Work] = []
        """What has been asked for in this turn of the event loop."""
        self._work: queue.SimpleQueue[list[_Work] | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._broken: BaseException | None = None
        self._thread = threading.Thread(target=self._write, name="checkpoint", daemon=True)
        self._thread.start()

    async def header(self) -> Header:
        """Give the job that the checkpoint belongs to."""
        return await self._do(lambda store: store.header)

    async def enter(self, rows: int) -> None:
        """Pass over the manifest's first rows, which are settled and known to be the checkpoint's first ones."""
        await self._do(lambda store: store.enter(rows))

    async def sift(self, rows: Sequence[Row | BadRow], leave: Collection[State]) -> Sifted:
        """Look up the next rows of the manifest; those in a state of `leave` are only counted."""
        return await self._do(lambda store: store.sift(rows, leave))

    async def admit(self, rows: Sequence[Admitted], now: float) -> None:
        """Take rows in. Only after this may a row with an INTENT be sent."""
        await self._do(lambda store: store.admit(rows, now))

    async def settle(
        self, settlements: Sequence[Settlement], facts: Mapping[str, str | int], doubt_at: float | None = None
    ) -> None:
        """Note how rows stand now, and facts of the job with them. Only after their records are in the output.

        Those in doubt were not sent after `doubt_at`, in POSIX seconds by the service's clock, where that is known.
        """
        await self._do(lambda store: store.settle(settlements, facts, doubt_at))

    async def remember(self, facts: Mapping[str, str | int]) -> None:
        """Keep facts of the job by name."""
        await self._do(lambda store: store.remember(facts))

    async def recall(self, name: str) -> str | int | None:
        """Give a fact of the job, None where there is none."""
        return await self._do(lambda store: store.recall(name))

    async def unsettled(self, states: Collection[State], most: int = -1) -> list[Unsettled]:
        """List the unsettled rows in one of `states`, at most `most` of them."""
        return await self._do(lambda store: store.unsettled(states, most))

    async def note_listed(self, executions: Sequence[Listed]) -> None:
        """Keep executions until `unowned` asks for them."""
        await self._do(lambda store: store.note_listed(executions))

    async def unowned(self) -> list[Listed]:
        """Give the noted executions that no row is started as, and forget all noted ones."""
        return await self._do(lambda store: store.unowned())

    async def count_unsettled(self) -> Counter[State]:
        """Count the unsettled rows by state."""
        return await self._do(lambda store: store.count_unsettled())

    async def close(self) -> None:
        """Finish what is waiting, then close the file."""
        self._hand_over()
        self._work.put(None)
        await asyncio.to_thread(self._thread.join)
        with translated(self._path):
            self._store.close()

    async def _do(self, work: Callable[[Store], T]) -> T:
        done: asyncio.Future[T] = self._loop.create_future()
        if not self._asked:
            self._loop.call_soon(self._hand_over)
        self._asked.append((work, done))
        return await done

    def _hand_over(self) -> None:
        if self._asked:
            self._work.put(self._asked)
            self._asked = []

    def _write(self) -> None:
        while (first := self._work.get()) is not None:
            group = first
            while not self._work.empty():
                following = self._work.get()
                if following is None:
                    self._work.put(None)
                    break
                group += following
            results = self._commit([work for work, _ in group])
            self._loop.call_soon_threadsafe(_resolve, [done for _, done in group], results)

    def _commit(self, works: Sequence[Callable[[Store], Any]]) -> list[Any] | BaseException:
        if self._broken is not None:
            return self._broken
        try:
            with translated(self._path), self._store.transaction():
                return [work(self._store) for work in works]
        except BaseException as error:  # noqa: BLE001 - handed to those who wait: the thread must not die alone
            self._broken = error
            return error


def _resolve(waiting: Sequence[asyncio.Future[Any]], results: list[Any] | BaseException) -> None:
    for position, done in enumerate(waiting):
        if done.done():
            continue
        if isinstance(results, BaseException):
            done.set_exception(results)
        else:
            done.set_result(results[position])
