"""The output file: appends records in blocks, each synced to disk before anything relies on it, and reads them back.

The caller appends from the thread that then commits what relies on the block. The checkpoint stores the file's length.
The next run reads back the complete lines beyond it and cuts off a torn last line.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Generic, TypeAlias

import aiofiles

from batcher.errors import BusyError, DiskError, OtherJobError, UsageError
from batcher.model import Record
from batcher.rules.records.codec import CODECS, MARK, Codec, Line, Tail, read_tail
from batcher.rules.text import counted

if TYPE_CHECKING:
    from aiofiles.threadpool.binary import AsyncFileIO

_CHUNK = 64 * 1024
# If fdatasync is missing (macOS), fsync does the same and more.
_sync = getattr(os, "fdatasync", os.fsync)


def _write_whole(descriptor: int, block: bytes) -> None:
    """Write a whole block and sync it to disk."""
    rest = memoryview(block)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    _sync(descriptor)


Accept: TypeAlias = Callable[[Sequence[Line]], None]
"""Takes the records beyond the known length, and raises a JobError if the job cannot have written them."""


def accept_all(_records: Sequence[object]) -> None:
    """Refuse no record."""


def tail_of(path: Path, known_length: int) -> Tail[Record]:
    """Read the whole records beyond the known length. The file is not changed."""
    return _tail(path, known_length, CODECS[format_of(path)])


def _tail(path: Path, known_length: int, codec: Codec[Line]) -> Tail[Line]:
    with path.open("rb") as file:
        file.seek(known_length)
        return read_tail(codec, file.read())


def format_of(path: Path) -> str:
    """Return the format of an output: by its suffix `csv` or `jsonl`, or `spreadsheet` if a CSV file has the mark."""
    if path.suffix.lower() != ".csv":
        return "jsonl"
    with suppress(FileNotFoundError), path.open("rb") as file:
        if file.read(len(MARK)) == MARK:
            return "spreadsheet"
    return "csv"


def open_output(
    path: Path, known_length: int | None, accept: Accept[Record] = accept_all, *, for_spreadsheets: bool = False
) -> AbstractAsyncContextManager[Output[Record]]:
    """Open the output of a run as `open_lines` opens a file."""
    return open_lines(path, known_length, CODECS, accept, for_spreadsheets=for_spreadsheets)


@asynccontextmanager
async def open_lines(
    path: Path,
    known_length: int | None,
    codecs: Mapping[str, Codec[Line]],
    accept: Accept[Line] = accept_all,
    *,
    for_spreadsheets: bool = False,
) -> AsyncIterator[Output[Line]]:
    """Open the output for appending, readable by its owner only, and lock it for one run.

    `known_length` is the file's length in bytes according to the checkpoint, None if the checkpoint does not know this
    file. `accept` is given the records beyond it before the file is changed, and raises if it refuses them. A new CSV
    file may be one for spreadsheets; an existing one remains what it is. Raises UsageError if it is not a regular file
    or cannot be for spreadsheets, OtherJobError if it has content that this job did not write or less than it
    wrote, BusyError if another run is writing it, DiskError if it cannot be written.
    """
    _need_regular(path)
    with _translated(path):
        file = await aiofiles.open(path, "ab", buffering=0, opener=_private)
    try:
        with _translated(path):
            codec = codecs[_format(path, for_spreadsheets=for_spreadsheets)]
            output = _resumed(file, path, known_length, accept, codec)
        yield output
    finally:
        with _translated(path):
            await file.close()


def _format(path: Path, *, for_spreadsheets: bool) -> str:
    found = format_of(path)
    if not for_spreadsheets or found == "spreadsheet":
        return found
    if found != "csv":
        raise UsageError(f"--spreadsheet: {path} is not a CSV file", "Give an output with the suffix .csv.")
    if path.stat().st_size >= len(MARK):
        raise UsageError(
            f"--spreadsheet: {path} was begun without it", "Leave the option out, or give a new file with --output."
        )
    return "spreadsheet"


def _resumed(
    file: AsyncFileIO, path: Path, known_length: int | None, accept: Accept[Line], codec: Codec[Line]
) -> Output[Line]:
    _hold(file.fileno(), path)
    size = os.fstat(file.fileno()).st_size
    if size == 0:
        # A power cut must not lose a new file's name. A known file that is missing was moved away: it begins anew.
        _sync_folder(path.parent)
        known_length = 0
    _check(path, size, known_length)
    output = Output(file, path, known_length or 0, codec)
    output.recover(accept)
    return output


class Output(Generic[Line]):
    """An open output file. `recovered` holds the records beyond the known length.

    `length` is the number of bytes in complete records, including blocks that are composed and not yet appended.
    """

    def __init__(self, file: AsyncFileIO, path: Path, known_length: int, codec: Codec[Line]) -> None:
        self.recovered: list[Line] = []
        self.length = known_length
        self._file = file
        self._path = path
        self._codec = codec

    def recover(self, accept: Accept[Line]) -> None:
        """Read the records beyond the known length, and cut off a torn end if `accept` does not refuse them."""
        tail = _tail(self._path, self.length, self._codec)
        accept(tail.records)
        self.recovered = tail.records
        self.length += tail.length
        os.truncate(self._file.fileno(), self.length)
        os.fsync(self._file.fileno())

    def compose(self, records: Sequence[Line]) -> bytes:
        """Encode the next block of the file and add it to `length`. Blocks must be appended in this order."""
        block = self._codec.encode(records)
        if records and self.length == 0:
            block = self._codec.header + block
        self.length += len(block)
        return block

    def append(self, block: bytes) -> None:
        """Append a block and sync it to disk. Blocks the thread. Raises DiskError."""
        with _translated(self._path):
            _write_whole(self._file.fileno(), block)


def reading(path: Path, known_length: int) -> AbstractContextManager[PastRecords[Record]]:
    """Open the output of a run as `reading_lines` opens a file."""
    return reading_lines(path, known_length, CODECS)


@contextmanager
def reading_lines(path: Path, known_length: int, codecs: Mapping[str, Codec[Line]]) -> Iterator[PastRecords[Line]]:
    """Open an output for reading, even while a run writes it. Raises DiskError if it cannot be read.

    `known_length` is the file's length in bytes according to the checkpoint. Damage beyond it is a torn end left by a
    crash and is ignored; damage before it raises DiskError.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        message = f"{path}: the output cannot be read: {error.strerror}"
        raise DiskError(message, "Check the path and the permissions.") from error
    with file:
        yield PastRecords(file, path, known_length, codecs[format_of(path)])


@contextmanager
def held_reading(path: Path, begin: int) -> Iterator[PastRecords[Record]]:
    """Open an output that no run writes, for reading from the offset `begin` of a record.

    Only the last line may be torn or damaged. Raises what `reading` raises, BusyError if a run writes the output, and
    OtherJobError if it is shorter than `begin`.
    """
    size = path.stat().st_size if path.exists() else 0
    if path.exists():
        _check(path, size, begin)
    with reading(path, _last_line(path) if size else 0) as records:
        _hold(records.descriptor, path)
        records.begin = begin
        yield records


def _last_line(path: Path) -> int:
    """Return the offset of the last line, or of what follows the last line if it is torn."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END) - 1
        while end > 0:
            begin = max(0, end - _CHUNK)
            file.seek(begin)
            found = file.read(end - begin).rfind(b"\n")
            if found >= 0:
                return begin + found + 1
            end = begin
    return 0


class PastRecords(Generic[Line]):
    """The records of an output, each with its place: the offset of its first byte. They are read from `begin` on.

    `end` is where the records end that were read.
    """

    def __init__(self, file: BinaryIO, path: Path, known_length: int, codec: Codec[Line]) -> None:
        self.path = path
        self.begin = self.end = 0
        self._file = file
        self._known_length = known_length
        self._codec = codec

    @property
    def descriptor(self) -> int:
        """The open file."""
        return self._file.fileno()

    def __iter__(self) -> Iterator[tuple[int, Line]]:
        place = self.end = self.begin
        self._file.seek(place)
        while (entry := self._codec.entry(self._file.readline)).endswith(b"\n"):
            try:
                record = self._parsed(entry, place)
            except DiskError:
                if place < self._known_length:
                    raise
                return
            self.end = place + len(entry)
            if record is not None:
                yield place, record
            place += len(entry)

    def at(self, place: int) -> Line:
        """Return the record at a place that was yielded before."""
        self._file.seek(place)
        record = self._parsed(self._codec.entry(self._file.readline), place)
        assert record is not None  # noqa: S101 - the header of a CSV output has no place
        return record

    def _parsed(self, entry: bytes, place: int) -> Line | None:
        try:
            return self._codec.parse(entry)
        except ValueError as error:
            raise DiskError(
                f"{self.path}: the record at byte {place:,} is damaged: {error}",
                "Restore the output from a copy if there is one. Runs do not need this record.",
            ) from error


def _need_regular(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except OSError:
        # Opening it reports the error, or makes the file.
        return
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise UsageError(
            f"{path}: the output is not a regular file",
            "Give a regular file with --output. The next run has to read it back.",
        )


def _private(path: str, flags: int) -> int:
    # A pipe without a reader is refused at once, in place of waiting for one.
    return os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _hold(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BusyError(
            f"{path}: another run is writing this output", "Wait for that run, or give another file with --output."
        ) from None


def _check(path: Path, size: int, known_length: int | None) -> None:
    if known_length is None:
        raise OtherJobError(
            f"{path}: the output has {counted(size, 'byte')} of records that this job's checkpoint does not know",
            "Without the checkpoint of these records their rows would be started again. Give that checkpoint with"
            " --checkpoint. If it is lost, batcher recover, with MANIFEST and the options of the job, rebuilds it from"
            " the output. For another job, give a new file with --output.",
        )
    if size < known_length:
        raise OtherJobError(
            f"{path}: the output has {counted(size, 'byte')}, but this job has written {known_length:,}",
            "Restore the complete file, or move it away to continue in a new one.",
        )


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DiskError(
            f"{path}: the output cannot be written: {error.strerror or error}",
            "Free some disk space or fix the permissions, then run the same command again.",
        ) from error
