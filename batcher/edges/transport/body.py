"""Reads the body of an answer as a whole, up to a size limit."""

from __future__ import annotations

import aiohttp

MOST_BYTES = 1 << 20
"""The largest body that is read, in bytes."""


async def read_body(content: aiohttp.StreamReader) -> bytes | None:
    """Read a body to its end. Return None, and leave the rest unread, if it is larger than MOST_BYTES."""
    body = bytearray()
    async for part in content.iter_any():
        body += part
        if len(body) > MOST_BYTES:
            return None
    return bytes(body)
