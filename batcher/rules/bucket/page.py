"""Reads a page of a bucket's list: XML as https://support.huaweicloud.com/en-us/api-obs/obs_04_0022.html has it. Pure.

Rule 1: no reply raises an error here. A page that cannot be read completely is not read at all.
Rule 2: no entity is expanded. A document with a DTD, without which there are none, is refused before it is parsed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from urllib.parse import unquote_plus
from xml.etree import ElementTree as ET

from batcher.model import Described, Reply
from batcher.rules.bucket.address import key_bytes
from batcher.rules.service.answers import read_start
from batcher.rules.service.verdicts import SUCCESS

_ROOT = "ListBucketResult"
_TRUTH = {"true": True, "false": False}


class ObjectPage(NamedTuple):
    """One page. The columns have one item per object, in the order of the page.

    A key is its text; bytes that are not UTF-8 are surrogates. What an object does not have is empty.
    """

    keys: Sequence[str]
    sizes: Sequence[str] = ()
    modified: Sequence[str] = ()
    etags: Sequence[str] = ()
    classes: Sequence[str] = ()
    prefixes: Sequence[str] = ()
    """What the keys begin with that a delimiter groups."""
    is_truncated: bool = False
    next_marker: str = ""
    echo: tuple[str | None, str | None] = (None, None)
    """The prefix and the marker that the page says it answers, None if it names none."""

    def part(self, places: Sequence[int]) -> ObjectPage:
        """Return the objects at these places."""
        keys, sizes, modified, etags, classes = (
            [column[at] for at in places] for column in (self.keys, self.sizes, self.modified, self.etags, self.classes)
        )
        return ObjectPage(keys, sizes, modified, etags, classes)

    def parted(self) -> Iterator[ObjectPage | str]:
        """Yield the objects and the groups of a page in the order of their names: pages of objects, and prefixes."""
        begin = 0
        names = list(map(key_bytes, self.keys))
        for prefix in self.prefixes:
            end = bisect_left(names, key_bytes(prefix), begin)
            if end > begin:
                yield self.part(range(begin, end))
            yield prefix
            begin = end
        if begin < len(names):
            yield self.part(range(begin, len(names)))


def read_object_page(reply: Reply) -> Described[ObjectPage]:
    """Read the answer to a question for a page."""
    if reply.status not in SUCCESS:
        refusal = read_start(reply)
        return Described(
            refusal.status, refusal.code, refusal.message, refusal.request_id, refusal.retry_after, refusal.date
        )
    page = object_page(reply.body)
    headers = reply.headers
    request_id = headers.get("x-obs-request-id") or headers.get("x-request-id") or ""
    return Described(
        reply.status, request_id=request_id, date=headers.get("date", ""), noun=page, is_garbled=page is None
    )


def object_page(body: bytes) -> ObjectPage | None:
    """Return the page that a body holds, None if any of it cannot be read."""
    try:
        text = body.decode()
        if "<!DOCTYPE" in text:
            return None
        # As text, so that no encoding that the document names hides a DTD from the line above.
        root = ET.fromstring(text.removeprefix("\ufeff"))  # noqa: S314 - without a DTD there are no entities
    except (UnicodeDecodeError, ET.ParseError, ValueError):
        return None
    space, _, name = root.tag.rpartition("}")
    if name != _ROOT:
        return None
    return _page(root, f"{space}}}" if space else "")


def _page(root: ET.Element, space: str) -> ObjectPage | None:
    is_encoded = (root.findtext(f"{space}EncodingType") or "").lower() == "url"
    is_truncated = _TRUTH.get((root.findtext(f"{space}IsTruncated") or "").strip().lower())
    entries = root.findall(f"{space}Contents")
    names = [each.findtext(f"{space}Key") or "" for each in entries]
    groups = [each.findtext(f"{space}Prefix") or "" for each in root.findall(f"{space}CommonPrefixes")]
    if is_truncated is None or "" in names or "" in groups:
        return None
    echo = root.findtext(f"{space}Prefix"), root.findtext(f"{space}Marker")
    return ObjectPage(
        _decoded(names, is_encoded=is_encoded),
        [each.findtext(f"{space}Size") or "" for each in entries],
        [each.findtext(f"{space}LastModified") or "" for each in entries],
        [(each.findtext(f"{space}ETag") or "").strip('"') for each in entries],
        [each.findtext(f"{space}StorageClass") or "" for each in entries],
        _decoded(groups, is_encoded=is_encoded),
        is_truncated,
        _echo(root.findtext(f"{space}NextMarker"), is_encoded=is_encoded) or "",
        echo=(_echo(echo[0], is_encoded=is_encoded), _echo(echo[1], is_encoded=is_encoded)),
    )


def _echo(text: str | None, *, is_encoded: bool) -> str | None:
    return None if text is None else _decoded([text], is_encoded=is_encoded)[0]


def _decoded(names: list[str], *, is_encoded: bool) -> list[str]:
    """Decode names. A + is a space, as the official SDKs read it; a plus sign is %2B."""
    if not is_encoded:
        return names
    return [unquote_plus(name, errors="surrogateescape") if "%" in name or "+" in name else name for name in names]
