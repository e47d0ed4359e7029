"""The body of an answer: read whole, but never more than anybody needs."""

from __future__ import annotations

import aiohttp

MOST_BYTES = 1 << 20
"""The largest body that is read."""


async def read_body(content: aiohttp.StreamReader) -> bytes | None:
    """Read a body to its end. None: it is larger than MOST_BYTES, and the rest is left unread."""
    body = bytearray()
    async for part in content.iter_any():
        body += part
        if len(body) > MOST_BYTES:
            return None
    return bytes(body)
