"""Reads a whole piece of text column by column, if all of its entries are plain, in a fraction of the time.

Rule: what is returned is what the careful reading finds too, else None, and the careful reading decides. So nothing
here judges an entry: whatever is unusual in one of them (a fault, another shape, a stray) leaves the piece to it.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Mapping, Sequence
from itertools import chain

import orjson

from batcher.model import Json

_OBJECT = re.compile(r'"object"\s*:\s*"([^"]*)"')


def table_columns(text: str, delimiter: str, width: int) -> Sequence[Sequence[str]] | None:
    """Return the columns of a table's text if it is whole records of this width, each on a line of its own.

    The text begins with a record. Where nothing is quoted, delimiters and line ends are all that CSV knows.
    """
    if '"' in text:
        return _quoted_columns(text, delimiter, width)
    plain = text.replace("\r\n", "\n") if "\r" in text else text
    # A longer cell is unreadable to the csv module.
    if "\r" in plain or not plain.endswith("\n") or len(plain) > csv.field_size_limit():
        return None
    if width == 1:
        return None if delimiter in plain else [plain[:-1].split("\n")]
    records = plain.count("\n")
    # Each line end becomes a cell of its own. If these stand where records of this width end, all have this width.
    cells = plain.replace("\n", f"{delimiter}\n{delimiter}").split(delimiter)
    step = width + 1
    if len(cells) != records * step + 1 or cells[width::step].count("\n") != records:
        return None
    cells.pop()
    return [cells[at::step] for at in range(width)]


def _quoted_columns(text: str, delimiter: str, width: int) -> Sequence[Sequence[str]] | None:
    lines = list(io.StringIO(text, newline=""))
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        records = list(reader)
    except csv.Error:
        return None
    if len(records) != len(lines) or set(map(len, records)) != {width} or not text.endswith("\n"):
        return None
    return list(zip(*records, strict=True))


def json_columns(lines: Sequence[str], wanted: Collection[str]) -> Mapping[str, Sequence[Json]] | None:
    """Return the names in order of appearance if each line is a JSON object, with the values of those that are wanted.

    A value is None where a line does not have the name. The other names have no values.
    """
    alike = _alike(lines, wanted)
    if alike is not None:
        return alike
    try:
        entries = list(map(orjson.loads, lines))
    except ValueError:
        return None
    if set(map(type, entries)) != {dict}:
        return None
    names = dict.fromkeys(chain.from_iterable(entries))
    return {name: [entry.get(name) for entry in entries] if name in wanted else () for name in names}


def _alike(lines: Sequence[str], wanted: Collection[str]) -> Mapping[str, Sequence[Json]] | None:
    """Return what `json_columns` does for lines that differ only in the value of `object`, else None.

    What surrounds this value is parsed once. The values have no character that ends a string or begins an escape.
    """
    first = lines[0]
    found = [*_OBJECT.finditer(first)]
    if len(found) != 1 or "\\" in first:
        return None
    begin, end = found[0].span(1)
    before, after = first[:begin], first[end:]
    text = "\n".join(lines)
    if not text.endswith(after):
        return None
    objects = text[begin : len(text) - len(after)].split(f"{after}\n{before}")
    values = "".join(objects)
    if len(objects) != len(lines) or '"' in values or "\\" in values or not values.isprintable():
        return None
    try:
        entry = orjson.loads(first)
    except ValueError:
        return None
    if type(entry) is not dict or entry.get("object") != objects[0]:
        return None
    count = len(lines)
    columns = {name: [value] * count if name in wanted else () for name, value in entry.items()}
    return columns | {"object": objects}
