"""The failures: an entry of a manifest written once more, with the reason why its row failed, as the next manifest.

Pure. Rule: what is written is read back as the same row, or as no row; never as another one.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from typing import NamedTuple

import orjson

NAMES = ("error_code", "error_message")
"""The columns, or fields, that are added; a manifest's own of these names are from an earlier failure, and go."""

_EARLIER = re.compile(r',?"error_code":"(?:[^"\\]|\\.)*","error_message":"(?:[^"\\]|\\.)*"\}$')


class Reason(NamedTuple):
    """Why a row failed."""

    code: str
    message: str


class Table:
    """Writes the entries of a table with these columns, as CSV or TSV by the delimiter."""

    def __init__(self, columns: Sequence[str], delimiter: str) -> None:
        self._width = len(columns)
        self._own = [index for index, name in enumerate(columns) if name not in NAMES]
        self._delimiter = delimiter
        self.header = self._line([*(columns[index] for index in self._own), *NAMES])

    def entry(self, text: str, cells: Sequence[str] | None, reason: Reason) -> bytes:
        """Write an entry. One that is no row of its table has its text in the message, and no cell of its own."""
        if cells is None or len(cells) > self._width:
            return self._line([*("" for _ in self._own), reason.code, f"{reason.message}: {text.rstrip()}"])
        padded = [*cells, *[""] * (self._width - len(cells))]
        return self._line([*(padded[index] for index in self._own), *reason])

    def _line(self, cells: Sequence[str]) -> bytes:
        line = io.StringIO(newline="")
        csv.writer(line, delimiter=self._delimiter).writerow(cells)
        return line.getvalue().encode()


def json_entry(text: str, reason: Reason) -> bytes:
    """Write a line of JSON Lines. An object keeps its text, digit for digit; anything else is put into the message."""
    try:
        is_object = isinstance(orjson.loads(text), dict)
    except ValueError:
        is_object = False
    if not is_object:
        told = {NAMES[0]: reason.code, NAMES[1]: f"{reason.message}: {text}"}
        return orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE)
    begin = _EARLIER.sub("", text.rstrip()).removesuffix("}")
    comma = "" if begin.rstrip().endswith("{") else ","
    told = {NAMES[0]: reason.code, NAMES[1]: reason.message}
    return f"{begin}{comma}".encode() + orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE)[1:]
