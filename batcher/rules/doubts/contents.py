"""The likeness: what an execution was started with, read from its input, and how well that fits a row. Pure.

What an execution's `input` holds is nowhere documented, so it is read tolerantly: JSON in text, plain or as the record
of an event, keys raw or encoded. https://support.huaweicloud.com/en-us/api-obs/obs_04_0129.html
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from urllib.parse import unquote, unquote_plus

import orjson

from batcher.model import Json, Unsettled
from batcher.rules.rows.identity import canonical

BLURRED = 30
"""The likeness of what may or may not be the row's: enough to hold the row, not to adopt the execution."""
DEEPEST = 8
"""So far into an execution's input is looked, and so many times is text taken for JSON within text."""


class Content(NamedTuple):
    """What an execution was started with, as one place in its input says. `inputs` is None where none are told."""

    bucket: str
    key: str
    inputs: Mapping[str, Json] | None


def contents_of(text: str) -> tuple[Content, ...] | None:
    """Find every bucket and key in an execution's input, plain or as an event's records; None if there are none."""
    return tuple(_find(text, None, DEEPEST)) or None


def _find(node: Json, inputs: Mapping[str, Json] | None, depth: int) -> Iterator[Content]:
    if depth == 0:
        return
    if isinstance(node, str):
        try:
            decoded = orjson.loads(node)
        except ValueError:
            return
        if isinstance(decoded, dict | list | str):
            yield from _find(decoded, inputs, depth - 1)
    elif isinstance(node, list):
        for item in node:
            yield from _find(item, inputs, depth - 1)
    elif isinstance(node, dict):
        own = _opened(node.get("inputs"))
        inputs = own if isinstance(own, dict) else inputs
        yield from _here(node, inputs)
        for name, item in node.items():
            if name != "inputs" and isinstance(item, dict | list | str):
                yield from _find(item, inputs, depth - 1)


def _here(node: Mapping[str, Json], inputs: Mapping[str, Json] | None) -> Iterator[Content]:
    bucket, key = node.get("bucket"), node.get("object")
    if isinstance(bucket, dict) and isinstance(key, dict):
        # The record of an event: {"bucket": {"name": ...}, "object": {"key": ...}}.
        bucket, key = bucket.get("name") or bucket.get("bucket"), key.get("key")
    if isinstance(bucket, str) and isinstance(key, str):
        yield Content(bucket, key, inputs)


def _opened(value: Json) -> Json:
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except ValueError:
        return value


def likeness(row: Unsettled, content: Content) -> int | None:
    """Tell how well a content fits a row: 0 exactly, more less well, None not at all.

    Keys may be percent-encoded or have lost leading slashes, values of inputs may have become text. BLURRED is the
    most, where there are more inputs than the row's, or the key is trimmed or normalised.
    """
    if content.bucket != row.bucket:
        return None
    key = _key_likeness(row.object, content.key)
    inputs = _inputs_likeness(orjson.loads(row.inputs or b"{}"), content.inputs)
    return None if key is None or inputs is None else min(key + inputs, BLURRED)


def places(content: Content) -> set[tuple[str, str]]:
    """Give the (bucket, key) under which rows that this content may fit are found, see `place`."""
    return {(content.bucket, bare(form)) for form in forms(content.key)}


def place(row: Unsettled) -> tuple[str, str]:
    """Give the (bucket, key) that every content that may fit the row has among its `places`."""
    return row.bucket, bare(row.object)


def forms(told: str) -> list[str]:
    """Give the keys that one may stand for which is told: itself, percent-decoded, and with + for a blank too."""
    return [told, unquote(told), unquote_plus(told)]


def bare(key: str) -> str:
    """Take from a key what a service might change: outer blanks, leading slashes, how its letters are composed."""
    return unicodedata.normalize("NFC", key).strip().lstrip("/")


def _key_likeness(key: str, told: str) -> int | None:
    read = forms(told)
    if key in read:
        return read.index(key)
    if key.lstrip("/") in [form.lstrip("/") for form in read]:
        return len(read)
    # Nothing says that the service normalises or trims keys, but if it did, the row must not be sent again.
    return BLURRED if bare(key) in map(bare, read) else None


def _inputs_likeness(inputs: Mapping[str, Json], told: Mapping[str, Json] | None) -> int | None:
    if told is None:
        return 10
    if canonical(inputs) == canonical(told):
        return 0
    # Values may have become text on their way. Further ones may be defaults, or make it somebody else's.
    alike = all(name in told and _as_text(value) == _as_text(told[name]) for name, value in inputs.items())
    if not alike:
        return None
    return 20 if len(told) == len(inputs) else BLURRED


def _as_text(value: Json) -> str:
    return value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
