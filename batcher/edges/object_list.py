"""The list of a bucket on the disk: a manifest that grows, and a journal of how far it is, which always agree.

Rows are synced before the line of the journal that counts them. What a crash leaves behind the last whole line of the
journal is cut off, so that no key is there twice and none is missing.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from heapq import merge
from itertools import islice
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from batcher.errors import BusyError, DiskError, UsageError
from batcher.rules.bucket.address import key_bytes
from batcher.rules.bucket.rows import HEADER, keys_of

JOURNAL = ".listing"
"""What is appended to the name of a list for that of its journal."""
_sync = getattr(os, "fdatasync", os.fsync)


class Reached(Struct, frozen=True):
    """How far a list is. `length` is in bytes of the file, `marker` the last key that was looked at."""

    length: int = 0
    marker: str = ""
    rows: int = 0
    """The objects in the file."""
    seen: int = 0
    """The objects that this listing was shown, with those that were not wanted."""
    left_out: int = 0
    """The keys in it that are not UTF-8."""
    now: float = 0.0
    """The service's time when the listing began, in POSIX seconds; 0 if it is not known yet."""
    is_done: bool = False
    begins: tuple[int, ...] = (0,)
    """Where in the file each listing begins. The keys of each ascend."""


class ObjectFile:
    """An open list. Made by `open_list`."""

    def __init__(self, path: Path, rows: int, journal: int, reached: Reached) -> None:
        self.path = path
        self.reached = reached
        self.is_broken = False
        """Whether rows were not appended as they should be. Nothing may be written behind them any more."""
        self._rows = rows
        self._journal = journal

    def append(self, block: bytes, reached: Reached) -> None:
        """Append rows, then note how far the list is with them. Blocks the thread. Raises DiskError."""
        self.is_broken = True
        with _translated(self.path):
            if block:
                _write(self._rows, block)
            self.note(structs.replace(reached, length=self.reached.length + len(block)))
        self.is_broken = False

    def note(self, reached: Reached) -> None:
        """Note how far the list is, without new rows."""
        with _translated(self.path):
            _write(self._journal, json.dumps(structs.asdict(reached)).encode() + b"\n")
        self.reached = reached

    def known_keys(self) -> Iterator[str]:
        """Yield the keys of all earlier listings, in their order."""
        *begins, end = self.reached.begins
        return merge(
            *(self._part(begin, until) for begin, until in zip(begins, [*begins[1:], end], strict=True)), key=key_bytes
        )

    def _part(self, begin: int, end: int) -> Iterator[str]:
        with self.path.open("rb") as file:
            file.seek(begin)
            lines = (line.decode() for line in _until(file, end - begin))
            yield from islice(keys_of(lines), int(begin == 0), None)


def journal_of(path: Path) -> Path:
    """Return the place of a list's journal."""
    return Path(f"{path}{JOURNAL}")


def is_unfinished(path: Path) -> bool:
    """Return whether a file is a list that has not been listed to its end. False if no listing made it."""
    journal = journal_of(path)
    return journal.is_file() and not _read(journal)[1].is_done


@contextmanager
def open_list(path: Path, made_with: Mapping[str, Any]) -> Iterator[ObjectFile]:
    """Open a list to continue it, or begin one. Only its owner can read it. `made_with` is what decides its content.

    Raises UsageError if a file is there that no listing made, or one with other options; BusyError if another listing
    is writing it; DiskError if it cannot be written.
    """
    journal_path = journal_of(path)
    if path.exists() and not journal_path.exists():
        raise UsageError(f"{path}: exists, and is not the list of a bucket", "Give the name of a new file.")
    with _translated(path), _opened(journal_path) as journal, _opened(path) as rows:
        _hold(journal, path)
        begun, reached, length = _read(journal_path)
        if begun is not None and begun != made_with:
            raise _other(path, begun, made_with)
        size = os.fstat(rows).st_size
        if size < reached.length:
            raise UsageError(
                f"{path}: the list has {size:,} bytes, but {reached.length:,} were written",
                f"Restore it, or remove it and {journal_path} to list the bucket again.",
            )
        os.truncate(journal, length)
        os.truncate(rows, reached.length)
        if begun is None:
            _write(journal, json.dumps(made_with).encode() + b"\n")
            _sync_folder(path.parent)
        file = ObjectFile(path, rows, journal, reached)
        if not reached.length:
            file.append(HEADER, reached)
        yield file


def _read(path: Path) -> tuple[Any, Reached, int]:
    """Return what a list was made with (None if it has just begun), how far it is, and the length that is whole."""
    first, *rest = path.read_bytes().split(b"\n")
    if not rest:
        # Empty, or torn before its first line was whole.
        return None, Reached(), 0
    whole = rest[:-1]
    length = len(first) + 1 + sum(len(line) + 1 for line in whole)
    try:
        last = json.loads(whole[-1]) if whole else {}
        return json.loads(first), Reached(**last | {"begins": tuple(last.get("begins", (0,)))}), length
    except (ValueError, TypeError):
        raise UsageError(f"{path}: not the journal of a list", "Give the name of a new file for the list.") from None


def _other(path: Path, begun: Mapping[str, Any], made_with: Mapping[str, Any]) -> UsageError:
    names = sorted(name for name in {*begun, *made_with} if begun.get(name) != made_with.get(name))
    shown = "; ".join(f"{name} {json.dumps(begun.get(name), ensure_ascii=False)}" for name in names)
    return UsageError(
        f"{path}: this list was made with other options: {shown}",
        "Give the same options, or the name of a new file; for batcher run, another --checkpoint.",
    )


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _hold(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BusyError(f"{path}: another process is writing this list", "Wait until it has ended.") from None


def _write(descriptor: int, block: bytes) -> None:
    rest = memoryview(block)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    _sync(descriptor)


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _until(file: Any, length: int) -> Iterator[bytes]:
    while length > 0 and (line := file.readline()):
        length -= len(line)
        yield line


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DiskError(
            f"{path}: the list cannot be written: {error.strerror or error}",
            "Free some disk space or fix the permissions, then run the same command again.",
        ) from error
