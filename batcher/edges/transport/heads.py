"""Reads answers that arrive in one piece. Their heads repeat: within a second, a service sends the same few.

Rule 1: aiohttp's parser reads each head once. The same bytes mean the same the next time.
Rule 2: heads that differ only in the value of a request id differ in nothing else. No parser acts on such a value.

Beyond aiohttp's documented interface, this module relies on `HttpResponseParser`: its arguments; that it parses one
answer after another; and, since 3.14, that a parser that reads no bodies takes whatever follows a head for the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import aiohttp
from aiohttp.hdrs import CONTENT_LENGTH
from aiohttp.http import HttpResponseParser
from msgspec import Struct, structs
from multidict import CIMultiDict, CIMultiDictProxy

from batcher.model import Reply

MOST_HEADS = 64
"""The number of heads that are remembered. They change each second, with their date."""
LONGEST_HEAD = 4096
"""A longer head is not remembered, in bytes."""
ID_NAMES = frozenset({b"x-request-id", b"x-obs-request-id", b"x-amz-request-id", b"x-obs-id-2", b"x-amz-id-2"})
"""The headers that name the answer itself, so that each answer has another value."""
MOST_MARKS = 8
MOST_MISSES = 128
"""After this number of answers without a head that was known, one head in MOST_HEADS is remembered."""
LONGEST_ID = 256
_ID_BYTES = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+-./:=_"
"""What such a value consists of. A head with any other is not remembered."""

_WITH_BODY = frozenset(range(200, 600)) - {204, 304}
_HEAD_END = b"\r\n\r\n"
_LINE_END = b"\r\n"
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


class _Head(Struct, frozen=True, gc=False):
    """A head that keeps the connection open and gives the length of its body."""

    status: int
    headers: Mapping[str, str]
    length: int
    fields: tuple[tuple[str, str], ...] = ()
    """The headers as a sequence, if values were cut out of them."""
    places: tuple[int, ...] = ()
    """The places, in this sequence, of these values."""


class WholeAnswers:
    """Reads answers that arrive in one piece, for all connections: one head parser stays in the CPU's cache.

    The body is the data after the head and needs no reader. The parser is reused only after a head that leaves it in
    its initial state, so that data on one connection cannot change how the answer on another is read.
    """

    def __init__(self) -> None:
        self._parser = _head_parser()
        self._known: dict[bytes, _Head] = {}
        """The heads by their bytes, without the values that were cut out."""
        self._marks: tuple[bytes, ...] = ()
        """How the lines of these values begin, as the service spells them."""
        self._misses = 0
        """How many heads were parsed since one was known."""

    def read(self, data: bytes) -> Reply | None:
        """Read an answer with a given length that keeps the connection open. Return None for any other data."""
        body_at = data.find(_HEAD_END) + len(_HEAD_END)
        if body_at < len(_HEAD_END):
            return None
        key, values = _cut(data[:body_at], self._marks)
        head = self._known.get(key)
        if head is None:
            head = self._parsed(data[:body_at])
        elif self._misses:
            self._misses = 0
        if head is None or len(data) != body_at + head.length:
            return None
        return Reply(head.status, _with(values, head) if head.places else head.headers, data[body_at:])

    def _parsed(self, raw: bytes) -> _Head | None:
        """Parse a head and remember it. Return None unless it keeps the connection open and gives a length."""
        if raw.count(_LINE_END) != raw.count(b"\n"):
            # The parser accepts lines without a carriage return, so that the head may have ended earlier.
            return None
        try:
            ((message, _),), is_upgraded, _ = self._parser.feed_data(raw)
        except Exception:  # noqa: BLE001 - the connection's own parser finds and reports the same error
            self._parser = _head_parser()
            return None
        length = message.headers.get(CONTENT_LENGTH)
        if is_upgraded or length is None or message.code not in _WITH_BODY or message.chunked or message.should_close:
            self._parser = _head_parser()
            return None
        head = _Head(message.code, message.headers, int(length))
        self._misses += 1
        is_kept = self._misses < MOST_MISSES or self._misses % MOST_HEADS == 0
        if is_kept and len(raw) <= LONGEST_HEAD:
            self._remember(raw, head, message.raw_headers)
        return head

    def _remember(self, raw: bytes, head: _Head, sent: Sequence[tuple[bytes, bytes]]) -> None:
        """Remember a head, unless the cut does not find what the parser found. `sent` are the headers as sent."""
        for name, _ in sent:
            mark = b"\r\n%s: " % name
            if name.lower() in ID_NAMES and mark not in self._marks and len(self._marks) < MOST_MARKS:
                self._marks += (mark,)
        key, values = _cut(raw, self._marks)
        names = [mark[2:-2] for mark in self._marks if mark in raw]
        places = [place for name in names for place, field in enumerate(sent) if field[0] == name]
        # They differ for a name that comes twice, and for a line that goes on in the next.
        if key and [sent[place][1] for place in places] == values:
            if len(self._known) == MOST_HEADS:
                self._known.clear()
            fields = tuple(head.headers.items()) if places else ()
            self._known[key] = structs.replace(head, fields=fields, places=tuple(places))


def _cut(head: bytes, marks: Iterable[bytes]) -> tuple[bytes, list[bytes]]:
    """Cut the values out of the lines that begin with these marks. Return the rest, empty if a value is unusual."""
    values = []
    for mark in marks:
        start = head.find(mark) + len(mark)
        if start < len(mark):
            continue
        end = head.find(_LINE_END, start)
        value = head[start:end]
        if len(value) > LONGEST_ID or value.translate(None, _ID_BYTES):
            return b"", []
        values.append(value)
        head = head[:start] + head[end:]
    return head, values


def _with(values: Sequence[bytes], head: _Head) -> Mapping[str, str]:
    """Return the headers of a remembered head with the values that were cut out of another."""
    fields = [*head.fields]
    for place, value in zip(head.places, values, strict=True):
        fields[place] = (fields[place][0], value.decode())
    return CIMultiDictProxy(CIMultiDict(fields))
