"""The entries of a manifest as they are written in its file, to write some of them to another file.

An entry begins on the same line as its row, so that the two readings of the file can be compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from batcher.edges.manifest.lines import LineReader
from batcher.edges.manifest.source import Source
from batcher.edges.manifest.table import DELIMITERS, TableReader

WRITTEN_FORMATS = (*DELIMITERS, "jsonl", "txt")
"""Formats whose entries can be copied to another file as they are."""

_CHUNK = 32 * 1024


class Written(NamedTuple):
    """One entry: the line it begins on, and its text. `cells` are those of a table; None if the entry has none.

    In plain text the object name is the only cell.
    """

    line: int
    text: str
    cells: list[str] | None = None


def written_entries(path: Path, format_: str) -> Iterator[Written]:
    """Yield the entries of a manifest in order, without the header of a table. Raises ManifestError.

    `format_` is one of WRITTEN_FORMATS.
    """
    with closing(Source(path, lone_cr=format_ in DELIMITERS)) as source:
        texts = source.texts(_CHUNK)
        if format_ in DELIMITERS:
            table = TableReader(DELIMITERS[format_], source.name, 1)
            table.header(texts)
            for line, cells, text in chain.from_iterable(table.entries(texts)):
                yield Written(line, text, cells if isinstance(cells, list) else None)
        else:
            make = _key if format_ == "txt" else Written
            yield from chain.from_iterable(LineReader(1).rows(texts, make))


def _key(line: int, key: str) -> Written:
    return Written(line, key, [key])
