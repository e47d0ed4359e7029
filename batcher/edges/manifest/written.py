"""The entries of a manifest as they stand in its file, whatever they mean: to write some of them once more.

An entry begins on the line that its row bears, so that both readings of the file can be compared.
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
"""The formats whose entries can stand in another file as they are."""

_CHUNK = 32 * 1024


class Written(NamedTuple):
    """One entry: the line it begins on, and its text. `cells` are those of a table, None where it has none.

    A plain key is the only cell of its entry.
    """

    line: int
    text: str
    cells: list[str] | None = None


def written_entries(path: Path, format_: str) -> Iterator[Written]:
    """Give the entries of a manifest in their order, a table's without its header. Raises ManifestError.

    The format is one of WRITTEN_FORMATS.
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
