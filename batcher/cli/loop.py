"""The event loop that commands run on: uvloop's where it is installed, else Python's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


def fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Give uvloop's maker of event loops, None where there is no uvloop."""
    try:
        import uvloop  # noqa: PLC0415 - takes its time to import, and not every platform has it
    except ImportError:
        return None
    return uvloop.new_event_loop
