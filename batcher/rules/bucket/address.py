"""The address of what to list: `obs://BUCKET/PREFIX`, taken byte for byte, and the name of the list made from it. Pure.

Nothing is decoded or normalised: `a//b` and `%20` are parts of keys like any other.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import NamedTuple

from batcher.errors import UsageError
from batcher.rules.rows.identity import bucket_fault

SCHEME = "obs://"
_PLAIN = re.compile(r"(?:[A-Za-z0-9-]+/)*[A-Za-z0-9-]*")
_UNFIT = re.compile(r"[^A-Za-z0-9-]+")
_LONGEST = 60
"""The most characters of a prefix in the name of a file."""


class Address(NamedTuple):
    """A bucket, and what the keys to list begin with. An empty prefix is the whole bucket."""

    bucket: str
    prefix: str = ""

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.prefix}" if self.prefix else f"{SCHEME}{self.bucket}"


def is_address(text: str) -> bool:
    """Return whether a text names a bucket in place of a file. A path whose slashes were merged is refused.

    Raises UsageError for `obs:/BUCKET`, which is what a path makes of an address.
    """
    if text[: len(SCHEME)].lower() == SCHEME:
        return True
    if text[: len(SCHEME) - 1].lower() == SCHEME[:-1]:
        raise UsageError("not the address of a bucket", "Write obs://BUCKET/PREFIX, as text: a path merges slashes.")
    return False


def address_of(text: str) -> Address:
    """Read `obs://BUCKET` or `obs://BUCKET/PREFIX`. Raises UsageError if no bucket can have that name."""
    bucket, _, prefix = text[len(SCHEME) :].partition("/")
    fault = bucket_fault(bucket)
    if fault is not None:
        raise UsageError(f"the bucket {bucket!r}: {fault}", "Write obs://BUCKET or obs://BUCKET/PREFIX.")
    return Address(bucket, prefix)


def list_name(address: Address) -> str:
    """Return the name of the file for a list: no two addresses have the same one.

    The slashes of a prefix become underscores. A prefix with other characters, or a long one, gets a digest.
    """
    bucket, prefix = address
    if not prefix:
        return f"{bucket}.csv"
    if _PLAIN.fullmatch(prefix) and len(prefix) <= _LONGEST:
        return f"{bucket}_{prefix.replace('/', '_')}.csv"
    digest = sha256(prefix.encode("utf-8", "surrogateescape")).hexdigest()[:12]
    return f"{bucket}_{_UNFIT.sub('_', prefix)[:_LONGEST]}_.{digest}.csv"


def key_bytes(key: str) -> bytes:
    """Return the bytes of a key, by which keys are ordered."""
    return key.encode("utf-8", "surrogateescape")
