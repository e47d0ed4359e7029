"""Serves one emulator on loopback for as long as its `async with` block lasts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from batcher.emulator.orders import MAX_BODY
from batcher.emulator.routes import Routes, drop_marked
from batcher.emulator.routes_v3 import V3Routes
from batcher.emulator.settings import Settings
from batcher.emulator.twin import Emulator
from batcher.errors import UsageError

CLOSING_TIME = 1.0
"""Seconds that open requests have left when the emulator stops."""


@asynccontextmanager
async def serve(settings: Settings) -> AsyncIterator[Emulator]:
    """Serve on the settings' loopback address, and yield the emulator once it listens.

    Raises UsageError if the port is in use, and DiskError if the ledger cannot be opened.
    """
    emulator = Emulator(settings)
    app = web.Application(client_max_size=MAX_BODY)
    app.add_routes([*V3Routes(emulator).table(), *Routes(emulator).table()])
    app.on_response_prepare.append(drop_marked)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSING_TIME)
    await runner.setup()
    try:
        emulator.url = await _listen(runner, settings)
        yield emulator
    finally:
        emulator.stopping.set()
        await runner.cleanup()
        emulator.ledger.close()


async def _listen(runner: web.AppRunner, settings: Settings) -> str:
    """Open the port and return the URL."""
    site = web.TCPSite(runner, settings.host, settings.port, ssl_context=settings.ssl_context, backlog=1024)
    try:
        await site.start()
    except OSError as error:
        raise UsageError(
            f"{settings.host}: port {settings.port} cannot be opened: {error.strerror}",
            "Give another --port; 0 takes any free port.",
        ) from error
    scheme = "http" if settings.ssl_context is None else "https"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{scheme}://{host}:{runner.addresses[0][1]}"
