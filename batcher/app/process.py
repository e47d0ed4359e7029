"""What the process owns for one command: its event loop, garbage collector, open files and signals."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from importlib import import_module
from types import FrameType

from batcher.errors import ExitCode, SystemLimitError, UsageError

RARELY = 10_000
"""New objects between two garbage collections. Python's default of 700 is reached by a few rows, without cycles."""


BESIDE = 64
"""Open files of a job in addition to its connections."""


def calm_collector() -> None:
    """Collect garbage less often, and never what is imported by now. Saves a twentieth of the CPU of a start."""
    gc.freeze()
    gc.set_threshold(RARELY)


def make_room(connections: int) -> None:
    """Raise the limit of open files for this number of connections. Raises UsageError if the system refuses it."""
    needed = connections + BESIDE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or needed <= soft:
        return
    if hard != resource.RLIM_INFINITY and needed > hard:
        raise UsageError(
            f"--concurrency {connections}: needs {needed:,} open files, and the limit of this process is {hard:,}",
            f"Give at most {max(1, hard - BESIDE):,}, or allow more (ulimit -n).",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def fast_loop(*, tls: bool = False) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return the fastest available event loop factory, None for that of Python.

    `tls`: it is for connections over TLS, where aiofastnet's transports need a sixth less CPU than uvloop's. Over
    plain TCP they need more. docs/design/dependencies.md says why it is the default.
    """
    # Slow to import, and not available on every platform.
    try:
        import uvloop  # noqa: PLC0415
    except ImportError:
        return None
    if not tls:
        return uvloop.new_event_loop
    try:
        import aiofastnet  # noqa: PLC0415
    except ImportError:
        return uvloop.new_event_loop
    return aiofastnet.loop_factory(uvloop.new_event_loop)


def import_beside(name: str, within: Callable[[], AbstractContextManager[None]] = nullcontext) -> None:
    """Begin to import a module in a thread of its own, unless it is imported. What needs it waits for it.

    An error of the import is raised where the module is needed. Others may be imported meanwhile: threads that import
    wait for each other for good only if modules import each other in a circle. The thread enters `within` meanwhile.
    """

    def begin() -> None:
        with suppress(Exception), within():
            import_module(name)

    if name not in sys.modules:
        # Without a thread for it, the module is imported where it is needed. `need_threads` says what is wrong.
        with suppress(RuntimeError):
            # Not a daemon: the process does not end in the middle of an import.
            threading.Thread(target=begin, name="import").start()


def import_client_beside() -> None:
    """Begin to import what sends requests, in the process of a command.

    aiohttp makes two TLS contexts when it is imported, and each reads the authorities of the system in 25 ms of CPU
    time. Here it makes them without: the transport gives its connections a context of its own, if they are over TLS.
    The program that uses the library may need aiohttp's, so it imports them as they are.
    """
    import_beside("batcher.edges.transport", within=_without_authorities)


@contextmanager
def _without_authorities() -> Iterator[None]:
    """Let the TLS contexts that this thread makes during the block trust no authority."""
    thread = threading.get_ident()
    read = ssl.SSLContext.set_default_verify_paths

    def read_for_others(self: ssl.SSLContext) -> None:
        if threading.get_ident() != thread:
            read(self)

    ssl.SSLContext.set_default_verify_paths = read_for_others  # type: ignore[method-assign]
    try:
        yield
    finally:
        ssl.SSLContext.set_default_verify_paths = read  # type: ignore[method-assign]


_CODES = {
    signal.SIGINT: ExitCode.SIGINT,
    signal.SIGTERM: ExitCode.SIGTERM,
    # The terminal is closed, or the connection to it lost.
    signal.SIGHUP: ExitCode.SIGHUP,
}
_SHOW_CURSOR = b"\x1b[?25h"
_STDERR = 2


@contextmanager
def draining_on_signals(drain: Callable[[ExitCode], None], say: Callable[[str], None]) -> Iterator[None]:
    """Call `drain` with the signal's exit code on the first signal, and say so. The second ends the process at once.

    Ending at once is as safe as a crash. It is also possible while the event loop waits for the system, such as for a
    pipe without a writer: these handlers are those of Python, not of the loop.
    """
    loop = asyncio.get_running_loop()
    seen: list[signal.Signals] = []

    def begin(number: signal.Signals) -> None:
        say(f"{number.name}: no new starts, waiting for requests on the wire; send it again to exit at once")
        drain(_CODES[number])

    def arrived(received: int, _: object) -> None:
        number = signal.Signals(received)
        if seen:
            # Past every buffer, and past a bar that has replaced the stream.
            if os.isatty(_STDERR):
                os.write(_STDERR, _SHOW_CURSOR)
            os._exit(_CODES[number])
        seen.append(number)
        # What the handler interrupts may be writing to the same stream.
        loop.call_soon_threadsafe(begin, number)

    with handling_signals(arrived):
        yield


@contextmanager
def handling_signals(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Give the signals that end a command to a handler during the block."""
    # An ignored signal stays ignored: `nohup` lets a job outlive its terminal.
    heeded = [number for number in _CODES if signal.getsignal(number) is not signal.SIG_IGN]
    former = {number: signal.signal(number, handler) for number in heeded}
    try:
        yield
    finally:
        for number, each in former.items():
            signal.signal(number, each)


THREADS = 12
"""Threads that a run may have at a time: those that read, commit, log and serve metrics, and those of the loop."""


def need_threads(count: int = THREADS) -> None:
    """Check that the system allows this number of threads. Raises SystemLimitError, before anything was sent."""
    enough = threading.Event()
    begun: list[threading.Thread] = []
    try:
        for _ in range(count):
            begun.append(threading.Thread(target=enough.wait))
            begun[-1].start()
    except RuntimeError:
        begun.pop()
        raise SystemLimitError(
            f"the system allows this process {len(begun)} more threads, and a run needs {count}",
            "Allow more processes (ulimit -u, or TasksMax of a service) or memory, then run the same command again.",
        ) from None
    finally:
        enough.set()
        for thread in begun:
            thread.join()
