"""Manifests with one entry per line: JSON Lines, and plain text with one object name per line.

Only LF and CRLF end a line: an object name may contain the other characters that Unicode treats as line breaks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import NoneType
from typing import TypeVar

import orjson

from batcher.edges.manifest.plain import json_columns
from batcher.edges.manifest.rows import Ignored, Rows
from batcher.errors import ManifestError
from batcher.model import BadRow, Json, Row
from batcher.rules.rows.address import MARK, located
from batcher.rules.rows.json_text import fault_of_lines
from batcher.rules.rows.plain_rows import PlainRows, is_single
from batcher.rules.rows.values import is_exact, json_object, require_exact

T = TypeVar("T")

_BOM = "\ufeff"
_NO_INPUTS: dict[str, Json] = {}
_KNOWN = frozenset({"bucket", "object", "inputs"})
_KINDS = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", int: "a number", float: "a number"}


def _careful(_line: int, _text: str) -> None:
    """Leave each line to be read for itself."""


class LineReader:
    """Reads entries of one line each. `line` is the number of the next line."""

    is_whole = True
    """Whether no entry is incomplete. Here each text ends with a whole entry."""

    def __init__(self, line: int) -> None:
        self.line = line

    def rows(
        self,
        texts: Iterable[str],
        make: Callable[[int, str], T | None],
        plain: Callable[[int, str], Sequence[T] | None] = _careful,
    ) -> Iterator[Sequence[T]]:
        """Yield, for each text, what `make` returns for its non-empty lines, called with their numbers.

        `plain` is called first, with the number of the first of several whole lines, and their text. It returns the
        same for all of them, one item for each, or None.
        """
        for text in texts:
            whole = text.replace("\r\n", "\n").removesuffix("\r") if "\r" in text else text
            made = plain(self.line, whole) if whole.endswith("\n") else None
            if made is None:
                lines = whole.split("\n")
                made = [row for line, text in enumerate(lines, self.line) if text and (row := make(line, text))]
                # The text after the last newline is not a complete line yet.
                self.line += len(lines) - 1
            else:
                self.line += len(made)
            yield made


def only_lines(texts: Iterable[str], name: str) -> Iterator[str]:
    """Yield the texts of a JSON Lines file. Raises ManifestError at once if it is JSON of another shape."""
    is_known = False
    for text in texts:
        if not is_known and not text.isspace():
            is_known = True
            fault = fault_of_lines(text)
            if fault is not None:
                raise ManifestError(f"{name}: {fault.what}", fault.advice)
        yield text


def key_row(rows: Rows) -> Callable[[int, str], Row | BadRow]:
    """Return a function that makes a row of a line, which is an object name exactly as written."""

    def make(line: int, key: str) -> Row | BadRow:
        try:
            return rows.row(line, *located("", key)) if MARK in key else rows.row(line, "", key)
        except ValueError as fault:
            return rows.bad(line, "", key, fault, key)

    return make


def plain_keys(rows: Rows) -> Callable[[int, str], PlainRows | None]:
    """Return a function that makes rows of plain lines, as that of `key_row` would, or None."""
    return lambda line, text: rows.plain(line, None, text[:-1].split("\n"), None)


def plain_json(rows: Rows, ignored: Ignored) -> Callable[[int, str], PlainRows | None]:
    """Return a function that makes rows of plain lines, as that of `json_row` would, or None."""
    return lambda line, text: _plain_json(line, text, rows, ignored)


def _plain_json(line: int, text: str, rows: Rows, ignored: Ignored) -> PlainRows | None:
    columns = json_columns(text, _KNOWN)
    if columns is None or "object" not in columns or set(map(type, columns["object"])) != {str}:
        return None
    buckets, inputs = columns.get("bucket"), columns.get("inputs")
    if buckets is not None and not (is_single(buckets) and type(buckets[0]) is str):
        if not {str, NoneType}.issuperset(map(type, buckets)):
            return None
        buckets = [each or "" for each in buckets]
    if inputs is not None:
        inputs = _written(inputs, rows)
        if inputs is None:
            return None
    made = rows.plain(line, buckets, columns["object"], inputs)
    if made is not None:
        for name in columns:
            if name not in _KNOWN:
                ignored.add(name)
    return made


def _written(inputs: Sequence[Json], rows: Rows) -> Sequence[bytes] | None:
    """Return the canonical inputs of rows. None if one is no object, or its text must show whether it is exact."""
    if not {dict, NoneType}.issuperset(map(type, inputs)):
        return None
    try:
        if len(set(map(id, inputs))) == 1:
            return [rows.written(inputs[0])] * len(inputs) if is_exact((inputs[0] or {}).values()) else None
        # Not equal values, since 1 equals 1.0 and true. Rows of the same text have the same inputs.
        own = [orjson.dumps(each) for each in inputs]
        different = dict(zip(own, inputs, strict=True))
        if not all(is_exact(each.values()) for each in different.values() if each):
            return None
        written = {text: rows.written(each) for text, each in different.items()}
    except (ValueError, orjson.JSONEncodeError):
        return None
    return [written[text] for text in own]


def json_row(rows: Rows, ignored: Ignored) -> Callable[[int, str], Row | BadRow | None]:
    """Return a function that reads a JSON object with `object`, and optionally `bucket` and `inputs`.

    null counts as absent, and a blank line is not a row. Other names are recorded as ignored.
    """
    return lambda line, text: None if text.isspace() else _json_row(line, text, rows, ignored)


def _json_row(line: int, text: str, rows: Rows, ignored: Ignored) -> Row | BadRow:
    entry: Mapping[str, Json] = {}
    try:
        entry = json_object(text)
        if not _KNOWN.issuperset(entry):
            # Also of a bad row: its fault may be a misspelt name.
            for name in entry:
                if name not in _KNOWN:
                    ignored.add(name)
        bucket = _field(entry, "bucket", "")
        object_ = _field(entry, "object", "")
        if MARK in object_:
            bucket, object_ = located(bucket, object_)
        inputs = _field(entry, "inputs", _NO_INPUTS)
        if inputs:
            require_exact(inputs.values(), text)
        return rows.row(line, bucket, object_, inputs)
    except ValueError as fault:
        if text.startswith(_BOM):
            # The beginning of the next of several files that were joined.
            return _json_row(line, text.removeprefix(_BOM), rows, ignored)
        return rows.bad(line, _readable(entry, "bucket"), _readable(entry, "object"), fault, text)


def _field(entry: Mapping[str, Json], name: str, absent: T) -> T:
    """Look up a field, which must be of the same type as `absent`. Raises ValueError if it is not."""
    value = entry.get(name)
    if value is None:
        return absent
    if not isinstance(value, type(absent)):
        raise ValueError(f"{name}: {_KINDS[type(value)]}, not {_KINDS[type(absent)]}")  # noqa: TRY004 - a fault of the row
    return value


def _readable(entry: Mapping[str, Json], name: str) -> str:
    value = entry.get(name)
    return value if isinstance(value, str) else ""
