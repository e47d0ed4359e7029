"""The log file: one line for each event, appended by a thread, so that the event loop never waits for the disk.

The queue to that thread is bounded: events that find it full are dropped and counted, and the count is logged.
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
"""Events that may wait for the disk: a few seconds of them at DEBUG, and a few tens of MiB."""


_NUMBERS = {level: logging.getLevelNamesMapping()[level.name] for level in Level}


class Log:
    """Takes events of a level and above; the others cost one comparison."""

    def __init__(self, level: Level, most_waiting: int) -> None:
        # Not one of the process's loggers: what libraries log does not belong here, and may hold secrets.
        self._logger = logging.Logger("batcher", _NUMBERS[level])  # noqa: LOG001 - as it says above
        self._waiting = _Waiting(queue.Queue(most_waiting))
        self._logger.addHandler(self._waiting)

    def wants(self, level: Level) -> bool:
        """Tell whether events of this level are written."""
        return self._logger.isEnabledFor(_NUMBERS[level])

    def tell(self, line: Line) -> None:
        """Queue an event to be written."""
        if self.wants(line.level):
            # Not through `Logger.log`: looking for the caller, which no line names, takes it longer than all the rest.
            self._logger.handle(_record(line))

    @asynccontextmanager
    async def keeping(self, *, to: logging.Handler) -> AsyncIterator[None]:
        """Pass events on while the block lasts, and at its end wait until the last has been passed on."""
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
    """Append to a log while the block lasts. At its end every queued event has been written.

    `run` names the run in each line. `warn` takes a sentence, once, when a line cannot be written: the job goes on
    without its log. Raises DiskError where the file cannot be opened.
    """
    try:
        # It names customers' objects, so only its owner may read it.
        file = io.FileIO(path, "a", opener=lambda name, flags: os.open(name, flags, 0o600))
    except OSError as error:
        raise DiskError(f"the log {path} cannot be opened: {error.strerror}", "Name another --log-file.") from None
    with file:
        log = Log(level, most_waiting)
        appending = _Appending(file, lambda error: warn(f"the log {path} cannot be written: {error.strerror}"))
        appending.setFormatter(_Formatter(format_, run))
        async with log.keeping(to=appending):
            yield log


def _record(line: Line) -> logging.LogRecord:
    return logging.LogRecord("batcher", _NUMBERS[line.level], "", 0, line, None, None)


class _Waiting(QueueHandler):
    """Passes events on to the thread, and counts those that find the queue full."""

    queue: queue.Queue[logging.LogRecord | None]
    lost = 0

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        # A line is a value: it need not be copied for the thread.
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
        # The queue may be full: what is in it is written first.
        self.queue.put(None)


class _Appending(logging.Handler):
    """Appends lines, each in one write."""

    def __init__(self, file: io.FileIO, failed: Callable[[OSError], None]) -> None:
        super().__init__()
        self._file = file
        self._failed = failed
        self._has_failed = False
        self._torn = b""
        """What ends a line that was written only in part."""

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
    """Writes a line in its format."""

    def __init__(self, format_: LogFormat, run: str) -> None:
        super().__init__()
        self._format = format_
        self._run = run

    def format(self, record: logging.LogRecord) -> str:
        assert isinstance(record.msg, Line)  # noqa: S101 - no other code has this logger
        return written(self._format, record.msg, timestamp(record.created), self._run)
