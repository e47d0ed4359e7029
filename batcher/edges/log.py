"""The log file: one line per event, appended by a thread, so that the event loop never waits for the disk.

The queue to that thread is bounded. When it is full, events are dropped and counted, and the count is logged.
"""

from __future__ import annotations

import asyncio
import io
import logging
import os
import queue
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from logging.handlers import QueueHandler, QueueListener
from pathlib import Path

from batcher.errors import DiskError
from batcher.rules.choices import Level, LogFormat
from batcher.rules.records.codec import timestamp
from batcher.rules.records.event_log import Line, written

MOST_WAITING = 20_000
"""Maximum number of queued events: a few seconds of events at DEBUG, and a few tens of MiB."""


_NUMBERS = {level: logging.getLevelNamesMapping()[level.name] for level in Level}


class Log:
    """Queues events of a level and above. The others cost one comparison."""

    def __init__(self, level: Level, most_waiting: int) -> None:
        # Not one of the process's loggers: messages of libraries do not belong here, and may contain secrets.
        self._logger = logging.Logger("batcher", _NUMBERS[level])  # noqa: LOG001 - see above
        self._waiting = _Waiting(queue.Queue(most_waiting))
        self._logger.addHandler(self._waiting)

    def wants(self, level: Level) -> bool:
        """Return whether events of this level are written."""
        return self._logger.isEnabledFor(_NUMBERS[level])

    def tell(self, line: Line) -> None:
        """Queue an event to be written."""
        if self.wants(line.level):
            # Not through `Logger.log`: it looks up the caller, which takes longer than all else and is not logged.
            self._logger.handle(_record(line))

    @asynccontextmanager
    async def keeping(self, *, to: logging.Handler) -> AsyncIterator[None]:
        """Pass queued events to the handler during the block. At its end wait for the last one."""
        listener = _Listener(self._waiting.queue, to)
        listener.start()
        try:
            yield
        finally:
            if self._waiting.lost:
                line = Line("events_lost", {"count": self._waiting.lost})
                await asyncio.to_thread(self._waiting.queue.put, _record(line))
            await asyncio.to_thread(listener.stop)


@asynccontextmanager
async def open_log(  # noqa: PLR0913 - what a log is made of
    path: Path,
    format_: LogFormat,
    level: Level,
    run: str,
    warn: Callable[[str], None],
    *,
    most_waiting: int = MOST_WAITING,
) -> AsyncIterator[Log]:
    """Open a log for appending during the block. At its end every queued event has been written.

    `run` identifies the run in each line. `warn` is called once, with a sentence, if a line cannot be written; the job
    continues without its log. Raises DiskError if the file cannot be opened.
    """
    try:
        # It contains the names of customers' objects, so only its owner may read it.
        file = io.FileIO(path, "a", opener=lambda name, flags: os.open(name, flags, 0o600))
    except OSError as error:
        raise DiskError(
            f"{path}: the log cannot be opened: {error.strerror}", "Give another file with --log-file."
        ) from None
    with file:
        log = Log(level, most_waiting)
        appending = _Appending(file, lambda error: warn(f"{path}: the log cannot be written: {error.strerror}"))
        appending.setFormatter(_Formatter(format_, run))
        async with log.keeping(to=appending):
            yield log


def _record(line: Line) -> logging.LogRecord:
    return logging.LogRecord("batcher", _NUMBERS[line.level], "", 0, line, None, None)


class _Waiting(QueueHandler):
    """Passes events to the thread, and counts those that are dropped because the queue is full."""

    queue: queue.Queue[logging.LogRecord | None]
    lost = 0

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        # A line is immutable: it need not be copied for the thread.
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self.lost += 1


class _Listener(QueueListener):
    """The thread that writes."""

    queue: queue.Queue[logging.LogRecord | None]

    def enqueue_sentinel(self) -> None:
        # The queue may be full: wait until there is room, so that every queued event is written.
        self.queue.put(None)


class _Appending(logging.Handler):
    """Appends lines, each in one write."""

    def __init__(self, file: io.FileIO, failed: Callable[[OSError], None]) -> None:
        super().__init__()
        self._file = file
        self._failed = failed
        self._has_failed = False
        self._torn = b""
        """A line break to write first if the previous line was written only in part."""

    def emit(self, record: logging.LogRecord) -> None:
        data = self._torn + self.format(record).encode() + b"\n"
        try:
            written = self._file.write(data)
        except OSError as error:
            if not self._has_failed:
                self._has_failed = True
                self._failed(error)
        else:
            self._torn = b"" if written == len(data) else b"\n"


class _Formatter(logging.Formatter):
    """Formats lines as text or JSON."""

    def __init__(self, format_: LogFormat, run: str) -> None:
        super().__init__()
        self._format = format_
        self._run = run

    def format(self, record: logging.LogRecord) -> str:
        assert isinstance(record.msg, Line)  # noqa: S101 - no other code has this logger
        return written(self._format, record.msg, timestamp(record.created), self._run)
