"""The identity of a row: 16 bytes of its content, so that a manifest may be re-sorted, appended to or split. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b

import orjson

from batcher.model import Json

KEY_BYTES = 16


def canonical(inputs: Mapping[str, Json]) -> bytes:
    """Write inputs as JSON in one form only: names sorted, no spaces, raw UTF-8; b"" when there are none.

    Raises ValueError for what JSON cannot carry exactly: an integer beyond 64 bits, nesting without end.
    """
    if not inputs:
        return b""
    try:
        return orjson.dumps(inputs, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:
        raise ValueError(f"inputs: cannot be written as JSON: {error}") from None


def content_key(bucket: str, object: str, inputs: bytes) -> bytes:  # noqa: A002 - the service's own word
    """Give the 16 bytes that identify a row; `inputs` are canonical.

    Neither a bucket nor an object key may hold NUL, so the NUL between the parts cannot be mistaken. Raises
    UnicodeEncodeError (a ValueError) for a lone surrogate.
    """
    return blake2b(f"{bucket}\0{object}\0".encode() + inputs, digest_size=KEY_BYTES).digest()


def bad_key(text: str | bytes) -> bytes:
    """Give the 16 bytes that identify an entry that is no row, by its text; never those of a row."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return blake2b(data, digest_size=KEY_BYTES, person=b"bad row").digest()
