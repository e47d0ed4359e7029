"""Writes objects as rows of a manifest, and reads them back: CSV with what the list says about each object. Pure.

Rule: a row read from such a manifest is the object that was listed, whatever its key consists of.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from batcher.rules.rows.address import located

if TYPE_CHECKING:
    from batcher.rules.bucket.page import ObjectPage

COLUMNS = ("bucket", "object", "size", "last_modified", "etag", "storage_class")
HEADER = (",".join(COLUMNS) + "\n").encode()
_SPECIAL = re.compile(r'[",\r\n]')
"""What a cell is quoted for."""
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def written(bucket: str, page: ObjectPage) -> bytes:
    """Write the objects of a page as lines of CSV. Their keys must be UTF-8."""
    columns: tuple[Sequence[str], ...] = (page.keys, page.sizes, page.modified, page.etags, page.classes)
    joined = ["".join(column) for column in columns]
    if "://" in joined[0]:
        columns = ([_cell(bucket, key) for key in page.keys], *columns[1:])
    if any(map(_SPECIAL.search, joined)):
        columns = tuple([_quoted(cell) for cell in column] for column in columns)
    return "".join([f"{bucket},{','.join(cells)}\n" for cells in zip(*columns, strict=True)]).encode()


def _cell(bucket: str, key: str) -> str:
    """Return the cell of a key. A key that would be read as an address is written as its own address."""
    return f"obs://{bucket}/{key}" if _SCHEME.match(key) else key


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if _SPECIAL.search(cell) else cell


def keys_of(lines: Iterable[str]) -> Iterator[str]:
    """Yield the keys of written lines, without the header."""
    for cells in csv.reader(lines, strict=True):
        yield located(cells[0], cells[1])[1]
