"""Whether a text that a service shows may be another form of what was sent. Pure.

Nothing documents these forms. An execution that may be a row's keeps the row in doubt, and is never adopted for it.
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable
from typing import Literal
from urllib.parse import unquote, unquote_plus

import orjson

from batcher.model import Json

SHORTEST = 8
"""The minimum number of characters of a key that may have been cut: shorter ones are the beginning of too many."""
_COMPOSITIONS: tuple[Literal["NFC", "NFKC", "NFD"], ...] = ("NFC", "NFKC", "NFD")
_CODED = frozenset("%+&")
"""The ASCII characters that stand for others where a name is encoded."""
UNKNOWN = "?\ufffd"
"""What stands for characters that a service cannot show."""


def forms(reported: str) -> list[str]:
    """Return the object names that a reported one may stand for: itself, percent-decoded, and with + as a space."""
    return [reported, unquote(reported), unquote_plus(reported)]


def is_key_alike(name: str, reported: str) -> bool:
    """Return whether a reported object name may be another form of `name`."""
    return not places(reported).isdisjoint(places_of(name, cuts(reported)))


def places(reported: str) -> set[str]:
    """Return the words under which to look for the object names that a reported one may be a form of."""
    read = _readings(reported)
    found = {f"= {_skeleton(text)}" for text in read}
    found |= {f"? {only_ascii(text).casefold()}" for text in read if any(mark in text for mark in UNKNOWN)}
    if "/" not in reported:
        found |= {f"base {_skeleton(text)}" for text in read}
    if len(reported) >= SHORTEST:
        found.add(f"cut {reported}")
    return found | {f"cut = {text}" for text in map(_skeleton, read) if len(text) >= SHORTEST}


def cuts(reported: str) -> set[int]:
    """Return the numbers of characters after which the key may have been cut that a reported one is a form of."""
    return {len(reported), *(len(_skeleton(text)) for text in _readings(reported))}


def places_of(name: str, lengths: Iterable[int]) -> set[str]:
    """Return the words under which `name` is found. `lengths` are the `cuts` of the reported object names."""
    read = _readings(name)
    skeletons = {_skeleton(text) for text in read}
    found = {f"= {text}" for text in skeletons}
    if not name.isascii():
        found |= {f"? {only_ascii(text).casefold()}" for text in read}
    found |= {f"base {_skeleton(text.rpartition('/')[2])}" for text in read if "/" in text}
    for length in lengths:
        if SHORTEST <= length < len(name):
            found.add(f"cut {name[:length]}")
        found |= {f"cut = {text[:length]}" for text in skeletons if SHORTEST <= length < len(text)}
    return found


def _readings(text: str) -> set[str]:
    """Return what a text may stand for. What was done to it last is undone first."""
    if text.isascii() and not _CODED.intersection(text):
        return {text}
    read = {*forms(text)}
    read |= {html.unescape(each) for each in read}
    read |= {as_utf_8(each) for each in read}
    return read | {unicodedata.normalize(form, each) for each in read for form in _COMPOSITIONS}


def _skeleton(text: str) -> str:
    """Return a name without case, blanks and slashes."""
    return bare(text.casefold())


def bare(text: str) -> str:
    """Remove slashes and blanks."""
    return "".join(text.replace("/", " ").split())


def only_ascii(text: str) -> str:
    """Remove slashes, blanks, and what a service may show as a question mark."""
    return bare("".join(char for char in text if char.isascii() and char not in UNKNOWN))


def as_utf_8(text: str) -> str:
    """Read a text again whose UTF-8 was taken for Latin-1."""
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text


def is_value_alike(value: Json, reported: Json) -> bool:
    """Return whether a reported input may be another form of `value`: masked, or written in another way."""
    return is_masked(reported) or _plain(value) == _plain(reported)


def is_masked(reported: Json) -> bool:
    """Return whether a value is shown as stars, or as nothing."""
    return isinstance(reported, str) and not reported.strip("* ")


def _plain(value: Json) -> Json:
    """Return a value in a form in which it does not matter how numbers, text and missing values are written."""
    if isinstance(value, str):
        return _plain_text(value)
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_plain(item) for item in value if item is not None]
    return value


def _plain_text(text: str) -> Json:
    text = text.strip()
    try:
        decoded = orjson.loads(text)
    except ValueError:
        return unicodedata.normalize("NFKC", html.unescape(text)).casefold()
    return text.casefold() if isinstance(decoded, str) else _plain(decoded)
