"""Masks the values of credentials in texts of the service: whole or in part, as they are, escaped or encoded. Pure.

A service may quote what it was sent, in any of its own escapes. Whatever it says is masked before anything of it is
recorded, logged or shown.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar, cast
from urllib.parse import unquote

from msgspec import Struct, structs

from batcher.model import Answer, Credentials, ExecutionDetail, Reply
from batcher.rules.text import unescaped

T = TypeVar("T")

PART = 10
"""The number of consecutive characters of a secret that are masked. Fewer are shown: an access key by its end."""
_SHORTEST = 6
"""A shorter value is a word of a test, and would be masked in ordinary words."""
_ROUNDS = 4
"""How many times a text is unescaped: an escape may be escaped itself."""

_NAMES = ("[security token]", "[secret key]", "[access key]")
_ESCAPE = re.compile(
    r"%[0-9A-Fa-f]{2}|\\+u[0-9A-Fa-f]{4}|\\+x[0-9A-Fa-f]{2}|\\[^ux]|&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,8});"
)
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}[ :]?){10,}")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{14,}")
_PLAIN = re.compile(r"[A-Za-z0-9._~-]{4,}")
"""No usual escape changes these: they are the unreserved characters of https://www.rfc-editor.org/rfc/rfc3986."""


class _Level(NamedTuple):
    """A text after some rounds of unescaping. `ends[i]` is where the original of the character `i` ends."""

    text: str
    ends: Sequence[int]


class Secrets:
    """The values to mask. Made of all credentials that the job has used."""

    def __init__(self, used: Sequence[Credentials]) -> None:
        self._parts: dict[str, str] = {}
        """The name to show for each part of a secret."""
        self._lengths: set[int] = set()
        probes: dict[str, None] = {}
        for each in used:
            for name, value in zip(_NAMES, (each.security_token, each.secret_key, each.access_key), strict=True):
                if len(value) < _SHORTEST:
                    continue
                length = min(PART, len(value))
                self._lengths.add(length)
                for at in range(len(value) - length + 1):
                    self._parts.setdefault(value[at : at + length], name)
                # So a text without one of these has no secret in it.
                run = _PLAIN.search(value)
                probes[value if run is None else run[0][:PART]] = None
        self._probes = tuple(probes)
        self._bytes = tuple(probe.encode() for probe in probes)
        # A busy service says the same thousands of times.
        self._remembered = lru_cache(maxsize=64)(self._mask)

    def may_be_in(self, reply: Reply, answer: Answer) -> bool:
        """Return whether a reply and the answer read from it may contain the beginning of a secret. Fast."""
        body = reply.body
        for probe in self._bytes:
            # `in` takes half as long again: it first tries whether the probe is a number.
            if body.find(probe) >= 0:
                return True
        # The other text of a success, which may come from a header.
        text = answer.request_id
        for word in self._probes:  # noqa: SIM110 - any() takes twice as long, and this is done for every row
            if word in text:
                return True
        return False

    def masked(self, text: str) -> str:
        """Return the text with each secret replaced by its name in brackets."""
        return self._remembered(text)

    def _mask(self, text: str) -> str:
        spans: dict[tuple[int, int], str] = {}
        for level in _levels(text):
            spans |= self._found(level)
        if not spans:
            return text
        parts, at = [], 0
        for (start, end), name in sorted(spans.items()):
            if end <= at:
                continue
            if start >= at:
                parts += [text[at:start], name]
            at = end
        return "".join([*parts, text[at:]])

    def cleaned(self, value: T) -> T:
        """Return an answer or a noun of the service with its texts masked.

        What an execution was started with is left as it is: it is compared with the rows, which may contain anything.
        """
        cleaned: Any = value
        match value:
            case str():
                cleaned = self.masked(value)
            case ExecutionDetail():
                cleaned = value._replace(execution=self.cleaned(value.execution))
            case Struct():
                cleaned = structs.replace(value, **{name: self.cleaned(each) for name, each in _fields(value)})
            case tuple():
                items = [self.cleaned(each) for each in value]
                cleaned = type(value)(*items) if hasattr(value, "_fields") else tuple(items)
            case list():
                cleaned = [self.cleaned(each) for each in value]
            case dict():
                cleaned = {self.cleaned(name): self.cleaned(each) for name, each in value.items()}
        return cast("T", cleaned)

    def _found(self, level: _Level) -> Iterator[tuple[tuple[int, int], str]]:
        """Yield where the original has a secret, and its name."""
        found = [*self._parts_in(level.text)]
        for start, end, decoded in _decodings(level.text):
            found += [(start, end, name) for _, _, name in self._parts_in(decoded)][:1]
        for start, end, name in found:
            yield (level.ends[start - 1] if start else 0, level.ends[end - 1]), name

    def _parts_in(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Yield where a part of a secret begins and ends, and the secret's name."""
        for length in self._lengths:
            for at in range(len(text) - length + 1):
                name = self._parts.get(text[at : at + length])
                if name is not None:
                    yield at, at + length, name


def _fields(value: Struct) -> Iterator[tuple[str, Any]]:
    """Yield the fields of a struct that may have texts of the service."""
    return ((name, getattr(value, name)) for name in value.__struct_fields__ if name != "meaning")


def _levels(text: str) -> Iterator[_Level]:
    """Yield the text as it is, and after each round of unescaping that changes it."""
    level = _Level(text, range(1, len(text) + 1))
    yield level
    for _ in range(_ROUNDS):
        following = _unescaped(level)
        if len(following.text) == len(level.text):
            return
        level = following
        yield level


def _unescaped(level: _Level) -> _Level:
    text, ends = level
    parts: list[str] = []
    kept: list[int] = []
    at = 0
    for match in _ESCAPE.finditer(text):
        plain = _plain(match[0])
        if len(plain) == 1:
            parts += [text[at : match.start()], plain]
            kept += [*ends[at : match.start()], ends[match.end() - 1]]
            at = match.end()
    return _Level("".join([*parts, text[at:]]), [*kept, *ends[at:]])


def _plain(escape: str) -> str:
    """Return the character of an escape, or the escape itself if it is none."""
    match escape[0]:
        case "%":
            return unquote(escape, "latin-1")
        case "&":
            return unescaped(escape)
    word = escape.lstrip("\\")
    return chr(int(word[1:], 16)) if len(word) > 1 else escape[1:]


def _decodings(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield where the text may be hexadecimal or Base64, and what it means then."""
    for match in _HEX.finditer(text):
        yield match.start(), match.end(), bytes.fromhex(match[0].replace(":", "")).decode("latin-1")
    for match in _BASE64.finditer(text):
        run = match[0].translate({ord("-"): "+", ord("_"): "/"})
        for shift in range(4):
            whole = run[shift : len(run) - (len(run) - shift) % 4]
            try:
                yield match.start(), match.end(), base64.b64decode(whole).decode("latin-1")
            except binascii.Error:
                continue
