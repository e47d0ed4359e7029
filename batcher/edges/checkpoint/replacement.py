"""The replacement of a checkpoint by a rebuilt one. The former one is kept beside it.

The new checkpoint is complete and on disk before it takes the place. A crash before that changes nothing; a run that
comes while there is no checkpoint in the place refuses the output, which it does not know.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path

from batcher.edges.checkpoint.lock import Lock
from batcher.edges.checkpoint.schema import create, need_file, open_database, sync, translated
from batcher.edges.checkpoint.snapshot import inherit
from batcher.edges.checkpoint.store import Store
from batcher.errors import DamageError
from batcher.rules.job.card import Card

KEPT = ".before-recover"
"""The suffix of a former checkpoint."""


@contextmanager
def replacing(path: Path) -> Iterator[Replacement]:
    """Hold the checkpoint at `path`, which may be missing, as a run does. Raises BusyError if a run holds it."""
    with translated(path):
        lock = Lock(path)
    try:
        with translated(path):
            if path.exists():
                need_file(path, None)
                lock.take_file()
            replacement = Replacement(Path(os.path.realpath(path)))
        try:
            yield replacement
        finally:
            replacement.remove()
    finally:
        lock.release()


class Replacement:
    """The replacement of the checkpoint at a real path."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._new = path.with_name(path.name + ".recovering")
        self.damaged: list[Path] = []
        """The checkpoints that could not be read."""
        self.former: Path | None = None
        """The checkpoint that the new one begins with, if there is one."""
        self._is_kept = path.exists() and bool(path.stat().st_size)
        """Whether there is a former checkpoint with any row, or with content that cannot be read."""
        self.remove()

    def begin(self, card: Card, earlier: Iterable[Path] = ()) -> Store:
        """Return the store of the new checkpoint: a copy of the former one if that can be read, else an empty one.

        `earlier` are the checkpoints of other attempts at the shard, the latest first: without the former one, the
        first of them that can be read takes its place. Raises OtherJobError if it belongs to another job.
        """
        if self._is_kept:
            try:
                self._copy(card)
                self._is_kept = self._takes(self._path, card)
            except DamageError:
                self._refuse(self._path)
        for path in earlier:
            if self.former is not None:
                break
            try:
                inherit(path, self._new)
                self._takes(path, card)
            except DamageError:
                self._refuse(path)
        return Store.open(self._new, card)

    def _takes(self, path: Path, card: Card) -> bool:
        """Read the copy of a checkpoint, and return whether it has any row. Raises DamageError."""
        with translated(path), closing(Store.open(self._new, card)) as copied:
            has_rows = bool(copied.count())
        self.former = path
        return has_rows

    def _refuse(self, path: Path) -> None:
        self.damaged.append(path)
        self.remove()

    def _copy(self, card: Card) -> None:
        with translated(self._path), closing(open_database(self._path, card)) as former:
            create(self._new)
            with closing(sqlite3.connect(self._new)) as copy:
                former.backup(copy)

    def put_in_place(self) -> Path | None:
        """Put the new checkpoint, whose store is closed, in the place. Return the path of the former one, if any."""
        with translated(self._path):
            sync(self._new)
            kept = self._keep() if self._is_kept or _log(self._path).exists() else None
            self._new.replace(self._path)
            sync(self._path.parent)
        return kept

    def _keep(self) -> Path:
        names = (self._path.with_name(f"{self._path.name}{KEPT}{number or ''}") for number in count())
        kept = next(name for name in names if not name.exists())
        if _log(self._path).exists():
            # It was not merged: the checkpoint is damaged, missing, or being read. It must not be found beside the new
            # file. The checkpoint goes first, because without its log it would be an older one.
            if self._path.exists():
                self._path.rename(kept)
            _log(self._path).rename(_log(kept))
            _memory(self._path).unlink(missing_ok=True)
        else:
            shutil.copy2(self._path, kept)
            sync(kept)
        return kept

    def remove(self) -> None:
        """Remove the new checkpoint, unless it is in the place."""
        for path in (self._new, _log(self._new), _memory(self._new)):
            path.unlink(missing_ok=True)


def _log(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _memory(path: Path) -> Path:
    return path.with_name(path.name + "-shm")
