"""One kept connection: writes one request at a time, and parses its answer with aiohttp's parser in C.

A wire replaces the protocol that aiohttp gave the connection. Beyond aiohttp's documented interface, this module
relies on `Connection.protocol` with its `should_close` and `connection_lost`, on `StreamReader._buffer`, which holds
the parts of a body, and on `HttpResponseParser`: its arguments; that it parses one answer after another; and that its
readers ask their protocol to pause and resume.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
from aiohttp.http import HttpResponseParser

from batcher.edges.transport.body import MOST_BYTES
from batcher.edges.transport.heads import Unpaused, WholeAnswers, parser
from batcher.model import Reply

if TYPE_CHECKING:
    from aiohttp.http import RawResponseMessage

_SWITCHED = 101
_INTERIM = frozenset(range(100, 200)) - {_SWITCHED}


class Wire(Unpaused, asyncio.Protocol):
    """A connection that carries one request after another. `is_free` says whether it may be used for the next one.

    Data that arrives without a request may belong to any request, so the wire is not used again.
    """

    def __init__(self, connection: aiohttp.connector.Connection, answers: WholeAnswers) -> None:
        self._connection = connection
        self._answers = answers
        self._replaced = connection.protocol
        self._transport = connection.transport
        self._loop = asyncio.get_running_loop()
        self._parser: HttpResponseParser | None = None
        """Created for the first answer that does not arrive in one piece."""
        self._is_begun = False
        """Whether the parser has received a part of the answer."""
        self._asked: asyncio.Future[Reply | None] | None = None
        self._head: RawResponseMessage | None = None
        self._content = aiohttp.EMPTY_PAYLOAD
        self._is_last = False
        """Whether the connection ends with this answer."""
        self.has_sent = False
        """Whether a byte of the last request may have left."""
        self.asked_at = 0.0
        """When the last request was sent, in seconds of the steady clock."""
        self.is_free = self._replaced is not None and not self._replaced.should_close
        if self._transport is not None:
            self._transport.set_protocol(self)

    @property
    def is_asked(self) -> bool:
        """Whether a request waits for its answer."""
        return self._asked is not None

    def ask(self, message: bytes, now: float) -> asyncio.Future[Reply | None]:
        """Write a request. The future returns its answer, or None if that is too large, or raises aiohttp's error.

        `has_sent` is set before the first byte is written, but only after the connection is known to be open. `now` is
        in seconds of the steady clock.
        """
        is_free, self.is_free, self.has_sent = self.is_free, False, False
        self.asked_at = now
        transport = self._transport
        if not is_free or transport is None or transport.is_closing():
            raise aiohttp.ClientConnectionResetError("Cannot write to closing transport")
        self._asked = asked = self._loop.create_future()
        self.has_sent = True
        transport.write(message)
        return asked

    def expire(self) -> None:
        """Fail the request, because it took too long."""
        self._fail(TimeoutError())
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def data_received(self, data: bytes) -> None:
        """Parse data that has arrived."""
        if self._asked is None:
            self.is_free = False
        elif not self._is_begun and (reply := self._answers.read(data)) is not None:
            self._resolve(reply)
        else:
            self._parse(data)

    def _parse(self, data: bytes) -> None:
        """Parse the next part of an answer."""
        self._is_begun = True
        if self._parser is None:
            self._parser = parser(self)
        try:
            messages, _, _ = self._parser.feed_data(data)
        except Exception as error:  # noqa: BLE001 - after any error of the parser there is no answer
            self._fail(error)
            return
        for head, content in messages:
            if head.code in _INTERIM:
                continue
            self._is_last = self._head is not None or head.should_close or head.code == _SWITCHED
            if self._head is None:
                self._head, self._content = head, content
        if self._head is None:
            return
        if self._content.is_eof():
            self._answer(self._head, self._content)
        elif self._content.total_bytes > MOST_BYTES:
            self._is_last = True
            self._resolve(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Finish the request, successfully if the body ends with the connection. The connector has to be notified."""
        self.is_free = False
        if self._replaced is not None:
            self._replaced.connection_lost(exc)
        if self._asked is None:
            return
        self._is_last = True
        cut: Exception | None = None
        try:
            if self._parser is not None:
                self._parser.feed_eof()
        except Exception as error:  # noqa: BLE001 - as above
            cut = error
        if self._head is not None and cut is None:
            self._answer(self._head, self._content)
        elif self._head is not None:
            self._fail(aiohttp.ClientPayloadError(str(cut)))
        elif isinstance(exc, OSError):
            self._fail(aiohttp.ClientOSError(*exc.args))
        else:
            self._fail(aiohttp.ServerDisconnectedError())

    def _answer(self, head: RawResponseMessage, content: aiohttp.StreamReader) -> None:
        body = b"" if content is aiohttp.EMPTY_PAYLOAD else b"".join(content._buffer)  # noqa: SLF001 - pinned, see above
        self._resolve(Reply(head.code, head.headers, body))

    def _resolve(self, reply: Reply | None) -> None:
        asked, self._asked, self._head, self._is_begun = self._asked, None, None, False
        self.is_free = not self._is_last
        if asked is not None and not asked.done():
            asked.set_result(reply)

    def _fail(self, error: Exception) -> None:
        asked, self._asked = self._asked, None
        if asked is not None and not asked.done():
            asked.set_exception(error)
