"""What commands run on: uvloop's event loop where it is installed, and a garbage collector that suits a long job."""

from __future__ import annotations

import asyncio
import gc
import resource
from collections.abc import Callable

from batcher.errors import UsageError

RARELY = 10_000
"""New objects between two looks for cycles. Python looks at each 700, which a few rows make, and they are no cycles."""


BESIDE = 64
"""Open files of a job beside its connections."""


def calm_collector() -> None:
    """Let the collector look less often, and no more at what is imported by now: a twentieth of a start's CPU."""
    gc.freeze()
    gc.set_threshold(RARELY)


def make_room(connections: int) -> None:
    """Allow so many connections beside the job's files, as far as the system lets a process do. Raises UsageError."""
    needed = connections + BESIDE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or needed <= soft:
        return
    if hard != resource.RLIM_INFINITY and needed > hard:
        raise UsageError(
            f"--concurrency {connections}: a process may have {hard:,} open files here, and this needs {needed:,}",
            f"Give at most {max(1, hard - BESIDE):,}, or allow more (ulimit -n).",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def fast_loop(*, tls: bool = False) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Give the maker of event loops that is fastest here, None for Python's own.

    `tls`: it is for connections over TLS, where aiofastnet's transports need a third less CPU than uvloop's. Over
    plain TCP they need more.
    """
    # They take their time to import, and not every platform has them.
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
