"""What commands run on: uvloop's event loop where it is installed, and a garbage collector that suits a long job."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable

RARELY = 10_000
"""New objects between two looks for cycles. Python looks at each 700, which a few rows make, and they are no cycles."""


def calm_collector() -> None:
    """Let the collector look less often, and no more at what is imported by now: a twentieth of a start's CPU."""
    gc.freeze()
    gc.set_threshold(RARELY)


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
