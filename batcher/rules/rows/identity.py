"""The identity of a row: which buckets and objects are valid, and the 16-byte hash of the row's content. Pure.

A row is known by its content, so that a manifest may be sorted, extended or split.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from itertools import repeat

import orjson

from batcher.model import Json

KEY_BYTES = 16


def canonical(inputs: Mapping[str, Json]) -> bytes:
    """Write inputs as canonical JSON: sorted names, no spaces, raw UTF-8; b"" if there are none.

    Raises ValueError for what JSON cannot represent exactly: an integer beyond 64 bits, or nesting without end.
    """
    if not inputs:
        return b""
    try:
        return orjson.dumps(inputs, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:
        raise ValueError(f"inputs: cannot be written as JSON: {error}") from None


def content_key(bucket: str, object: str, inputs: bytes) -> bytes:  # noqa: A002 - the service's own word
    """Return the 16 bytes that identify a row. `inputs` must be canonical.

    Neither a bucket nor an object name can contain NUL, so NUL separates the parts unambiguously. Raises
    UnicodeEncodeError (a ValueError) for a lone surrogate.
    """
    return blake2b(f"{bucket}\0{object}\0".encode() + inputs, digest_size=KEY_BYTES).digest()


def content_keys(buckets: Sequence[str], objects: Sequence[str], inputs: Sequence[bytes]) -> list[bytes]:
    """Return the `content_key` of each row, in two thirds of the time. No object may contain NUL.

    What a bucket adds to the hash is computed once.
    """
    copies = {bucket: blake2b(f"{bucket}\0".encode(), digest_size=KEY_BYTES).copy for bucket in set(buckets)}
    begun = repeat(copies[buckets[0]]) if len(copies) == 1 else map(copies.__getitem__, buckets)
    keys = []
    for copy, content in zip(begun, _contents(objects, inputs), strict=False):
        key = copy()
        key.update(content)
        keys.append(key.digest())
    return keys


def _contents(objects: Sequence[str], inputs: Sequence[bytes]) -> list[bytes]:
    """Return what the hash of each row has after its bucket."""
    if len(set(inputs)) == 1 and not any("\n" in each for each in ("".join(objects), inputs[0].decode())):
        end = f"\0{inputs[0].decode()}"
        return (f"{end}\n".join(objects) + end).encode().split(b"\n")
    return [f"{object_}\0".encode() + written for object_, written in zip(objects, inputs, strict=True)]


def bad_key(text: str | bytes) -> bytes:
    """Return the 16 bytes that identify an unreadable entry by its text. They never equal those of a row."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return blake2b(data, digest_size=KEY_BYTES, person=b"bad row").digest()


MOST_KEY_BYTES = 1024
_MOST_CHARACTER_BYTES = 4
"""Of one character in UTF-8."""


_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def bucket_fault(name: str) -> str | None:
    """Check a bucket's name by https://support.huaweicloud.com/en-us/devg-obs/obs_06_0019.html."""
    if not _BUCKET.fullmatch(name):
        return "a bucket name has 3 to 63 of a-z, 0-9, - and ., and begins and ends with a letter or a digit"
    if any(pair in name for pair in ("..", ".-", "-.")):
        return "a bucket name must not contain two adjacent dots, or a dot next to a hyphen"
    if _is_address(name):
        return "a bucket name must not be an IP address"
    return None


def object_fault(key: str) -> str | None:
    """Check an object's key: 1 to 1,024 bytes of UTF-8 (https://support.huaweicloud.com/en-us/api-obs/obs_04_0022.html).

    In addition, only NUL is refused: it separates the parts of a row's identity.
    """
    if key and key.isascii() and "\0" not in key and len(key) <= MOST_KEY_BYTES:
        return None
    if not key:
        return "the key is missing or empty"
    if "\0" in key:
        return "the key contains a NUL character"
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        return "the key contains half a surrogate pair, which is not a character"
    return None if size <= MOST_KEY_BYTES else f"the key has {size:,} bytes of UTF-8; the maximum is {MOST_KEY_BYTES:,}"


def are_plain(objects: Sequence[str]) -> bool:
    """Return True only if `object_fault` finds no fault in any object and none is an address, at a glance."""
    joined = "\n".join(objects)
    most = MOST_KEY_BYTES if joined.isascii() else MOST_KEY_BYTES // _MOST_CHARACTER_BYTES
    # A single character is found in a fraction of the time.
    is_address = ":" in joined and "://" in joined
    return all(objects) and not is_address and "\0" not in joined and max(map(len, objects)) <= most


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
