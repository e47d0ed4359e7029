"""The signals: the first SIGINT, SIGTERM or SIGHUP drains the job, the second leaves at once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from batcher.cli.console import say
from batcher.errors import ExitCode

_CODES = {
    signal.SIGINT: ExitCode.SIGINT,
    signal.SIGTERM: ExitCode.SIGTERM,
    # The terminal is closed, or the connection to it lost.
    signal.SIGHUP: ExitCode.SIGHUP,
}
_SHOW_CURSOR = "\x1b[?25h"


@contextmanager
def draining_on_signals(drain: Callable[[ExitCode], None]) -> Iterator[None]:
    """Call `drain` with the signal's exit code on the first signal. Leaving on the second is as safe as a crash."""
    loop = asyncio.get_running_loop()
    seen: list[signal.Signals] = []

    def arrived(number: signal.Signals) -> None:
        if seen:
            if sys.stderr.isatty():
                sys.stderr.write(_SHOW_CURSOR)
                sys.stderr.flush()
            os._exit(_CODES[number])
        seen.append(number)
        say(f"{number.name}: no new starts, waiting for what is on the wire; once more to leave at once")
        drain(_CODES[number])

    # What is ignored stays so: `nohup` lets a job outlive its terminal.
    heeded = [number for number in _CODES if signal.getsignal(number) is not signal.SIG_IGN]
    for number in heeded:
        loop.add_signal_handler(number, arrived, number)
    try:
        yield
    finally:
        for number in heeded:
            loop.remove_signal_handler(number)
