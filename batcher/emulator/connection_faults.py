"""The ways in which a connection can fail. Each function takes the request on that connection."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Mapping

from aiohttp import web

from batcher.emulator.faults import FaultKind

LONGEST_HANG = 600.0
"""The longest hang in seconds. A hang also ends with the emulator."""


def reset(request: web.Request) -> None:
    """Close the connection with a TCP reset: with a linger time of 0 the kernel sends RST, not FIN."""
    transport = request.transport
    if transport is not None:
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


async def cut(request: web.Request, body: bytes, headers: Mapping[str, str]) -> web.StreamResponse:
    """Announce the whole body, send half of it and close the connection."""
    response = web.StreamResponse(headers=headers)
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


async def carry(  # noqa: PLR0917, PLR0913 - a fault, and what it may need
    kind: FaultKind | None,
    request: web.Request,
    response: web.Response,
    body: bytes,
    stopping: asyncio.Event,
    slow: float,
) -> web.StreamResponse:
    """Return the response, after what a fault does to its connection. `body` is the whole one, `slow` in seconds."""
    match kind:
        case FaultKind.SLOW:
            await pause(stopping, slow)
        case FaultKind.CUT:
            return await cut(request, body, response.headers)
        case FaultKind.HANG_BEFORE | FaultKind.HANG_AFTER:
            await pause(stopping, LONGEST_HANG)
            reset(request)
        case FaultKind.RESET_BEFORE | FaultKind.RESET_AFTER:
            reset(request)
    return response


async def pause(stopping: asyncio.Event, seconds: float) -> None:
    """Wait for `seconds`, or until the emulator stops."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stopping.wait()
