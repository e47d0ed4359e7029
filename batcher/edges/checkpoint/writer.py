"""The asynchronous checkpoint: one transaction at a time, with all work requested since the previous one began.

Quick work is done on the event loop, slow work and the commit on a thread. Each statement releases Python's global
lock, so quick statements on a thread would compete with the event loop for it. If a commit fails, everyone who waits
for it gets the error, and so does every later caller: nothing more is recorded or sent.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from batcher.edges.checkpoint.controls import NOTHING, Answered
from batcher.edges.checkpoint.lock import Lock
from batcher.edges.checkpoint.schema import need_file, translated
from batcher.edges.checkpoint.sieve import Sifted
from batcher.edges.checkpoint.store import NO_FACTS, Store
from batcher.model import Admitted, BadRow, Execution, Row, Settlement, Status, Unsettled
from batcher.rules.doubts.control import Control
from batcher.rules.job.card import Card
from batcher.rules.rows.plain_rows import Name

T = TypeVar("T")


class _Asked(NamedTuple):
    """Work to do in a transaction, and the future that waits for it to be durable."""

    work: Callable[[Store], Any]
    is_quick: bool
    """Whether it is done on the event loop. Quick work touches few rows, and reads them by their ids only."""
    before: Callable[[], object] | None
    """Is called before the commit, to write to disk what this work relies on."""
    done: asyncio.Future[Any]
    is_merged: bool = False
    """Whether the write-ahead log is merged into the file after the commit."""


QUICK = 1024
"""Maximum number of rows to record on the event loop at once. It blocks for a few milliseconds."""


@asynccontextmanager
async def open_checkpoint(path: Path, card: Card | None) -> AsyncIterator[Checkpoint]:
    """Lock and open the checkpoint at `path` for one run. If `card` is None, the checkpoint of any job is opened.

    Raises BusyError if another run has locked it, OtherJobError if it belongs to another job, DiskError if it cannot
    be read or written.
    """
    with translated(path):
        lock = Lock(path)
    try:
        with translated(path):
            need_file(path, card)
            lock.take_file()
        checkpoint = Checkpoint(Store.open(path, card), path)
        try:
            yield checkpoint
        finally:
            await checkpoint.close()
    finally:
        lock.release()


class Checkpoint:
    """The asynchronous interface of a Store. Its methods are those of Store. Changes are durable when they return."""

    def __init__(self, store: Store, path: Path) -> None:
        self._store = store
        self._path = path
        self._asked: list[_Asked] = []
        self._is_committing = False
        """Whether the thread is using the store."""
        self._begun: queue.SimpleQueue[tuple[Sequence[_Asked], list[Any]] | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._broken: BaseException | None = None
        self._thread = threading.Thread(target=self._commit_begun, name="checkpoint", daemon=True)
        self._thread.start()

    async def card(self) -> Card:
        """Return the job card: what identifies the job."""
        return await self._do(lambda store: store.card)

    async def enter(self, rows: int, ascended: Name | None) -> None:
        """Skip the manifest's first rows, which are settled and known to be the checkpoint's first ones."""
        await self._do(lambda store: store.enter(rows, ascended))

    async def sift(self, rows: Sequence[Row | BadRow], leave: Collection[Status]) -> Sifted:
        """Look up the next rows of the manifest. Rows with a status in `leave` are only counted."""
        return await self._do(lambda store: store.sift(rows, leave))

    async def admit(self, rows: Sequence[Admitted], now: float, facts: Mapping[str, str | int] = NO_FACTS) -> None:
        """Admit rows, and store facts of the job. Only after this returns may a row that is SENDING be sent."""
        await self._do(lambda store: store.admit(rows, now, facts), is_quick=len(rows) <= QUICK)

    async def settle(
        self,
        settlements: Sequence[Settlement],
        facts: Mapping[str, str | int],
        doubt_at: float | None = None,
        before: Callable[[], object] | None = None,
        answered: Answered = NOTHING,
    ) -> None:
        """Record the rows' current statuses, together with facts of the job.

        `before` is called on a thread before the commit, to write the rows' records to disk. If it raises, nothing is
        recorded. Rows in doubt were not sent after `doubt_at` (POSIX seconds by the service's clock), if that is
        known. A sample of the starts that were answered is kept as controls.
        """
        await self._do(
            lambda store: store.settle(settlements, facts, doubt_at, answered),
            is_quick=len(settlements) <= QUICK,
            before=before,
        )

    async def controls(self) -> Sequence[Control]:
        """Return the sample of starts that were answered."""
        return await self._do(lambda store: store.controls())

    async def keep_control(self, control: Control) -> None:
        """Keep an answered start that is no row of the job as a control. It gets an id of its own."""
        await self._do(lambda store: store.keep_control(control))

    async def remember(self, facts: Mapping[str, str | int]) -> None:
        """Store facts of the job by name."""
        await self._do(lambda store: store.remember(facts))

    async def facts(self) -> dict[str, str | int]:
        """Return all facts of the job by name."""
        return await self._do(lambda store: store.facts())

    async def recall(self, name: str) -> str | int | None:
        """Return a fact of the job, None if there is none."""
        return await self._do(lambda store: store.recall(name))

    async def unsettled(self, statuses: Collection[Status], most: int = -1) -> list[Unsettled]:
        """List up to `most` unsettled rows with one of `statuses`."""
        return await self._do(lambda store: store.unsettled(statuses, most))

    async def note_listed(self, executions: Sequence[Execution]) -> None:
        """Store executions for `unowned`."""
        await self._do(lambda store: store.note_listed(executions))

    async def unowned(self) -> list[Execution]:
        """Return the stored executions that belong to no row, and delete all stored ones."""
        return await self._do(lambda store: store.unowned())

    async def first_unowned(self, most: int) -> tuple[list[Execution], int]:
        """Return up to `most` of what `unowned` returns, the earliest first, and how many these are. Delete all."""
        return await self._do(lambda store: store.first_unowned(most))

    async def count_unsettled(self) -> Counter[Status]:
        """Count the unsettled rows by status."""
        return await self._do(lambda store: store.count_unsettled())

    async def count(self) -> Counter[Status]:
        """Count all rows by status, in one pass."""
        return await self._do(lambda store: store.count())

    async def is_empty(self) -> bool:
        """Return whether no row was ever admitted."""
        return await self._do(lambda store: store.is_empty())

    async def settled_statuses(self) -> set[Status]:
        """Return the statuses of the settled rows, in one pass."""
        return await self._do(lambda store: store.settled_statuses())

    async def dismiss(self, facts: Mapping[str, str | int]) -> int:
        """Dismiss every rejected or invalid row, and store facts of the job with it. Return the number of rows."""
        return await self._do(lambda store: store.dismiss(facts))

    async def merge(self) -> None:
        """Merge the write-ahead log into the file: a copy of the file alone then has all that was committed before."""
        await self._do(lambda _: None, is_merged=True)

    async def close(self) -> None:
        """Finish pending work, then close the file."""
        # An empty request is committed after all earlier ones. Failures have already been reported to their callers.
        with suppress(Exception):
            await self._do(lambda _: None)
        self._begun.put(None)
        await asyncio.to_thread(self._thread.join)
        with translated(self._path):
            self._store.close()

    async def _do(
        self,
        work: Callable[[Store], T],
        *,
        is_quick: bool = False,
        before: Callable[[], object] | None = None,
        is_merged: bool = False,
    ) -> T:
        done: asyncio.Future[T] = self._loop.create_future()
        if not self._asked:
            self._loop.call_soon(self._begin)
        self._asked.append(_Asked(work, is_quick, before, done, is_merged))
        return await done

    def _begin(self) -> None:
        """Begin a transaction with all requested work. If one is being committed, its end calls this again."""
        if self._is_committing or not self._asked:
            return
        asked, self._asked = sorted(self._asked, key=lambda each: not each.is_quick), []
        results = self._broken or self._noted(asked)
        if isinstance(results, BaseException):
            _resolve(asked, results)
        else:
            self._is_committing = True
            self._begun.put((asked, results))

    def _commit_begun(self) -> None:
        while (transaction := self._begun.get()) is not None:
            asked, results = transaction
            self._loop.call_soon_threadsafe(self._end, asked, self._committed(asked, results))

    def _noted(self, asked: Sequence[_Asked]) -> list[Any] | BaseException:
        """Begin a transaction and do the quick work. Return the results, or the error."""
        try:
            with translated(self._path):
                self._store.begin()
                return [each.work(self._store) for each in asked if each.is_quick]
        except BaseException as error:  # noqa: BLE001 - passed to the callers
            return self._undone(error)

    def _committed(self, asked: Sequence[_Asked], results: list[Any]) -> list[Any] | BaseException:
        """Do the slow work, then commit. Return all results, or the error."""
        try:
            with translated(self._path):
                results = results + [each.work(self._store) for each in asked if not each.is_quick]
                for each in asked:
                    if each.before is not None:
                        each.before()
                self._store.commit()
                if any(each.is_merged for each in asked):
                    self._store.merge()
                return results
        except BaseException as error:  # noqa: BLE001 - passed to the callers: the thread must not end silently
            return self._undone(error)

    def _undone(self, error: BaseException) -> BaseException:
        self._broken = error
        with suppress(sqlite3.Error):
            self._store.roll_back()
        return error

    def _end(self, asked: Sequence[_Asked], results: list[Any] | BaseException) -> None:
        self._is_committing = False
        _resolve(asked, results)
        # After the callers: what they request next is part of the next transaction.
        self._loop.call_soon(self._begin)


def _resolve(asked: Sequence[_Asked], results: list[Any] | BaseException) -> None:
    for position, each in enumerate(asked):
        if each.done.done():
            continue
        if isinstance(results, BaseException):
            each.done.set_exception(results)
        else:
            each.done.set_result(results[position])
