"""The command in a process of its own, without the time that its imports take: most of what a short command costs.

One process (`python tests/launching.py FD`) imports the command once and forks for every launch. The fork gets the
words, the environment, the folder and the open files of its launch, runs `python -m batcher` from its first line, and
ends with its exit functions. Where the launch itself is tested, start `python -m batcher`.
"""

import asyncio
import atexit
import gc
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from pathlib import Path

LONGEST = 120
"""Seconds after which a command is taken to hang."""
UNBUFFERED = "PYTHONUNBUFFERED"
"""A variable of a developer's machine. With it a command does not write as a user's does."""
NUMBER = 4
"""Bytes of a process id, and of the status of one that has ended."""


class Launcher:
    """The process that has the command imported. It ends when this one does."""

    def __init__(self):
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            words = [sys.executable, __file__, str(theirs.fileno())]
            environment = {name: value for name, value in os.environ.items() if name != UNBUFFERED}
            self._process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], env=environment
            )
        atexit.register(self.end)

    def end(self):
        self._socket.close()
        self._process.wait()

    def launch(self, words, environment, folder, files):
        """Start the command. Gives its process id, and the open file that tells how it has ended."""
        hears, tells = os.pipe()
        try:
            message = json.dumps([words, environment, str(folder)]).encode()
            socket.send_fds(self._socket, [message], [*files, tells])
        finally:
            os.close(tells)
        return int.from_bytes(os.read(hears, NUMBER)), hears


launcher = cache(Launcher)


@contextmanager
def launched(words, environment, folder, files):
    """Start the command, which does not outlive the block. Gives a function that waits for its exit code."""
    child, hears = launcher().launch(words, environment, folder, files)
    code = None

    async def ended():
        nonlocal code
        loop, readable = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(hears, readable.set)
        try:
            await asyncio.wait_for(readable.wait(), LONGEST)
        finally:
            loop.remove_reader(hears)
        code = os.waitstatus_to_exitcode(int.from_bytes(os.read(hears, NUMBER)))
        return code

    try:
        yield ended
    finally:
        if code is None:
            os.kill(child, signal.SIGKILL)
        os.close(hears)


async def run_to_end(words, environment, folder, stdin=b""):
    """Run the command to its end. Gives its exit code, and what it has written to stdout and stderr."""
    hears, tells = os.pipe()
    # As much as a pipe holds without a reader.
    assert len(stdin) <= select.PIPE_BUF
    os.write(tells, stdin)
    os.close(tells)
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        files = [hears, stdout.fileno(), stderr.fileno()]
        with launched([*map(str, words)], dict(environment), folder, files) as ended:
            os.close(hears)
            code = await ended()
        stdout.seek(0)
        stderr.seek(0)
        return code, stdout.read(), stderr.read()


class Process:
    """A command that goes on beside the test, as subprocess.Popen has it. Its stdout is read as text."""

    def __init__(self, words, environment, folder, stderr):
        reads, writes = os.pipe()
        with Path(os.devnull).open() as nothing:
            files = [nothing.fileno(), writes, stderr.fileno()]
            self.pid, self._hears = launcher().launch([*words], dict(environment), folder, files)
        os.close(writes)
        self.stdout = os.fdopen(reads)
        self.returncode = None

    def send_signal(self, number):
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self):
        self.send_signal(signal.SIGTERM)

    def wait(self, timeout):
        if self.returncode is None:
            assert select.select([self._hears], [], [], timeout)[0], "it has not ended"
            self.returncode = os.waitstatus_to_exitcode(int.from_bytes(os.read(self._hears, NUMBER)))
            os.close(self._hears)
        return self.returncode


def import_command():
    """Import whatever the command may import at any launch."""
    import batcher  # noqa: PLC0415 - only the launcher itself needs it

    for module in pkgutil.walk_packages(batcher.__path__, "batcher."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    for name in ("uvloop", "aiofastnet"):
        with suppress(ImportError):
            import_module(name)


def serve(connection):
    """Fork for every launch that is asked for. Returns in the forks only, with the words of the launch."""
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes)
    asked_by = {}
    while True:
        ready, _, _ = select.select([connection, woken], [], [])
        if woken in ready:
            os.read(woken, 1024)
            tell_ends(asked_by)
        if connection not in ready:
            continue
        message, files, _, _ = socket.recv_fds(connection, 1 << 20, 4)
        if not message:
            os._exit(0)
        child = os.fork()
        if not child:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return become(*json.loads(message), files)
        *given, tells = files
        for file in given:
            os.close(file)
        asked_by[child] = tells
        os.write(tells, child.to_bytes(NUMBER))


def tell_ends(asked_by):
    """Tell everybody who asked for a process that has ended how it ended."""
    while asked_by:
        child, status = os.waitpid(-1, os.WNOHANG)
        if not child:
            return
        tells = asked_by.pop(child)
        with suppress(BrokenPipeError):
            os.write(tells, status.to_bytes(NUMBER))
        os.close(tells)


def end_at_once(codes):
    """End the process without the clearing up of all that the launcher has imported: four fifths of a short command.

    It is registered before anything else, so Python calls it last: threads have ended, and other exit functions have
    been called. What cannot be flushed is left to Python, which reports it.
    """
    with suppress(OSError, ValueError):
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        for code in codes:
            os._exit(code)


def become(words, environment, folder, files):
    """Take on what a new process is given. Gives the words."""
    for number, file in enumerate(files[:3]):
        os.dup2(file, number)
    os.closerange(3, max(files) + 1)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    return words


if __name__ == "__main__":
    codes = []
    atexit.register(end_at_once, codes)
    import_command()
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        sys.argv[1:] = serve(connection)
        connection.detach()
    try:
        runpy.run_module("batcher", run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        if isinstance(ended.code, int):
            codes.append(ended.code)
        raise
