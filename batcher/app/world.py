"""The world: what a command depends on besides its options. Time, chance, the environment, the edges, and its voice.

It is made once, at the top. A test or a simulation passes a world of its own, and patches nothing.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from msgspec import Struct, field

from batcher.app.process import draining_on_signals
from batcher.app.voice import TERMINAL, Voice
from batcher.edges.attempts import mounts, this_machine
from batcher.edges.checkpoint import Checkpoint, open_checkpoint
from batcher.edges.free_space import FreeSpace, free_space
from batcher.edges.manifest import Choice, WholeManifest, open_manifest
from batcher.edges.read_ahead import read_ahead
from batcher.errors import ExitCode
from batcher.flow.service import Send
from batcher.rules.job.card import Card
from batcher.rules.shards.attempts import Machine

T = TypeVar("T")

steady = partial(time.clock_gettime, getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
"""Gives the seconds since some instant of the past, those of a sleeping machine included.

By the clock that cannot be set: on Linux the one, on macOS the other.
"""


class Transport(Protocol):
    """Sends requests to one endpoint."""

    @property
    def send(self) -> Send:
        """Send one request, exactly once."""


class Connect(Protocol):
    """Makes a transport: see `batcher.edges.transport.connect`."""

    def __call__(
        self,
        endpoint: str,
        *,
        connections: int,
        timeout: float,
        verify_tls: bool | Path = True,
    ) -> AbstractAsyncContextManager[Transport]:
        """Connect to `endpoint` for as long as the block lasts; `timeout` is in seconds, for each request."""


def connect(
    endpoint: str,
    *,
    connections: int,
    timeout: float,
    verify_tls: bool | Path = True,
) -> AbstractAsyncContextManager[Transport]:
    """Make a transport as `batcher.edges.transport.connect` does."""
    # Its library takes as long to import as all else together, so a command may begin with something else.
    from batcher.edges import transport  # noqa: PLC0415

    return transport.connect(endpoint, connections=connections, timeout=timeout, verify_tls=verify_tls)


class ReadAhead(Protocol):
    """Iterates over blocks beside the event loop: see `batcher.edges.read_ahead`."""

    def __call__(self, blocks: Iterator[T], /) -> AsyncIterator[T]:
        """Give the blocks as they come."""


class World(Struct, frozen=True):
    """The real world by default. Times are in seconds."""

    voice: Voice = TERMINAL
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    """Where credentials are looked for. It holds secrets, so it is never shown."""
    clock: Callable[[], float] = time.time
    """This machine's POSIX time, which may be wrong and may be set."""
    monotonic: Callable[[], float] = time.monotonic
    steady: Callable[[], float] = steady
    """The time of a clock that cannot be set and that goes on while the machine sleeps."""
    draw: Callable[[], float] = random.random
    """A random number from 0 to 1."""
    connect: Connect = connect
    open_checkpoint: Callable[[Path, Card | None], AbstractAsyncContextManager[Checkpoint]] = open_checkpoint
    open_manifest: Callable[[Path | None, str, Choice], WholeManifest] = open_manifest
    read_ahead: ReadAhead = read_ahead
    free_space: Callable[[Path], FreeSpace] = free_space
    """Returns what is free in a folder. Raises OSError."""
    machine: Callable[[], Machine] = this_machine
    """Returns what identifies the running system."""
    mounts: Callable[[], str] = mounts
    """Returns the kernel's list of mounts, empty text where there is none."""
    draining_on_signals: Callable[[Callable[[ExitCode], None], Callable[[str], None]], AbstractContextManager[None]] = (
        draining_on_signals
    )
    """Calls the first function with the exit code of the first signal that asks the process to end, and says so."""

    def __repr__(self) -> str:
        """Show nothing of the environment."""
        return "World()"
