"""Objects that are written as addresses: `obs://bucket/key` names both, any other address is a mistake. Pure."""

from __future__ import annotations

import re

MARK = ":"
"""What every address contains. An object without it need not be looked at."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(?=://)")


def located(bucket: str, object_: str) -> tuple[str, str]:
    """Return the bucket and the key of an object: those of its address if it is one, else as they are.

    `bucket` is that of the row, empty if it names none. Raises ValueError for an address that is not OBS's, or that
    names another bucket than the row.
    """
    scheme = _SCHEME.match(object_) if MARK in object_ else None
    if scheme is None:
        return bucket, object_
    if scheme[0].lower() != "obs":
        raise ValueError(f"object: {scheme[0]}:// begins an address, not a key; write obs://BUCKET/KEY, or the key")
    named, _, key = object_[scheme.end() :].removeprefix("://").partition("/")
    if bucket not in {"", named}:
        raise ValueError(f"object: the address is in the bucket {named}, but the row names the bucket {bucket}")
    return named, key
