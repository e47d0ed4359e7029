"""The asynchronous ledger: one transaction at a time, on one thread, with all work requested since the previous one.

A claim is durable when it returns. What became of rows is noted with the next claims, or a moment later: until then
other jobs see the row as claimed. If a transaction fails, every later caller gets its error, so nothing more is sent.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from batcher.edges.row_ledger.file import translated
from batcher.edges.row_ledger.store import Claim, Decide, Noted, Store
from batcher.rules.rows.sharing import Holder

T = TypeVar("T")

LAG_SECONDS = 0.1
"""How long what became of rows waits for the next claims, whose commit makes it durable at no extra cost."""


class _Asked(NamedTuple):
    """Work to do in a transaction, and the future that waits for it to be durable, if any does."""

    work: Callable[[Store], Any]
    done: asyncio.Future[Any] | None


@asynccontextmanager
async def open_ledger(path: Path, *, is_new_allowed: bool = True) -> AsyncIterator[Ledger]:
    """Open the ledger at `path` for one job. Raises what opening it raises, and at the end what its last commit did."""
    store = await asyncio.to_thread(Store.open, path, is_new_allowed=is_new_allowed)
    ledger = Ledger(store, path)
    try:
        yield ledger
    except BaseException:
        # The first error is the one to report.
        with suppress(Exception):
            await ledger.close()
        raise
    await ledger.close()


class Ledger:
    """The asynchronous interface of a Store."""

    def __init__(self, store: Store, path: Path) -> None:
        self.id = store.id
        self.path = path
        self._store = store
        self._asked: list[_Asked] = []
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, "ledger")
        self._is_committing = False
        self._timer: asyncio.TimerHandle | None = None
        self._broken: BaseException | None = None

    async def claim(self, rows: Sequence[Claim], decide: Decide) -> dict[int, Holder]:
        """Claim the rows that the job may send. Only after this may their intents be committed.

        Returns what keeps the job from sending the others, by their ids.
        """
        return await self.do(lambda store: store.claim(rows, decide))

    async def holders(self, keys: Sequence[bytes], decide: Decide) -> list[Holder]:
        """Return for each content what keeps the job from sending it."""
        return await self.do(lambda store: store.holders(keys, decide))

    def note(self, noted: Sequence[Noted]) -> None:
        """Note what became of claimed rows. It is durable with the next claims, or a moment later."""
        self._asked.append(_Asked(lambda store: store.note(noted), None))
        if self._timer is None and not self._is_committing:
            self._timer = self._loop.call_later(LAG_SECONDS, self._begin)

    async def do(self, work: Callable[[Store], T]) -> T:
        """Do work in a transaction, and return its result when it is durable."""
        done: asyncio.Future[T] = self._loop.create_future()
        self._asked.append(_Asked(work, done))
        self._begin()
        return await done

    async def close(self) -> None:
        """Finish pending work, then close the file. Raises what prevented a transaction."""
        try:
            await self.do(lambda _: None)
        finally:
            if self._timer is not None:
                self._timer.cancel()
            await asyncio.to_thread(self._thread.shutdown)
            self._store.close()

    def _begin(self) -> None:
        """Begin a transaction with all requested work. If one is in progress, its end calls this again."""
        if self._is_committing or not self._asked:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        asked, self._asked = self._asked, []
        if self._broken is not None:
            _resolve(asked, self._broken)
            return
        self._is_committing = True
        running = self._loop.run_in_executor(self._thread, self._committed, asked)
        running.add_done_callback(partial(self._end, asked))

    def _committed(self, asked: Sequence[_Asked]) -> list[Any] | BaseException:
        """Do the work in one transaction. Return the results, or the error."""
        try:
            with translated(self.path):
                self._store.begin()
                results = [each.work(self._store) for each in asked]
                self._store.commit()
                return results
        except BaseException as error:  # noqa: BLE001 - passed to the callers: the thread must not end silently
            with suppress(sqlite3.Error):
                self._store.roll_back()
            return error

    def _end(self, asked: Sequence[_Asked], running: asyncio.Future[list[Any] | BaseException]) -> None:
        self._is_committing = False
        results = running.result()
        if isinstance(results, BaseException):
            self._broken = results
        _resolve(asked, results)
        # After the callers: what they request next is part of the next transaction.
        self._loop.call_soon(self._begin)


def _resolve(asked: Sequence[_Asked], results: list[Any] | BaseException) -> None:
    for position, each in enumerate(asked):
        if each.done is None or each.done.done():
            continue
        if isinstance(results, BaseException):
            each.done.set_exception(results)
        else:
            each.done.set_result(results[position])
