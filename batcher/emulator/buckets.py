"""The objects of emulated buckets, what a HEAD request shows of them, and the pages of their lists. Pure.

The calls are those of https://support.huaweicloud.com/en-us/api-obs/obs_04_0022.html and obs_04_0084.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime
from email.utils import format_datetime
from html import escape
from typing import NamedTuple, overload
from urllib.parse import quote_plus
from zlib import crc32

from batcher.emulator.answers import service_time

NAMESPACE = "http://obs.myhwclouds.com/doc/2015-06-30/"
_FOLDER = 10_000
"""Objects in each folder of a bucket that is made up."""
_BEGIN = 1_790_000_000
"""When the first object was modified, in POSIX seconds. The others follow within a month."""
_MONTH = 30 * 86400
_EMPTY = (b"/", b".empty")
"""What the keys of objects without content end with."""
_CLASSES = ("STANDARD",) * 8 + ("WARM", "COLD")


class MadeUp(Sequence[bytes]):
    """The keys of a bucket with any number of objects, in order. None of them is stored."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, at: int) -> bytes: ...
    @overload
    def __getitem__(self, at: slice) -> list[bytes]: ...
    def __getitem__(self, at: int | slice) -> bytes | list[bytes]:
        if isinstance(at, slice):
            return [self[each] for each in range(*at.indices(self._count))]
        if not -self._count <= at < self._count:
            raise IndexError(at)
        folder, number = divmod(at % self._count, _FOLDER)
        return b"clips/%05d/clip %04d.mp4" % (folder, number)


def in_order(keys: Iterable[str | bytes]) -> Sequence[bytes]:
    """Return keys in the order in which a bucket lists them: that of their bytes."""
    return sorted({key.encode() if isinstance(key, str) else key for key in keys})


class Facts(NamedTuple):
    """What a bucket knows of an object, made from its key."""

    size: int
    modified: str
    etag: str
    storage_class: str


def facts_of(key: bytes) -> Facts:
    """Return what the bucket knows of an object."""
    number = crc32(key)
    modified = service_time(_BEGIN + number % _MONTH)
    size = 0 if key.endswith(_EMPTY) else number % 10_000_000
    return Facts(size, modified, f"{number:032x}", _CLASSES[number % 10])


def is_in(keys: Sequence[bytes], key: bytes) -> bool:
    """Return whether a bucket has an object with this key."""
    at = bisect_left(keys, key)
    return at < len(keys) and keys[at] == key


def head_headers(key: bytes) -> dict[str, str]:
    """Return the headers that show an object. The usual storage class is not among them."""
    size, modified, etag, class_ = facts_of(key)
    shown = {"x-obs-storage-class": class_} if class_ != _CLASSES[0] else {}
    changed = format_datetime(datetime.fromisoformat(modified), usegmt=True)
    return {"Content-Length": str(size), "ETag": f'"{etag}"', "Last-Modified": changed, **shown}


class ListQuestion(NamedTuple):
    """What a page is asked for. `most` is the number of objects and groups on it."""

    prefix: bytes = b""
    marker: bytes = b""
    delimiter: bytes = b""
    most: int = 1000


class ListedPage(NamedTuple):
    """A page: its keys, its groups, and whether more follow."""

    keys: Sequence[bytes]
    groups: Sequence[bytes]
    is_truncated: bool

    @property
    def last(self) -> bytes:
        """The last name on the page, empty if there is none."""
        return max((*self.keys[-1:], *self.groups[-1:]), default=b"")


def page_of(keys: Sequence[bytes], question: ListQuestion) -> ListedPage:
    """Return a page of a bucket's list."""
    prefix, marker, delimiter, most = question
    at = max(bisect_right(keys, marker), bisect_left(keys, prefix))
    end = len(keys) if not prefix else bisect_left(keys, _behind(prefix), at)
    if not delimiter:
        return ListedPage(keys[at : min(at + most, end)], (), at + most < end)
    found: list[bytes] = []
    groups: list[bytes] = []
    while at < end and len(found) + len(groups) < most:
        key = keys[at]
        head, is_group, _ = key[len(prefix) :].partition(delimiter)
        if not is_group:
            found.append(key)
            at += 1
            continue
        group = prefix + head + delimiter
        if group > marker:
            groups.append(group)
        at = bisect_left(keys, _behind(group), at)
    return ListedPage(found, groups, at < end)


def _behind(prefix: bytes) -> bytes:
    """Return what follows every key that begins like this. No key of UTF-8 has a byte 255."""
    return prefix + b"\xff" * 4


def page_document(
    bucket: str,
    question: ListQuestion,
    page: ListedPage,
    *,
    is_encoded: bool = True,
    has_marker: bool = True,
) -> bytes:
    """Write a page as the service does."""

    def name(raw: bytes) -> str:
        return quote_plus(raw, safe="/") if is_encoded else escape(raw.decode(), quote=False)

    def item(key: bytes) -> str:
        size, modified, etag, class_ = facts_of(key)
        return (
            f'<Contents><Key>{name(key)}</Key><LastModified>{modified}</LastModified><ETag>"{etag}"</ETag>'
            f"<Size>{size}</Size><Owner><ID>emulator</ID></Owner><StorageClass>{class_}</StorageClass></Contents>"
        )

    prefix, marker, delimiter, most = question
    head = f"<Name>{bucket}</Name><Prefix>{name(prefix)}</Prefix><Marker>{name(marker)}</Marker>"
    head += f"<MaxKeys>{most}</MaxKeys><IsTruncated>{'true' if page.is_truncated else 'false'}</IsTruncated>"
    head += f"<Delimiter>{name(delimiter)}</Delimiter>" if delimiter else ""
    head += "<EncodingType>url</EncodingType>" if is_encoded else ""
    head += f"<NextMarker>{name(page.last)}</NextMarker>" if page.is_truncated and has_marker else ""
    groups = "".join(f"<CommonPrefixes><Prefix>{name(group)}</Prefix></CommonPrefixes>" for group in page.groups)
    items = "".join(map(item, page.keys))
    begin = f'<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="{NAMESPACE}">'
    return f"{begin}{head}{items}{groups}</ListBucketResult>".encode()
