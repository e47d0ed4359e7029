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


def table_columns(text: str, delimiter: str, width: int, key: int) -> Sequence[Sequence[str]] | None:
    """Return the columns of a table's text if it is whole records of this width, each on a line of its own.

    The text begins with a record. Where nothing is quoted, delimiters and line ends are all that CSV knows. `key` is
    the place of the column of objects, often the only one that differs.
    """
    if '"' in text:
        return _quoted_columns(text, delimiter, width)
    plain = text.replace("\r\n", "\n") if "\r" in text else text
    # A longer cell is unreadable to the csv module.
    if "\r" in plain or not plain.endswith("\n") or len(plain) > csv.field_size_limit():
        return None
    if width == 1:
        return None if delimiter in plain else [plain[:-1].split("\n")]
    return _columns_alike(plain, delimiter, width, key) or _columns(plain, delimiter, width)


def _columns_alike(text: str, delimiter: str, width: int, key: int) -> Sequence[Sequence[str]] | None:
    """Return the columns of records that differ only in the column `key`, else None."""
    cells = text[: text.index("\n")].split(delimiter)
    if len(cells) != width:
        return None
    before = "".join(f"{cell}{delimiter}" for cell in cells[:key])
    after = "".join(f"{delimiter}{cell}" for cell in cells[key + 1 :])
    found = _between(text, before, after)
    if found is None or delimiter in "".join(found):
        return None
    return [found if at == key else [cell] * len(found) for at, cell in enumerate(cells)]


def _between(text: str, before: str, after: str) -> list[str] | None:
    """Return what is between `before` and `after` on each of several lines, None if a line does not have these.

    The first line must have them.
    """
    if not text.startswith(before, text.index("\n") + 1) or not text.endswith(f"{after}\n"):
        return None
    found = text[len(before) : len(text) - len(after) - 1].split(f"{after}\n{before}")
    return None if "\n" in "".join(found) else found


def _columns(text: str, delimiter: str, width: int) -> Sequence[Sequence[str]] | None:
    records = text.count("\n")
    # Each line end becomes a cell of its own. If these stand where records of this width end, all have this width.
    cells = text.replace("\n", f"{delimiter}\n{delimiter}").split(delimiter)
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


def json_columns(text: str, wanted: Collection[str]) -> Mapping[str, Sequence[Json]] | None:
    """Return the names in order of appearance if each line is a JSON object, with the values of those that are wanted.

    The text consists of whole lines. A value is None where a line does not have the name. The other names have no
    values.
    """
    alike = _objects_alike(text, wanted)
    if alike is not None:
        return alike
    try:
        entries = list(map(orjson.loads, text[:-1].split("\n")))
    except ValueError:
        return None
    if set(map(type, entries)) != {dict}:
        return None
    names = dict.fromkeys(chain.from_iterable(entries))
    return {name: [entry.get(name) for entry in entries] if name in wanted else () for name in names}


def _objects_alike(text: str, wanted: Collection[str]) -> Mapping[str, Sequence[Json]] | None:
    """Return what `json_columns` does for lines that differ only in the value of `object`, else None.

    What surrounds this value is parsed once, and the values together, as one string: it is equal to what it is written
    as if none has a character that ends a string, begins an escape or must be escaped.
    """
    first = text[: text.index("\n")]
    places = [*_OBJECT.finditer(first)]
    if len(places) != 1 or "\\" in first:
        return None
    begin, end = places[0].span(1)
    objects = _between(text, first[:begin], first[end:])
    if objects is None:
        return None
    values = "".join(objects)
    try:
        entry = orjson.loads(first)
        if type(entry) is not dict or entry.get("object") != objects[0] or orjson.loads(f'"{values}"') != values:
            return None
    except ValueError:
        return None
    count = len(objects)
    columns = {name: [value] * count if name in wanted else () for name, value in entry.items()}
    return columns | {"object": objects}
