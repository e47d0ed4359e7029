"""The parsing of answers: by aiohttp's parser, in C. Most answers come in one piece, and are read at a lower price.

Beyond aiohttp's documented interface this is known of `HttpResponseParser`: its arguments, that it parses one answer
after another, that its readers ask their protocol to pause and resume, and (since 3.14) that a parser which is to read
no bodies takes what follows a head for the next one.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

import aiohttp
from aiohttp.hdrs import CONTENT_LENGTH
from aiohttp.http import HttpResponseParser

from batcher.model import Reply

_WITH_BODY = frozenset(range(200, 600)) - {204, 304}
_HEAD_END = b"\r\n\r\n"
_READ_BYTES = 1 << 18
"""What a parser is told that is read at once; it matters to readers that pause, and here none does."""


class Unpaused:
    """A protocol as the readers of bodies see it: one that never pauses, for a body is read up to a limit anyway."""

    def pause_reading(self) -> None:
        """Go on reading."""

    def resume_reading(self, *, resume_parser: bool = True) -> None:
        """Go on reading."""


def parser(protocol: Unpaused, *, is_body_read: bool = True) -> HttpResponseParser:
    """Make a parser whose readers belong to this protocol."""
    return HttpResponseParser(
        cast("Any", protocol),
        asyncio.get_running_loop(),
        _READ_BYTES,
        payload_exception=aiohttp.ClientPayloadError,
        response_with_body=is_body_read,
        read_until_eof=is_body_read,
        auto_decompress=False,
    )


def _head_parser() -> HttpResponseParser:
    return parser(Unpaused(), is_body_read=False)


class WholeAnswers:
    """Reads answers that have come in one piece, for all connections: one parser of heads stays in the CPU's cache.

    The body is what follows the head, and needs no reader. The parser is used again only after a head that leaves
    nothing open, so that no connection's answer can be read differently for what came on another.
    """

    def __init__(self) -> None:
        self._heads = _head_parser()

    def read(self, data: bytes) -> Reply | None:
        """Read an answer with its length told, after which the connection stays open; None for anything else."""
        body_at = data.find(_HEAD_END) + len(_HEAD_END)
        if body_at < len(_HEAD_END):
            return None
        try:
            ((head, _),), is_upgraded, _ = self._heads.feed_data(data[:body_at])
        except Exception:  # noqa: BLE001 - the connection's own parser will find that too, and tell
            self._heads = _head_parser()
            return None
        status, headers = head.code, head.headers
        length = headers.get(CONTENT_LENGTH)
        if is_upgraded or length is None or status not in _WITH_BODY or head.chunked or head.should_close:
            self._heads = _head_parser()
            return None
        return Reply(status, headers, data[body_at:]) if len(data) == body_at + int(length) else None
