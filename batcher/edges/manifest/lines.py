"""Manifests of one line an entry: JSON Lines, and plain text with one key a line.

Only LF and CRLF end a line: a key may hold any other character that Unicode takes for a line break.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from batcher.edges.manifest.rows import Ignored, Rows, Stream
from batcher.model import BadRow, Json, Row
from batcher.rules.cells import json_object, require_exact

T = TypeVar("T")

_NO_INPUTS: dict[str, Json] = {}
_KNOWN = frozenset({"bucket", "object", "inputs"})
_KINDS = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", int: "a number", float: "a number"}


def text_rows(texts: Iterable[str], rows: Rows) -> Stream:
    """Read keys, exactly as they stand."""
    for line, key in lines_of(texts):
        if key is None:
            yield None
        elif key:
            try:
                row: Row | BadRow = rows.row(line, "", key)
            except ValueError as fault:
                row = rows.bad(line, "", key, fault, key)
            yield row


def json_rows(texts: Iterable[str], rows: Rows, ignored: Ignored) -> Stream:
    """Read JSON objects with `object`, and perhaps `bucket` and `inputs`; null is as good as nothing."""
    for line, text in lines_of(texts):
        if text is None:
            yield None
        elif text and not text.isspace():
            yield _json_row(line, text, rows, ignored)


def _json_row(line: int, text: str, rows: Rows, ignored: Ignored) -> Row | BadRow:
    entry: Mapping[str, Json] = {}
    try:
        entry = json_object(text)
        bucket = _field(entry, "bucket", "")
        object_ = _field(entry, "object", "")
        inputs = _field(entry, "inputs", _NO_INPUTS)
        if inputs:
            require_exact(inputs.values(), text)
        row = rows.row(line, bucket, object_, inputs)
    except ValueError as fault:
        return rows.bad(line, _readable(entry, "bucket"), _readable(entry, "object"), fault, text)
    if not _KNOWN.issuperset(entry):
        for name in entry:
            if name not in _KNOWN:
                ignored.add(name)
    return row


def _field(entry: Mapping[str, Json], name: str, absent: T) -> T:
    """Look up a field, which is of the type of what stands for its absence. Raises ValueError if it is not."""
    value = entry.get(name)
    if value is None:
        return absent
    if not isinstance(value, type(absent)):
        raise ValueError(f"{name}: {_KINDS[type(value)]}, not {_KINDS[type(absent)]}")  # noqa: TRY004 - a fault of the row
    return value


def _readable(entry: Mapping[str, Json], name: str) -> str:
    value = entry.get(name)
    return value if isinstance(value, str) else ""


def lines_of(texts: Iterable[str]) -> Iterator[tuple[int, str | None]]:
    """Give each line with its number; at the end of each text None in a line's place."""
    number = 1
    for text in texts:
        lines = text.split("\n")
        for line in lines:
            yield number, line.removesuffix("\r")
            number += 1
        # What follows the last newline is not a line yet.
        number -= 1
        yield number, None
