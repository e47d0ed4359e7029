"""Reads from an execution's input what it was started with, and rates how well that fits a row. Pure.

The shape of an execution's `input` is not documented, so it is parsed tolerantly: JSON within text, plain or as an
event record, object names raw or encoded. https://support.huaweicloud.com/en-us/api-obs/obs_04_0129.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import orjson

from batcher.model import Json, Row, Unsettled
from batcher.rules.doubts.likeness import forms, is_key_alike, is_value_alike
from batcher.rules.rows.identity import canonical

BLURRED = 30
"""The likeness of an ambiguous match: enough to keep the row in doubt, too little to accept the execution."""
AS_TEXT = 20
"""The likeness of inputs of which some numbers are texts, or some texts numbers."""
DEEPEST = 8
"""How deep an execution's input is searched, and how often text is parsed as JSON within text."""


class Content(NamedTuple):
    """What an execution was started with, as found at one place in its input. `inputs` is None if it has none."""

    bucket: str
    object: str
    inputs: Mapping[str, Json] | None


def contents_of(text: str) -> tuple[Content, ...] | None:
    """Find every bucket and object in an execution's input, plain or in event records. None if there are none."""
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
    bucket, name = node.get("bucket"), node.get("object")
    if isinstance(bucket, dict) and isinstance(name, dict):
        # An event record: {"bucket": {"name": ...}, "object": {"key": ...}}.
        bucket, name = bucket.get("name") or bucket.get("bucket"), name.get("key")
    if isinstance(bucket, str) and isinstance(name, str):
        yield Content(bucket, name, inputs)


def _opened(value: Json) -> Json:
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except ValueError:
        return value


def likeness(row: Row | Unsettled, content: Content) -> int | None:
    """Rate how well a content fits a row: 0 is exact, a higher number is a weaker fit, None is no fit.

    An object name may be percent-encoded or lack leading slashes, and input values may have become text. BLURRED is the
    highest rating: it may be the row's, shown in another form or with masked, missing or more inputs.
    """
    bucket = bucket_likeness(row.bucket, content.bucket)
    object_ = object_likeness(row.object, content.object)
    inputs = inputs_likeness(orjson.loads(row.inputs or b"{}"), content.inputs)
    if bucket is None or object_ is None or inputs is None:
        return None
    return min(bucket + object_ + inputs, BLURRED)


def bucket_likeness(bucket: str, reported: str) -> int | None:
    """Rate a reported bucket as `likeness` does."""
    if reported == bucket:
        return 0
    reported = reported.casefold()
    return BLURRED if reported == bucket or reported.startswith(f"{bucket}.") else None


def object_likeness(name: str, reported: str) -> int | None:
    """Rate a reported object name as `likeness` does."""
    read = forms(reported)
    if name in read:
        return read.index(name)
    if name.lstrip("/") in [form.lstrip("/") for form in read]:
        return len(read)
    # Nothing documents that the service changes names. If it did, the row must not be sent again.
    return BLURRED if is_key_alike(name, reported) else None


def inputs_likeness(inputs: Mapping[str, Json], reported: Mapping[str, Json] | None) -> int | None:
    """Rate reported inputs as `likeness` does. None means that none are shown."""
    if reported is None:
        return BLURRED if inputs else 0
    if canonical(inputs) == canonical(reported):
        return 0
    # Values may have been converted to text. Additional inputs may be defaults, or mean that another client started it.
    if all(name in reported and _as_text(value) == _as_text(reported[name]) for name, value in inputs.items()):
        return AS_TEXT if len(reported) == len(inputs) else BLURRED
    return BLURRED if all(is_value_alike(value, reported.get(name)) for name, value in inputs.items()) else None


def _as_text(value: Json) -> str:
    return value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
