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
UNKNOWN = "?\ufffd"
"""What stands for characters that a service cannot show."""


def forms(reported: str) -> list[str]:
    """Return the object names that a reported one may stand for: itself, percent-decoded, and with + as a space."""
    return [reported, unquote(reported), unquote_plus(reported)]


def is_key_alike(name: str, reported: str) -> bool:
    """Return whether a reported object name may be another form of `name`."""
    return not places(reported).isdisjoint(places_of(name, {len(reported)}))


def places(reported: str) -> set[str]:
    """Return the words under which to look for the object names that a reported one may be a form of."""
    found = _skeletons(reported)
    if any(mark in reported for mark in UNKNOWN):
        found |= {f"? {only_ascii(text)}" for text in _readings(reported)}
    if len(reported) >= SHORTEST:
        found.add(f"cut {reported}")
    return found


def places_of(name: str, lengths: Iterable[int]) -> set[str]:
    """Return the words under which `name` is found. `lengths` are those of the reported object names."""
    found = _skeletons(name)
    if not name.isascii():
        found |= {f"? {only_ascii(text)}" for text in _readings(name)}
    return found | {f"cut {name[:length]}" for length in lengths if SHORTEST <= length < len(name)}


def _readings(text: str) -> set[str]:
    read = {*forms(text), html.unescape(text), as_utf_8(text)}
    return read | {unicodedata.normalize(form, each) for each in read for form in _COMPOSITIONS}


def _skeletons(text: str) -> set[str]:
    """Return a name in all of its readings, without case, blanks and slashes."""
    return {f"= {bare(each.casefold())}" for each in _readings(text)}


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
