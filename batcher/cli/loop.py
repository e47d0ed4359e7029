"""The event loop that commands run on: uvloop's where it is installed, else Python's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


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
