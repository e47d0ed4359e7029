"""The identity of a row: a 16-byte hash of its content, so that a manifest may be sorted, extended or split. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b

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


def bad_key(text: str | bytes) -> bytes:
    """Return the 16 bytes that identify an unreadable entry by its text. They never equal those of a row."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return blake2b(data, digest_size=KEY_BYTES, person=b"bad row").digest()
