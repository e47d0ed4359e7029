"""Which shard a row belongs to: the hash of its object's key decides. Pure.

Rows that could be confused belong to one shard: those with the same content, of which only the first is started, and
those whose keys a service may show alike, which are distinguished when doubts are settled.
"""

from __future__ import annotations

import html
import unicodedata
from urllib.parse import unquote
from zlib import crc32

_KNOWN = unicodedata.ucd_3_2_0
"""A version of Unicode that every version of Python has, so that a key has one owner everywhere."""
_KEPT_AS_IT_IS = "Cn"
_LEFT_OUT = "Mn"


class _Folding(dict[int, str]):
    """What each character becomes, by its code, for `str.translate`: without case, form and accents, or nothing."""

    def __missing__(self, code: int) -> str:
        text = chr(code)
        if _KNOWN.category(text) != _KEPT_AS_IT_IS:
            parts = _KNOWN.normalize("NFKD", _KNOWN.normalize("NFKD", text).casefold())
            text = "".join(each for each in parts if each not in "/+" and _KNOWN.category(each) != _LEFT_OUT)
            text = "".join(text.split())
        self[code] = text
        return text


_FOLDING = _Folding()
_SPREADING, _MOST = 0x9E3779B1, 0xFFFFFFFF
"""2^32 divided by the golden ratio, for multiplicative hashing (Knuth, The Art of Computer Programming, 6.4)."""
_NOTHING = b"/+ \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f"
"""The characters of ASCII that become nothing."""


def owner(key: str, of: int) -> int:
    """Return the number of the shard, of `of`, that rows of the object with this key belong to.

    It is the same in every version: a change would make rows that were started those of another shard.
    """
    # Multiplied, because the remainder of a checksum depends on some bits of the key only.
    return ((crc32(alike(key)) * _SPREADING) >> 16 & _MOST) % of


def alike(key: str) -> bytes:
    """Return what all the forms of a key that lose nothing else have in common, see `batcher.rules.doubts.forms`.

    Lost are its case, its Unicode form with its accents, percent-encoding and entities, slashes and blanks.
    """
    if key.isascii() and "%" not in key and "&" not in key:
        # As below, in a third of the time: most keys are such.
        return key.encode().lower().translate(None, _NOTHING)
    key = key.translate(_FOLDING)
    # Decoded until it stays as it is: a decoded key may be encoded again.
    while ("%" in key or "&" in key) and (plain := html.unescape(unquote(key)).translate(_FOLDING)) != key:
        key = plain
    return key.encode("utf-8", "replace")
