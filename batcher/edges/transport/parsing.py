"""Parses answers with aiohttp's parser in C. Most answers arrive in one piece, which is faster to parse.

Beyond aiohttp's documented interface, this module relies on the following about `HttpResponseParser`: its arguments;
that it parses one answer after another; that its readers ask their protocol to pause and resume; and, since 3.14, that
a parser that reads no bodies takes whatever follows a head for the next head.
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
"""The read size reported to the parser. It matters only to readers that pause, and none does here."""


class Unpaused:
    """The protocol as body readers see it. It never pauses, because a body is limited in size anyway."""

    def pause_reading(self) -> None:
        """Do nothing: reading continues."""

    def resume_reading(self, *, resume_parser: bool = True) -> None:
        """Do nothing: reading continues."""


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
    """Parses answers that arrive in one piece, for all connections: one head parser stays in the CPU's cache.

    The body is the data after the head and needs no reader. The parser is reused only after a head that leaves it in
    its initial state, so that data on one connection cannot change how the answer on another is read.
    """

    def __init__(self) -> None:
        self._heads = _head_parser()

    def read(self, data: bytes) -> Reply | None:
        """Parse an answer with a given length that keeps the connection open. Return None for any other data."""
        body_at = data.find(_HEAD_END) + len(_HEAD_END)
        if body_at < len(_HEAD_END):
            return None
        try:
            ((head, _),), is_upgraded, _ = self._heads.feed_data(data[:body_at])
        except Exception:  # noqa: BLE001 - the connection's own parser finds and reports the same error
            self._heads = _head_parser()
            return None
        status, headers = head.code, head.headers
        length = headers.get(CONTENT_LENGTH)
        if is_upgraded or length is None or status not in _WITH_BODY or head.chunked or head.should_close:
            self._heads = _head_parser()
            return None
        return Reply(status, headers, data[body_at:]) if len(data) == body_at + int(length) else None
