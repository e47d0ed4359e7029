"""Writes an entry of a manifest again, with the reason why its row failed, as an entry of the next manifest.

Pure. Rule: what is written reads back as the same row, or as no row, but never as another row.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from typing import NamedTuple

import orjson

NAMES = ("error_code", "error_message")
"""The columns or fields to add. Those already in the manifest are from an earlier failure and are removed."""

_EARLIER = re.compile(r',?"error_code":"(?:[^"\\]|\\.)*","error_message":"(?:[^"\\]|\\.)*"\}$')


class Reason(NamedTuple):
    """Why a row failed."""

    code: str
    message: str


class Table:
    """Writes the entries of a table with these columns, as CSV or TSV depending on the delimiter."""

    def __init__(self, columns: Sequence[str], delimiter: str) -> None:
        self._width = len(columns)
        self._own = [index for index, name in enumerate(columns) if name not in NAMES]
        self._delimiter = delimiter
        self.header = self._line([*(columns[index] for index in self._own), *NAMES])

    def entry(self, text: str, cells: Sequence[str] | None, reason: Reason) -> bytes:
        """Write an entry. An entry that is not a row of the table has empty cells, and its text in the message."""
        if cells is None or len(cells) > self._width:
            return self._line([*("" for _ in self._own), reason.code, f"{reason.message}: {text.rstrip()}"])
        padded = [*cells, *[""] * (self._width - len(cells))]
        return self._line([*(padded[index] for index in self._own), *reason])

    def _line(self, cells: Sequence[str]) -> bytes:
        line = io.StringIO(newline="")
        csv.writer(line, delimiter=self._delimiter).writerow(cells)
        return line.getvalue().encode()


def json_entry(text: str, reason: Reason) -> bytes:
    """Write a line of JSON Lines. A JSON object keeps its text, digit for digit; other text goes into the message."""
    try:
        is_object = isinstance(orjson.loads(text), dict)
    except ValueError:
        is_object = False
    if not is_object:
        fields = {NAMES[0]: reason.code, NAMES[1]: f"{reason.message}: {text}"}
        return orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)
    begin = _EARLIER.sub("", text.rstrip()).removesuffix("}")
    comma = "" if begin.rstrip().endswith("{") else ","
    fields = {NAMES[0]: reason.code, NAMES[1]: reason.message}
    return f"{begin}{comma}".encode() + orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)[1:]
