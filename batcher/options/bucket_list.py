"""The list of a bucket as a path: the file that the list is written to, and the address that it is made from.

Wherever a manifest is given, the address of a bucket may be given. All that looks at files sees the file.
"""

from __future__ import annotations

from pathlib import Path

from batcher.rules.bucket.address import Address, address_of, list_name


class BucketList(type(Path())):  # type: ignore[misc]
    """The path of a list that is made from a bucket. A path derived from it has no address."""

    address: Address | None = None


def bucket_list(text: str) -> BucketList:
    """Return the list of `obs://BUCKET/PREFIX`, in the working directory. Raises UsageError for an invalid bucket."""
    address = address_of(text)
    return listed_at(Path(list_name(address)), address)


def listed_at(path: Path, address: Address) -> BucketList:
    """Return the list of an address at another path."""
    made = BucketList(path)
    made.address = address
    return made


def address_in(path: Path | None) -> Address | None:
    """Return the address that a path was given as, None if it was given as a path."""
    return path.address if isinstance(path, BucketList) else None
