"""A disk that fails on request, put under the real command in its own process before the command is imported.

It changes only what the standard library and aiofiles call to reach the disk, and the process's own file size limit.
When its fault first strikes it asks the judge how many starts have arrived, and leaves the number in `struck`.
"""

import errno
import fcntl
import io
import os
import resource
import sqlite3
import stat
import sys
import urllib.request
from pathlib import Path

import aiofiles.threadpool


class Fault:
    """Strikes at the given count of calls, and at every later one."""

    def __init__(self, at, judge):
        self._left = at
        self._judge = judge
        self._struck = Path("struck")

    def strikes(self):
        self._left -= 1
        if self._left > 0:
            return False
        if self._left == 0:
            with urllib.request.urlopen(self._judge) as told:
                self._struck.write_bytes(told.read())
        return True


def commits(fault, message, code):
    """Let commits of a database fail with one of SQLite's own errors, given as its message and its code."""

    class Connection(sqlite3.Connection):
        def execute(self, statement, *arguments):
            if statement == "COMMIT":
                self._may_fail()
            return super().execute(statement, *arguments)

        def commit(self):
            self._may_fail()
            super().commit()

        def _may_fail(self):
            if fault.strikes():
                error = sqlite3.OperationalError(message)
                error.sqlite_errorcode = code
                raise error

    _connect_as(Connection)


def pages(limit):
    """Let a database be full at so many pages; SQLite itself finds out."""

    class Connection(sqlite3.Connection):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            super().execute(f"PRAGMA max_page_count = {limit}").close()

    _connect_as(Connection)


def _connect_as(kind):
    connect = sqlite3.connect
    sqlite3.connect = lambda *arguments, **options: connect(*arguments, factory=kind, **options)


def writes(fault, number):
    """Let writes of the output fail, the first of them half-way."""

    write = os.write

    def failing(descriptor, data):
        # Standard error and the event loop's own pipe are no files on the disk.
        if stat.S_ISREG(os.fstat(descriptor).st_mode) and fault.strikes():
            write(descriptor, data[: len(data) // 2])
            raise OSError(number, os.strerror(number))
        return write(descriptor, data)

    os.write = failing


def syncs(fault, number):
    """Let the output's fdatasync fail; what it was to make durable may have been written all the same."""
    sync = os.fdatasync

    def fdatasync(descriptor):
        if fault.strikes():
            raise OSError(number, os.strerror(number))
        sync(descriptor)

    os.fdatasync = fdatasync


def closes(number):
    """Let the close of the output fail, as it does where a server keeps the file."""

    class File(io.FileIO):
        def close(self):
            super().close()
            raise OSError(number, os.strerror(number))

    aiofiles.threadpool.sync_open = lambda path, mode, opener, **_: File(path, mode, opener=opener)


def file_size(limit):
    """Let every file of the process end at so many bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))


def locks(number):
    """Let the filesystem have no locks."""

    def flock(*_):
        raise OSError(number, os.strerror(number))

    fcntl.flock = flock


FAULTS = {
    "commit EIO": lambda at, judge: commits(Fault(at, judge), "disk I/O error", sqlite3.SQLITE_IOERR),
    "commit ENOSPC": lambda at, judge: commits(Fault(at, judge), "database or disk is full", sqlite3.SQLITE_FULL),
    "pages": lambda at, _: pages(at),
    "file size": lambda at, _: file_size(at),
    "write ENOSPC": lambda at, judge: writes(Fault(at, judge), errno.ENOSPC),
    "write EIO": lambda at, judge: writes(Fault(at, judge), errno.EIO),
    "sync EIO": lambda at, judge: syncs(Fault(at, judge), errno.EIO),
    "close EIO": lambda *_: closes(errno.EIO),
    "lock ENOLCK": lambda *_: locks(errno.ENOLCK),
    "lock EOPNOTSUPP": lambda *_: locks(errno.EOPNOTSUPP),
}


def main():
    """Install the fault that the first three words name, then run the command with the others."""
    name, at, judge, *words = sys.argv[1:]
    FAULTS[name](int(at), judge)
    sys.argv[1:] = words
    from batcher.cli.main import main as command  # noqa: PLC0415 - the disk must be faulty first

    command()


if __name__ == "__main__":
    main()
